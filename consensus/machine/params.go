package machine

import "fmt"

// Params are the parameters of agreement. All nodes of a network must have the same ones but for Drift, Hold and Stall.
type Params struct {
	// K is the size of a poll, Alpha the quorum within it, K/2 < Alpha <= K. With fewer than K peers a poll has as many
	// as there are, and Alpha shrinks in proportion, rounded up.
	K, Alpha int
	// Beta is the number of polls in a row with the same quorum that decides an item.
	Beta int
	// Adopt is the number of polls in a row, 1 to Beta, in which a quorum says that the item is decided in the same way,
	// after which the node takes that decision over. Beta switches the short cut off.
	Adopt int
	// Drift is the number of polls in a row, each with enough answers but with a quorum for neither side, after which
	// an item falls to out. 0: never.
	Drift int
	// Hold is the number of polls in a row with a quorum for in, 1 to Beta, after which an item does not fall any more.
	Hold int
	// Window is the number of rounds at the start of an epoch in which items may be proposed and spread, at least 1.
	Window int
	// MinPeers is the least number of peers for a poll, at least 3. With fewer the node says so and decides nothing.
	MinPeers int
	// Stall is the number of polls after the window after which an open epoch is reported as stalled.
	Stall int
}

// Default returns the parameters that are used unless others are set.
func Default() Params {
	return Params{
		K: 20, Alpha: 15, Beta: 20, // avalanchego's snowball: the share that a poll bears is 1 - 15/20
		Adopt:    10,  // docs/consensus.md, "Latecomers": 10 polls of a node with .6 faulty picks: 1e-9
		Drift:    12,  // docs/consensus.md, "Balanced camps"
		Hold:     3,   // docs/consensus.md, "Balanced camps"
		Window:   8,   // a hop is two rounds, poll and fetch, and reaches up to K times as many: 4 hops suffice at n=10,000
		MinPeers: 4,   // 3 of 4: the least poll that bears one faulty peer
		Stall:    200, // the slowest node of 1,200 runs with 15% faulty peers had closed after 204 rounds (docs/consensus.md)
	}
}

// Validate returns an error that names the first parameter out of its range.
func (p Params) Validate() error {
	for _, c := range []struct {
		name          string
		value, lo, hi int
	}{
		{"K", p.K, 3, 255},
		{"Alpha", p.Alpha, p.K/2 + 1, p.K},
		{"Beta", p.Beta, 1, 10_000},
		{"Adopt", p.Adopt, 1, p.Beta},
		{"Drift", p.Drift, 0, 10_000},
		{"Hold", p.Hold, 1, p.Beta},
		{"Window", p.Window, 1, 10_000},
		{"MinPeers", p.MinPeers, 3, p.K},
		{"Stall", p.Stall, 1, 1_000_000},
	} {
		if c.value < c.lo || c.value > c.hi {
			return fmt.Errorf("consensus: %s is %d, must be %d to %d", c.name, c.value, c.lo, c.hi)
		}
	}
	return nil
}

// quorum is Alpha for a poll of k peers.
func (p Params) quorum(k int) int { return (p.Alpha*k + p.K - 1) / p.K }
