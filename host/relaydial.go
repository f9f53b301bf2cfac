package host

import "github.com/libp2p/go-libp2p/core/peer"

// A relay that has ended takes with it all whom it alone connected. Each of them must be found dead within the stated time,
// so dials through it must not be held back because so many peers are at its address.

// proveRelays tells the budget where the relays that an attempt was to go through have answered us.
func (d *dialBudget) proveRelays(a attempt, connected func(peer.ID, socket) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range a.charged {
		if c := &a.charged[i]; c.relay != "" && connected(c.relay, c.socket) {
			d.proven.add(c.relay, place{socket: c.socket})
		}
	}
}

// atRelay reports whether a relayed address is that of a relay which has answered us there: no victim, whoever names it.
func (d *dialBudget) atRelay(t *target) bool {
	if t.relay == "" {
		return false
	}
	at, _ := d.proves(t.relay, place{socket: t.socket})
	return at
}
