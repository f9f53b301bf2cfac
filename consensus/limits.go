package consensus

import "fmt"

// Unlimited switches a limit of Limits off.
const Unlimited = -1

// Limits are the bounds on what others may ask of a service. The zero value of a field takes its default, a negative one
// (Unlimited) switches it off. A prefix is a /24 of IPv4 or a /48 of IPv6, a wide one a /16 or a /32; a relayed address
// counts as its relay's. Private and loopback addresses have no prefix, so that a network on a LAN or on one machine
// meets no limit by prefix.
type Limits struct {
	// PeerRate bounds the streams that one peer opens in a round, by kind, as a multiple of what a correct one opens at
	// most: a poll and a fetch for each kept epoch. 1 to 1000, by default 1.5. Those of three rounds may come at once.
	PeerRate float64
	// PrefixRate bounds the streams from one prefix in a round, by kind, as a multiple of what all peers together send
	// to one of them on average: K polls for each kept epoch, and as many fetches. 1 to 1000, by default 2. Those of two
	// rounds may come at once. A wide prefix may open twice as many.
	PrefixRate float64
}

// Defaults of Limits.
const (
	DefaultPeerRate   = 1.5
	DefaultPrefixRate = 2
)

func (l Limits) check() error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"peer rate", l.PeerRate}, {"prefix rate", l.PrefixRate}} {
		if f.value > 0 && !(f.value >= 1 && f.value <= 1000) || f.value != f.value {
			return fmt.Errorf("consensus: %s=%v must be between 1 and 1000, 0 for the default, or negative for none", f.name, f.value)
		}
	}
	return nil
}
