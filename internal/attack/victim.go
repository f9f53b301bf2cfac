package attack

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A Victim is a TCP server on loopback that does not speak the protocol. It counts who dials it.
type Victim struct {
	listener net.Listener
	addr     multiaddr.Multiaddr
	now      func() time.Time
	running  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]bool
	accepted int
	dials    map[int][]time.Time // by the number of the node that dials, in order
}

// NewVictim starts a victim. now is the clock of its figures.
func NewVictim(now func() time.Time) (*Victim, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("attack: victim: %w", err)
	}
	addr, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("attack: victim: %w", err)
	}
	v := &Victim{listener: l, addr: addr, now: now, conns: make(map[net.Conn]bool), dials: make(map[int][]time.Time)}
	v.running.Go(v.serve)
	return v, nil
}

// Addr is where the victim listens.
func (v *Victim) Addr() multiaddr.Multiaddr { return v.addr }

// Close ends the victim. It may be called again.
func (v *Victim) Close() {
	_ = v.listener.Close()
	v.mu.Lock()
	v.closed = true
	for c := range v.conns {
		_ = c.Close()
	}
	v.mu.Unlock()
	v.running.Wait()
}

func (v *Victim) serve() {
	for {
		c, err := v.listener.Accept()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.accepted++
		if v.closed {
			_ = c.Close()
		} else {
			v.conns[c] = true
			v.running.Go(func() { v.answer(c) })
		}
		v.mu.Unlock()
	}
}

// answer does as a web server would that is spoken to in another protocol.
func (v *Victim) answer(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	var b [64]byte
	if _, err := c.Read(b[:]); err == nil {
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	}
	_ = c.Close()
	v.mu.Lock()
	delete(v.conns, c)
	v.mu.Unlock()
}

// Accepted is how many connections came.
func (v *Victim) Accepted() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.accepted
}

// Most is how many dials came from one node within any span of time of that length, at most.
func (v *Victim) Most(span time.Duration) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	most := 0
	for _, times := range v.dials {
		for first, last := 0, 0; last < len(times); last++ {
			for times[last].Sub(times[first]) >= span {
				first++
			}
			most = max(most, last-first+1)
		}
	}
	return most
}

// A Dialer is what libp2p's TCP transport dials with.
type Dialer struct {
	victim *Victim
	node   int
	net.Dialer
}

// Dialer returns a dialer for a node, which counts its dials of the victim: to the victim all nodes on loopback look alike.
func (v *Victim) Dialer(node int) *Dialer { return &Dialer{victim: v, node: node} }

// DialContext dials as net.Dialer does.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if v := d.victim; address == v.listener.Addr().String() {
		v.mu.Lock()
		v.dials[d.node] = append(v.dials[d.node], v.now())
		v.mu.Unlock()
	}
	return d.Dialer.DialContext(ctx, network, address)
}

// Nodes are the numbers of those that dialled, in order.
func (v *Victim) Nodes() []int {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []int
	for n := range v.dials {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
