package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestAJobIsOneMiss: a peer that is connected and mute for a while costs itself one miss, although a round ends between
// the pull and the push that the round wanted of it. Two misses would be its death.
func TestAJobIsOneMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute, others := peerNo(0), peerNos(1, 4)
		all := append(slices.Clone(others), mute)
		var from, until time.Time
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			if now := time.Now(); id == mute && !now.Before(from) && now.Before(until) {
				after(7 * second / 10) // its time; the next one would end in the next round
				return answer{outcome: protocol.Missed}
			}
			return yes(k, all...)
		})
		from = time.Now().Add(5*second - second/10)
		until = from.Add(second)
		s := fakeService(t, net, steady(WithBootstrap(infos(all...)...))...)
		s.start()
		settle(5*second + second/2)
		before := len(net.seen(mute))
		settle(3 * second)
		for _, c := range net.seen(mute)[before-1 : before] {
			if c.kind != pull {
				t.Errorf("the mute peer was asked for more after its %v", c.kind)
			}
		}
		snap := s.Snapshot()
		if snap.Node.Tombstones != 0 || !slices.ContainsFunc(snap.Slots, func(x protocol.Sampled) bool { return x.ID == mute }) {
			t.Errorf("a second of silence killed the peer: %+v", snap.Node)
		}
		s.Close()
	})
}

func TestSurer(t *testing.T) {
	rising := []protocol.ProbeOutcome{
		protocol.NoEvidence, protocol.Withheld, protocol.Missed, protocol.AliveUnproven, protocol.Alive, protocol.Leaving,
	}
	for _, o := range rising {
		if got, want := answered(o), o != protocol.NoEvidence && o != protocol.Withheld && o != protocol.Missed; got != want {
			t.Errorf("answered(%v)=%v", o, got)
		}
	}
	for i, a := range rising {
		for j, b := range rising {
			if got, want := surer(a, b), rising[max(i, j)]; got != want {
				t.Errorf("surer(%v, %v)=%v, want %v", a, b, got, want)
			}
		}
	}
}

// What our own host refuses tells nothing; but a peer all of whose addresses are of a kind that nobody here can dial is as
// one without addresses, or it would keep its slots after it has gone.
func TestUndialableAddressesAreAMiss(t *testing.T) {
	failed := func(causes ...error) error {
		e := &swarm.DialError{}
		for _, c := range causes {
			e.DialErrors = append(e.DialErrors, swarm.TransportError{Cause: c})
		}
		return fmt.Errorf("open: %w", e)
	}
	for _, c := range []struct {
		err  error
		want protocol.ProbeOutcome
	}{
		{failed(swarm.ErrNoTransport, swarm.ErrNoTransport), protocol.Missed},
		{failed(swarm.ErrNoTransport, errWithheld), protocol.NoEvidence},
		{failed(swarm.ErrDialRefusedBlackHole), protocol.NoEvidence},
		{failed(swarm.ErrDialRefusedBlackHole, errors.New("refused")), protocol.Missed},
		// A relay that was dialled, at one of its addresses at least, and one that was not.
		{failed(fmt.Errorf("relay: %w", failed(swarm.ErrDialBackoff, errors.New("refused")))), protocol.Missed},
		{failed(fmt.Errorf("relay: %w", failed(swarm.ErrDialBackoff))), protocol.NoEvidence},
	} {
		if got := judge(t.Context(), c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// What the budget holds back is no miss; where it holds back a part of the addresses of a peer that never answered a dial,
// the failure of the others is none either.
func TestHeldBackIsNoMiss(t *testing.T) {
	refused := fmt.Errorf("open: %w", &swarm.DialError{DialErrors: []swarm.TransportError{{Cause: errors.New("refused")}}})
	held := []multiaddr.Multiaddr{addrList(pub1)[0]}
	for _, c := range []struct {
		name string
		err  error
		want protocol.ProbeOutcome
	}{
		{"all held back", errWithheld, protocol.Withheld},
		{"no dials left in the round", errSpent, protocol.NoEvidence},
		{"a part held back", attempt{held: held}.blame(refused, false), protocol.Withheld},
		{"a part held back of a peer that has answered a dial", attempt{held: held}.blame(refused, true), protocol.Missed},
		{"nothing held back", attempt{}.blame(refused, false), protocol.Missed},
		{"a part held back, but it was reached", attempt{held: held}.blame(errors.New("protocols not supported"), false), protocol.Missed},
	} {
		if got := judge(t.Context(), c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
