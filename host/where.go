package host

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
)

// WhereLooks is how many fresh peers RandomWhere uses up for each peer that it is asked for, at most.
const WhereLooks = 4

// RandomWhere is Random among the peers for which keep is true; a nil keep is true for all. It returns fewer than n
// where fewer are found: of the bank it looks at WhereLooks*n peers at most, then at all of the sample. It never waits,
// but for keep, which is called once for each peer that is looked at, and must not change what it is given.
//
// The choice is uniform over the peers of the network for which keep is true. Nobody else's choices are biased by it: a
// fresh peer that was looked at is used up, whatever keep said. Were the others put back, the bank would soon hold none
// but peers that somebody does not want. The sample is read and stays as it is.
//
// The choice is as good as keep is. One that asks the peerstore which protocols a peer supports knows that only of
// peers with which we have or had a connection lately, and who likes to be chosen can hold one.
func (s *Service) RandomWhere(n int, keep func(peer.AddrInfo) bool) []peer.AddrInfo {
	return s.random(n, WhereLooks*max(n, 0), keep)
}

// Lookup returns how a peer can be reached of which the service has a signed record, or which is a seed: those of view
// and sample, and others that it heard of lately. The addresses are what the peer itself claims. It takes a lock for a
// moment, and asks nobody.
func (s *Service) Lookup(id peer.ID) (peer.AddrInfo, bool) {
	info := s.book.info(id)
	return info, len(info.Addrs) > 0
}

// exchanging marks the context of an exchange of a service.
type exchanging struct{}

// Exchanging reports whether ctx is that of a push, pull or probe of a service, or of a dial of Connect. A host with a routing asks that for
// more addresses when a dial fails. A routing that knows them from the service must not answer then
// (routing.ErrNotFound): the service has tried those that its limits on dials let through.
func Exchanging(ctx context.Context) bool { return ctx.Value(exchanging{}) != nil }
