package host

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// pushFrom is a push of id from addr.
func pushFrom(id peer.ID, addr string) pushed {
	return newPushed(newMemStream(id, addr, nil).conn, false)
}

// endRound ends the round of a service that is not running, and returns how many pushes it counted.
func endRound(s *Service) int {
	s.endCrowd()
	s.loop.node.Tick()
	return s.loop.node.Status().Pushes
}

// Of one prefix as many pushes count as the limit says, of a wide one twice as many, and not one more. The others are
// counted as refused, and are no load.
func TestPushShare(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  Limits
		addr    func(i int) string
		n       int
		pushes  int
		refused uint64
	}{
		{"one prefix at the limit", Limits{}, func(int) string { return pub1 }, 2, 2, 0},
		{"one more", Limits{}, func(int) string { return pub1 }, 3, 2, 1},
		{"a wide prefix at the limit", Limits{}, func(i int) string { return fmt.Sprintf("/ip4/9.9.%d.1/tcp/1", i) }, 4, 4, 0},
		{"one more of it", Limits{}, func(i int) string { return fmt.Sprintf("/ip4/9.9.%d.1/tcp/1", i) }, 5, 4, 1},
		{"IPv6 at the limit", Limits{}, func(i int) string { return fmt.Sprintf("/ip6/2606:4700:1:%x::1/tcp/1", i) }, 9, 2, 7},
		{"many wide prefixes", Limits{}, func(i int) string { return fmt.Sprintf("/ip4/%d.9.9.9/tcp/1", 20+i) }, 15, 15, 0},
		{"half of the round", Limits{PushShare: .5}, func(int) string { return pub1 }, 20, 8, 12},
		{"never less than one", Limits{PushShare: .001}, func(int) string { return pub1 }, 20, 1, 19},
		{"private", Limits{}, func(int) string { return lanAddr }, 60, 60, 0},
		{"loopback", Limits{}, func(int) string { return "/ip4/127.0.0.1/tcp/1" }, 60, 60, 0},
		// The negative control: an operator with a thousand ids at one address brings all pushes of a round.
		{"the operator", Limits{}, func(int) string { return pub1 }, 1000, 2, 998},
		{"the operator, no limit", Limits{PushShare: Unlimited}, func(int) string { return pub1 }, 1000, 1000, 0},
	} {
		s := fakeService(t, newFakeNet(nil), WithLimits(c.limits))
		for i := range c.n {
			s.takePushed(pushFrom(peerNo(i), c.addr(i)))
		}
		if got, n := endRound(s), s.refused.of(ReasonPushCrowded); got != c.pushes || n != c.refused {
			t.Errorf("%s: %d count and %d are refused, want %d and %d", c.name, got, n, c.pushes, c.refused)
		}
		if over := s.loop.node.Status().Overloaded; over != (c.pushes > 20) {
			t.Errorf("%s: overloaded %v with %d pushes", c.name, over, c.pushes)
		}
		if got := endRound(s); got != 0 {
			t.Errorf("%s: %d count in the next round", c.name, got)
		}
	}
}

// Repeats of one sender take one place, and its second is carried on as if there were no crowd.
func TestPushShareRepeats(t *testing.T) {
	s := fakeService(t, newFakeNet(nil))
	for range 9 {
		s.takePushed(pushFrom("a", pub1))
	}
	s.takePushed(pushFrom("b", pub1))
	got := []int{endRound(s), s.loop.node.Status().PushRepeats, endRound(s), endRound(s), int(s.refused.of(ReasonPushCrowded))}
	if want := []int{2, 1, 1, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("pushes, repeats, the two rounds after, refused: %v, want %v", got, want)
	}
}

// Who floods a prefix does not lock its neighbours out: each pusher of it counts equally often, first or last.
func TestPushShareOfNeighbour(t *testing.T) {
	const rounds, others = 4000, 19
	s := fakeService(t, newFakeNet(nil), WithViewSize(3), WithLimits(Limits{PushShare: 1}))
	if s.loop.crowd.fine != 1 {
		t.Fatalf("%d of a prefix count, and the test is made for 1", s.loop.crowd.fine)
	}
	s.loop.crowd.rng = stattest.Rand(11)
	counted := 0
	for range rounds {
		for i := range others {
			s.takePushed(pushFrom(peerNo(i), pub1))
		}
		s.takePushed(pushFrom("neighbour", pub1)) // always the last
		through, refused := s.loop.crowd.end()
		if len(through) != 1 || refused != others {
			t.Fatalf("%d through, %d refused", len(through), refused)
		}
		if through[0].from == "neighbour" {
			counted++
		}
	}
	stattest.RequireBinomial(t, counted, rounds, 1.0/(others+1), 1e-4, 11)
}

// What is held until the round ends is bounded; beyond it pushes are load, unread.
func TestPushShareBound(t *testing.T) {
	s := fakeService(t, newFakeNet(nil))
	for i := range 4096 + 1 {
		s.takePushed(pushFrom(peerNo(i), pub1))
	}
	if len(s.loop.crowd.held) != 4096 || s.overflow.Load() != 1 {
		t.Errorf("%d held, %d over", len(s.loop.crowd.held), s.overflow.Load())
	}
}

// What is kept out unread is load of its sender once, however many streams it opens, and of its prefix as far as pushes
// from there count. It is forgotten with the round. The control: where no limit by prefix is set, each sender counts.
func TestUnreadPushes(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  Limits
		senders int
		addr    string
		load    int
		refused uint64
	}{
		{"one sender on a LAN", Limits{}, 1, lanAddr, 1, 0},
		{"many on a LAN", Limits{}, 50, lanAddr, 50, 0},
		{"a prefix at its limit", Limits{}, 2, pub1, 2, 0},
		{"a prefix with one more", Limits{}, 3, pub1, 2, 1},
		{"an operator", Limits{}, 1000, pub1, 2, 998},
		{"an operator, no limit", Limits{PushShare: Unlimited}, 1000, pub1, 1000, 0},
		{"more than are remembered", Limits{}, 4096 + 9, lanAddr, 4096, 0},
	} {
		s := fakeService(t, newFakeNet(nil), WithLimits(c.limits))
		for i := range c.senders {
			for range 5 {
				s.unread.note(newMemStream(peerNo(i), c.addr, nil).conn)
			}
		}
		for round, want := range []int{c.load, 0} {
			s.endCrowd()
			if got := int(s.overflow.Swap(0)); got != want {
				t.Errorf("%s: load %d in round %d, want %d", c.name, got, round, want)
			}
		}
		if n := s.refused.of(ReasonPushCrowded); n != c.refused {
			t.Errorf("%s: %d refused, want %d", c.name, n, c.refused)
		}
	}
}
