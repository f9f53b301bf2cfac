package host

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// libp2p dials a relay at all addresses that it has of it: those that the relayed address names, and those that earlier
// ones named, each of which it keeps for two minutes. Whoever names one relay at ever other victims would have all of them
// dialled each time. So the others count as well, and those over the budget are held back.

// holdRelays decides about the further addresses of the relays that an attempt at addrs may go through.
func (x *libp2pExchanger) holdRelays(a *attempt, addrs []multiaddr.Multiaddr, backoff *swarm.DialBackoff) {
	named := make(map[peer.ID][]socket)
	for _, addr := range addrs {
		if t, ok := targetOf(addr); ok && t.relay != "" && !slices.ContainsFunc(a.held, addr.Equal) {
			named[t.relay] = append(named[t.relay], t.socket)
		}
	}
	for relay, sockets := range named {
		switch x.h.Network().Connectedness(relay) {
		case network.Connected, network.Limited:
			continue // it is not dialled
		}
		held := x.s.dialling.beside(a, relay, sockets, x.h.Peerstore().Addrs(relay))
		backoff.Clear(relay) // an earlier attempt may have held back what this one may dial
		for _, addr := range held {
			backoff.AddBackoff(relay, addr)
		}
	}
}

// beside takes into account that an attempt may dial a relay at addrs as well, and returns those of them that it may not.
// Those at the named sockets were decided on already.
func (d *dialBudget) beside(a *attempt, relay peer.ID, named []socket, addrs []multiaddr.Multiaddr) (held []multiaddr.Multiaddr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, addr := range addrs {
		t, judged := targetOf(addr)
		if !judged || slices.Contains(named, t.socket) {
			continue
		}
		c := charge{target: t}
		c.relay = relay // so that it is given back if the relay answers there
		if len(a.charged) < maxUnproven && d.charge(now, &c, true) {
			a.charged = append(a.charged, c)
		} else {
			held = append(held, addr)
		}
	}
	d.addrs.Add(uint64(len(held)))
	return held
}
