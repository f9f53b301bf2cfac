package host

import (
	"context"
	"errors"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Connect connects the host to a peer, unless it is connected, for a protocol on top of the service: at the addresses of p, at
// those of the peer's record and at those that the host has of it, as far as the limits on dials by address let through
// (Limits.PrefixDials, IPDials, AddrDials). Whoever is sampled may claim a victim's addresses, and those who draw it would
// dial them again and again. Such dials leave half of what an address takes to the service's own, and do not count for Limits.Dials:
// who draws bounds how many they are.
//
// A connection that it dialled is closed as those of the service are (WithCloseIdle) when neither Connect nor the service used it.
//
// It fails with the error of the dial, where all addresses are held back, and with ErrClosed.
func (s *Service) Connect(ctx context.Context, p peer.AddrInfo) error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.host == nil:
		return errors.New("brahms: there is no host to connect")
	}
	x := &libp2pExchanger{s: s, h: s.host}
	switch s.host.Network().Connectedness(p.ID) {
	case network.Connected, network.Limited:
		s.loans.note(x.outbound(p.ID), false)
		return nil
	}
	at, err := x.dialable(context.WithValue(ctx, onTop{}, true), p.ID, p.Addrs...)
	if err != nil {
		return err
	}
	s.dials.Add(1)
	ctx = network.WithDialPeerTimeout(network.WithAllowLimitedConn(ctx, ServiceName), s.cfg.dial)
	err = s.host.Connect(context.WithValue(ctx, exchanging{}, true), peer.AddrInfo{ID: p.ID})
	c := x.outbound(p.ID)
	x.dialled(at, c, err)
	if err == nil {
		s.loans.note(c, true)
	}
	return err
}

// loans are the connections that protocols on top had from Connect since the last round. There are no more than it was called.
type loans struct {
	mu sync.Mutex
	by map[network.Conn]bool // true: dialled for them
}

func (l *loans) note(c network.Conn, dialled bool) {
	if c == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = make(map[network.Conn]bool)
	}
	l.by[c] = l.by[c] || dialled
}

func (l *loans) take() map[network.Conn]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := l.by
	l.by = nil
	return by
}

// outbound returns a connection to the peer that we dialled, nil if there is none.
func (x *libp2pExchanger) outbound(id peer.ID) network.Conn {
	for _, c := range x.h.Network().ConnsToPeer(id) {
		if c.Stat().Direction == network.DirOutbound {
			return c
		}
	}
	return nil
}

// onTop marks the context of a dial for a protocol on top of the service.
type onTop struct{}

func isOnTop(ctx context.Context) bool { return ctx.Value(onTop{}) != nil }
