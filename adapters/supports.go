package adapters

import (
	"context"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// askTimeout bounds one connection that Supporting makes to ask a peer what it supports.
const askTimeout = 10 * time.Second

// Supports returns a predicate for brahmshost.Service.RandomWhere and WithFilter: whether a peer is known to support
// one of the protocols. It reads the peerstore and asks nobody.
//
// libp2p knows that of peers with which we have a connection, or had one a minute ago. So who holds a connection to us
// is chosen more often than others. Where that matters use Supporting.
func Supports(store peerstore.ProtoBook, protocols ...protocol.ID) func(peer.AddrInfo) bool {
	return func(p peer.AddrInfo) bool {
		got, err := store.SupportsProtocols(p.ID, protocols...)
		return err == nil && len(got) > 0
	}
}

// Supporting returns up to n distinct random peers that support one of the protocols. It asks those of which that is
// not known, by connecting to them, one after another, so that who holds a connection to us is chosen no more often
// than others; each that is asked counts for the pace of the source, whatever it answers. It returns what it has when
// the pace lets nobody through any longer, when nobody new is left, and when ctx ends: then with the cause of ctx. A
// filter of the source does not hold here.
//
// Over a relayed connection it takes the peer's word as well. Connections stay open: they are the caller's, and the
// connection manager's.
func (s *Source) Supporting(ctx context.Context, h corehost.Host, n int, protocols ...protocol.ID) ([]peer.AddrInfo, error) {
	if err := s.active(); err != nil {
		return nil, err
	}
	supports := Supports(h.Peerstore(), protocols...)
	var out []peer.AddrInfo
	asked := make(map[peer.ID]bool)
	for len(out) < n {
		batch := s.take(n-len(out), func(p peer.AddrInfo) bool { return !asked[p.ID] })
		if len(batch) == 0 {
			break
		}
		for _, p := range batch {
			if ctx.Err() != nil {
				return out, context.Cause(ctx)
			}
			asked[p.ID] = true
			if ask(ctx, h, p) && supports(p) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// ask reports whether h knows, or has found out, what p supports.
func ask(ctx context.Context, h corehost.Host, p peer.AddrInfo) bool {
	if known, err := h.Peerstore().GetProtocols(p.ID); err == nil && len(known) > 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "brahms"), askTimeout)
	defer cancel()
	return h.Connect(ctx, p) == nil // waits for identify
}
