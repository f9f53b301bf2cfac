package host

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Connect connects the host to a peer, unless it is connected, for a protocol on top of the service: at the addresses of p, at
// those of the peer's record and at those that the host has of it, as far as the limits on dials by address let through
// (Limits.PrefixDials, IPDials, AddrDials). Whoever is sampled may claim a victim's addresses, and those who draw it would
// dial them again and again. Such dials leave half of what an address takes to the service's own, and do not count for Limits.Dials:
// who draws bounds how many they are.
//
// It fails with the error of the dial, where all addresses are held back, and with ErrClosed.
func (s *Service) Connect(ctx context.Context, p peer.AddrInfo) error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.host == nil:
		return errors.New("brahms: there is no host to connect")
	}
	switch s.host.Network().Connectedness(p.ID) {
	case network.Connected, network.Limited:
		return nil
	}
	x := &libp2pExchanger{s: s, h: s.host}
	at, err := x.dialable(context.WithValue(ctx, onTop{}, true), p.ID, p.Addrs...)
	if err != nil {
		return err
	}
	s.dials.Add(1)
	ctx = network.WithDialPeerTimeout(network.WithAllowLimitedConn(ctx, ServiceName), s.cfg.dial)
	err = s.host.Connect(context.WithValue(ctx, exchanging{}, true), peer.AddrInfo{ID: p.ID})
	x.dialled(at, x.outbound(p.ID), err)
	return err
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
