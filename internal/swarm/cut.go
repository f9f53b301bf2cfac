package swarm

import (
	"context"
	"errors"
	"net"
	"sync"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"
)

// errCut is what dials across a cut fail with, as they would where a cable is cut and the router knows.
var errCut = errors.New("swarm: network is unreachable: the peer is beyond the cut")

// A cut parts the peers in two halves, below the transport: dials across it fail, and connections across it end. A
// connection gater would not do, since the service knows that a gater is its own host's and takes its refusal for no
// evidence.
type cut struct {
	mu     sync.RWMutex
	on     bool
	beyond map[string]bool // by the address that a peer listens at: whether it is of the second half
}

func newCut() *cut { return &cut{beyond: make(map[string]bool)} }

// place notes on which side a peer is.
func (c *cut) place(h corehost.Host, beyond bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range h.Addrs() {
		addr, err := manet.ToNetAddr(a)
		if err != nil {
			return err
		}
		c.beyond[addr.String()] = beyond
	}
	return nil
}

func (c *cut) set(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
}

// A sideDialer dials for a peer of one side.
type sideDialer struct {
	cut    *cut
	beyond bool
	net.Dialer
}

// DialContext dials as net.Dialer does, but not across the cut.
func (d *sideDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.cut.mu.RLock()
	beyond, known := d.cut.beyond[address]
	blocked := d.cut.on && known && beyond != d.beyond
	d.cut.mu.RUnlock()
	if blocked {
		return nil, errCut
	}
	return d.Dialer.DialContext(ctx, network, address)
}

// beyond reports whether peer i is of the second half.
func (c Config) beyond(i int) bool { return i >= c.Peers/2 }

// part cuts the halves from each other. It is called again in each round of the cut: a dial that was under way may have
// come through.
func (r *run) part() {
	r.cut.set(true)
	side := make(map[peer.ID]bool)
	for i, m := range r.members {
		side[m.id] = r.cfg.beyond(i)
	}
	for i, m := range r.members {
		if m.dead {
			continue
		}
		for _, c := range m.host.Network().Conns() {
			if beyond, known := side[c.RemotePeer()]; known && beyond != r.cfg.beyond(i) {
				_ = c.Close()
			}
		}
	}
}
