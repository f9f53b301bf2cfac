// Package machine agrees on sets of items by polling fresh peers of the sample. It is pure: no clock, network, goroutine
// or lock, and no randomness but the generator that it is given. The simulator and the host drive the same object.
//
// In each epoch every node may propose a few items during the first rounds, the window. For each item a binary Snowball
// instance then decides whether it is in the set or out. A poll asks k peers that are drawn anew for it, about all items
// at once: an answer lists the items that the peer prefers in the set, and whatever it does not list counts as out.
// An epoch is closed, and its set final, when each item that the node holds is decided and enough polls in a row have
// shown that no other item has support.
//
// The driver works in rounds:
//
//	actions := m.Tick(clock)             // closes the polls of the last round, opens those of this one
//	for _, poll := range actions.Polls {
//		m.Ask(poll.Epoch, picks)     // fresh, distinct, verified peers: poll.K of them, or as many as there are
//	}                                    // then send the poll to each, and call HandleAnswer with what comes back
//	for _, f := range actions.Fetches {} // ask f.From for the items f.IDs, verify them, call HandleItem
//
// Polls of others are answered from Answer. docs/consensus.md has the rules, what they bear, and the figures.
package machine
