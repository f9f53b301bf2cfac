package gossip

import (
	"errors"
	"fmt"
	"math"
)

// Params are the bounds of a machine. Start from Default: the zero value is invalid.
type Params struct {
	// MaxAge and MaxAhead are how long ago, and how far in the future, the time of a message may be by our clock, in
	// milliseconds. Clocks of correct peers differ, so MaxAhead must not be small.
	MaxAge, MaxAhead int64
	// MaxHops is how many peers may have passed on a message that we still pass on.
	MaxHops int
	// Memory is how many messages are remembered. Where more arrive within MaxAge the oldest are forgotten, and none as old
	// as they is taken any more, so that none is ever taken twice; but what is less than Window milliseconds old is never
	// forgotten: then new messages are refused.
	Memory int
	Window int64
	// Origin is how many new messages are taken of one origin. A zero Rate is no limit.
	Origin Rate
	// Keys is how many origins a limit is kept for. Beyond it that of the one that was silent longest is forgotten, which lets
	// it send a burst again: no more than a new id may, and ids are free.
	Keys int
}

// Default returns the defaults. All are guesses but MaxHops: with the fan-out of Fanout a network of 10^6 peers is five hops
// deep, and one of 64 two or three.
func Default() Params {
	return Params{
		MaxAge: 2 * 60_000, MaxAhead: 30_000, MaxHops: 10, Memory: 1 << 16, Window: 10_000,
		Origin: Rate{PerSecond: 20, Burst: 200}, Keys: 4096,
	}
}

// Bounds of the parameters.
const (
	MaxMaxAge = 24 * 60 * 60_000
	MaxHops   = 32
	MaxMemory = 1 << 22
	MaxKeys   = 1 << 20
	MaxRate   = 1_000_000
)

// Validate returns an error that names value and rule for everything that is wrong.
func (p Params) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(p.MaxAge >= 1000 && p.MaxAge <= MaxMaxAge, "max age=%d ms must be between 1000 and %d", p.MaxAge, MaxMaxAge)
	bad(p.MaxAhead >= 0 && p.MaxAhead <= MaxMaxAge, "max ahead=%d ms must be between 0 and %d", p.MaxAhead, MaxMaxAge)
	bad(p.MaxHops >= 0 && p.MaxHops <= MaxHops, "max hops=%d must be between 0 and %d", p.MaxHops, MaxHops)
	bad(p.Memory >= 1 && p.Memory <= MaxMemory, "memory=%d messages must be between 1 and %d", p.Memory, MaxMemory)
	bad(p.Window >= 0 && p.Window <= p.MaxAge, "window=%d ms must be between 0 and max age=%d", p.Window, p.MaxAge)
	bad(p.Keys >= 1 && p.Keys <= MaxKeys, "keys=%d must be between 1 and %d", p.Keys, MaxKeys)
	return errors.Join(append(errs, p.Origin.Validate("origin"))...)
}

// MaxFanout bounds what Fanout returns: it is that of more peers than there are addresses.
const MaxFanout = 64

// Fanout is to how many peers each peer passes a message on, in a network of n: ln n + 7, rounded up. If each peer that has
// a message sends it to ln n + c others, drawn uniformly, all get it with a probability of exp(-exp(-c)) (Kermarrec,
// Massoulié, Ganesh; IEEE TPDS 2003): .9991 for 7. An n that is no number above 1 counts as 1.
func Fanout(n float64) int {
	if !(n > 1) {
		n = 1
	}
	return int(min(math.Ceil(math.Log(n)+7), MaxFanout))
}
