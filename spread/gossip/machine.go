package gossip

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// A Header is what the machine has to know of a copy of a message.
type Header struct {
	ID     message.Hash
	Origin peer.ID
	Time   int64 // by its origin's clock
	Hops   int   // how many peers have passed this copy on
}

// A Verdict says what a copy of a message is.
type Verdict uint8

// The verdicts.
const (
	Unseen        Verdict = iota // not seen before
	Again                        // seen, but only in copies that had too many hops to be passed on; this one has fewer
	Known                        // seen, and nothing is to be done
	TooOld                       // its time is too long ago, or it may have been seen and forgotten
	TooEarly                     // its time is too far ahead
	Full                         // nothing can be forgotten for it
	OriginLimited                // new, and its origin has sent too many
)

// String returns a short name.
func (v Verdict) String() string {
	names := [...]string{"unseen", "again", "known", "too_old", "too_early", "full", "origin_limited"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// A Machine is the memory of one peer. It is not safe for concurrent use.
type Machine struct {
	p       Params
	self    peer.ID
	seen    seen
	origins buckets
	own     bucket
}

// New returns the machine of self. It fails with the error of Params.Validate.
func New(self peer.ID, p Params) (*Machine, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Machine{
		p: p, self: self, seen: newSeen(p.Memory),
		origins: newBuckets(p.Origin, p.Keys),
		own:     bucket{key: self, tokens: max(1, p.Origin.Burst*paceShare)},
	}, nil
}

// Since makes what was made before t too old. A machine that is started anew remembers nothing, so whatever its peer took
// before would be new to it: a driver gives the time of the start.
func (m *Machine) Since(t int64) { m.seen.earliest = max(m.seen.earliest, t) }

// Meet says what a copy is that has not been verified: Unseen and Again are worth a verification, all others are not. It
// changes nothing that a forged message could profit from.
func (m *Machine) Meet(now int64, h Header) Verdict {
	m.seen.forget(now - m.p.MaxAge)
	relayed, known := m.seen.relayed[h.ID]
	switch {
	case known && !relayed && h.Hops < m.p.MaxHops:
		return Again
	case known:
		return Known
	case h.Time < m.seen.earliest, h.Time < now-m.p.MaxAge:
		return TooOld
	case h.Time > now+m.p.MaxAhead:
		return TooEarly
	case !m.seen.room(now - m.p.Window):
		return Full
	case h.Time > now && m.seen.ahead(now) >= max(1, m.p.Memory/aheadPart):
		return Full
	}
	return Unseen
}

// Accept takes a verified copy: Unseen means that it is to be delivered, everything but Unseen and Again that nothing is to be
// done. relay tells whether it is to be passed on, with one hop more. A copy of the same message may have been accepted
// since Meet.
func (m *Machine) Accept(now int64, h Header) (v Verdict, relay bool) {
	v = m.Meet(now, h)
	switch {
	case v == Again:
		m.seen.relayed[h.ID] = true
		return v, true
	case v != Unseen:
		return v, false
	case h.Origin == m.self:
		// What we said before a restart: nobody else can sign it.
	case !m.origins.take(now, h.Origin):
		return OriginLimited, false
	}
	relay = h.Hops < m.p.MaxHops
	m.seen.add(now, h.ID, h.Time, relay)
	return Unseen, relay
}

// aheadPart: messages that are ahead of our clock may be 1/aheadPart of those that are remembered. They cannot be forgotten
// until their time has come and Window has passed: to forget one is to refuse all that are as old. Without the bound a
// quarter of the messages would do to have all new ones refused.
const aheadPart = 4

// paceShare is what a peer takes of the rate that others allow it. On their way messages come closer together.
const paceShare = .5

// Pace asks to send a message of our own: 0 grants it, more is after how many milliseconds to ask again. It keeps us to half
// of what others take of one origin, if their limits are ours.
func (m *Machine) Pace(now int64) (wait int64) {
	r := Rate{m.p.Origin.PerSecond * paceShare, max(1, m.p.Origin.Burst*paceShare)}
	if m.p.Origin == (Rate{}) {
		return 0
	}
	if m.own.fill(now, r); m.own.tokens >= 1 {
		m.own.tokens--
		return 0
	}
	return 1 + int64((1-m.own.tokens)*1000/r.PerSecond)
}

// Remembered is how many messages are remembered.
func (m *Machine) Remembered() int { return len(m.seen.byTime) }

// Targets returns the first want of picks that are none of not, each once.
func Targets(picks []peer.AddrInfo, want int, not ...peer.ID) []peer.AddrInfo {
	var out []peer.AddrInfo
	for _, p := range picks {
		if len(out) >= want {
			break
		}
		if !slices.Contains(not, p.ID) {
			not = append(slices.Clip(not), p.ID)
			out = append(out, p)
		}
	}
	return out
}
