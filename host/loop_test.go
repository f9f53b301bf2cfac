package host

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Tests in this file run in bubbles: their clock is fake, so times are exact, and a goroutine that is left fails them.

func TestRoundLength(t *testing.T) {
	lengths := func(t *testing.T, jitter float64) []time.Duration {
		var out []time.Duration
		synctest.Test(t, func(t *testing.T) {
			var r rounds
			s := fakeService(t, newFakeNet(nil), WithRoundInterval(second), WithJitter(jitter, testSource(1)), WithRoundHook(r.take))
			s.start()
			settle(201 * second)
			s.Close()
			snaps, at := r.all()
			for i := 1; i < len(snaps); i++ {
				took := at[i].Sub(at[i-1])
				if snaps[i].Took != took || snaps[i].Planned != took || snaps[i].Round != uint64(i) {
					t.Fatalf("tick %d after %v: snapshot says round %d took %v of %v", i, took, snaps[i].Round, snaps[i].Took, snaps[i].Planned)
				}
				out = append(out, took)
			}
		})
		return out
	}
	t.Run("jitter", func(t *testing.T) {
		got := lengths(t, .2)
		if again := lengths(t, .2); !slices.Equal(got, again) {
			t.Error("the same source gave other rounds")
		}
		if n := len(got); n < 190 || n > 210 { // 201 s, sd 12% of a round each
			t.Errorf("%d rounds of about a second in 201 s", n)
		}
		// Both ends of the range are met: 200 uniform draws miss a tenth at one end with 7e-10.
		if lo, hi := slices.Min(got), slices.Max(got); lo < 800*time.Millisecond || hi > 1200*time.Millisecond ||
			lo > 840*time.Millisecond || hi < 1160*time.Millisecond {
			t.Errorf("rounds took %v to %v, want .8 to 1.2 s", lo, hi)
		}
	})
	t.Run("no jitter", func(t *testing.T) {
		for i, d := range lengths(t, 0) {
			if d != second {
				t.Fatalf("round %d took %v", i, d)
			}
		}
	})
}

func TestSlowPeer(t *testing.T) {
	const slowFor = 10*second + second/2
	synctest.Test(t, func(t *testing.T) {
		slow, fast := peerNo(0), peerNos(1, 6)
		named := append(slices.Repeat([]peer.ID{slow}, 100), fast...) // it never leaves the view
		var asleep atomic.Bool
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if id == slow && asleep.Load() {
				return silence(ctx, slowFor)
			}
			after(10 * time.Millisecond)
			return yes(k, named...)
		})
		var r rounds
		s := fakeService(t, net, steady(WithBootstrap(infos(append(fast, slow)...)...), WithSampleSize(200), WithWorkers(2), WithRoundHook(r.take))...)
		s.start()
		settle(2*second + second/2)
		asleep.Store(true)
		before := len(net.seen(slow))
		settle(10*second + second/4)

		snaps, at := r.all()
		for i := range at[1:] {
			if d := at[i+1].Sub(at[i]); d != second {
				t.Errorf("round %d took %v", i+1, d)
			}
		}
		if calls := net.seen(slow)[before:]; len(calls) != 1 || calls[0].kind != pull || !calls[0].end.IsZero() {
			t.Errorf("the slow peer was contacted %d times in 10 rounds: %+v", len(calls), calls)
		}
		if got := net.running(); len(got) != 1 || got[slow] != 1 {
			t.Errorf("running late in the round: %v, want one exchange with the slow peer", got)
		}
		for _, id := range fast {
			pulls := slices.DeleteFunc(net.seen(id), func(c call) bool { return c.kind != pull })
			if len(pulls) != 13 { // at 0 s, 1 s, ..., 12 s
				t.Errorf("%s was asked %d times in 13 rounds", id, len(pulls))
			}
		}
		// Of the slow peer both exchanges are missing, all others were done.
		for _, snap := range snaps[4:] {
			if snap.Exchanges != 12 || snap.Done != 10 {
				t.Errorf("round %d: %d of %d exchanges done, want 10 of 12", snap.Round, snap.Done, snap.Exchanges)
			}
		}
		settle(2 * second) // its time is up at 13.5 s
		if calls := net.seen(slow)[before:]; len(calls) != 2 || calls[1].at.Sub(calls[0].at).Round(second/10) != 11*second {
			t.Errorf("the slow peer was not asked again in the round after its timeout: %+v", calls)
		}
		if net.twice {
			t.Error("a peer had two exchanges at once")
		}
		s.Close()
	})
}

func TestAllAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 8)
		net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer {
			after(20 * time.Millisecond)
			return yes(k, ids...)
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(ids...)...), WithSampleSize(200), WithWorkers(16))...)
		s.start()
		for round := uint64(1); round < 6; round++ {
			settle(100 * time.Millisecond)
			if n := len(net.running()); n != 0 {
				t.Errorf("round %d: all have answered, yet %d peers are busy", round, n)
			}
			settle(second - 100*time.Millisecond)
			snap := s.Snapshot()
			if snap.Round != round || snap.Exchanges != 16 || snap.Done != 16 || snap.Node.Pulls != 8 {
				t.Errorf("round %d: %d of %d exchanges, %d pull replies used", snap.Round, snap.Done, snap.Exchanges, snap.Node.Pulls)
			}
		}
		// A job is one peer's: pull, then push, without a pause, and never two at once.
		for _, id := range ids {
			for i, c := range net.seen(id) {
				if want := []kind{pull, push}[i%2]; c.kind != want {
					t.Fatalf("exchange %d with %s was kind %d, want %d", i, id, c.kind, want)
				}
			}
		}
		if net.twice {
			t.Error("a peer had two exchanges at once")
		}
		s.Close()
	})
}

// TestUnreached: where no stream could be opened the other exchanges of the job are not tried, and all count as done.
func TestUnreached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(func(ctx context.Context, _ kind, _ peer.ID) answer { return silence(ctx, 0) })
		p := protocol.Hardened(40)
		p.AloneWait = 1 // or it would not go on asking
		s := fakeService(t, net, steady(WithParams(p), WithBootstrap(infos(peerNo(0))...))...)
		s.start()
		settle(10*second - time.Millisecond)
		if n := len(net.seen()); n != 10 {
			t.Errorf("%d exchanges with an unreachable peer in 10 rounds, want 10", n)
		}
		if snap := s.Snapshot(); snap.Exchanges != 2 || snap.Done != 2 {
			t.Errorf("%d of %d done, want 2 of 2", snap.Done, snap.Exchanges)
		}
		s.Close()
	})
}

func TestJobsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 8)
		net := newFakeNet(func(ctx context.Context, _ kind, _ peer.ID) answer { return silence(ctx, second/4+time.Millisecond) })
		var s *Service
		r := rounds{hook: func(snap *Snapshot) {
			for _, j := range s.loop.queue { // the hook runs in the loop
				if j.round != snap.Round+1 {
					t.Errorf("round %d: a job of round %d is still queued", snap.Round+1, j.round)
				}
			}
		}}
		p := protocol.Hardened(200)
		p.L1, p.AloneWait = 40, 1 // or it would not go on asking
		s = fakeService(t, net, steady(WithBootstrap(infos(ids...)...), WithParams(p), WithWorkers(1), WithRoundHook(r.take))...)
		s.start()
		settle(20*second + second/2)
		s.Close()
		if n := len(net.seen()); n < 60 || n > 84 {
			t.Errorf("%d exchanges of a quarter of a round each in 20 rounds, by one worker", n)
		}
		// Three jobs fit into each round, and one more that reaches into the next. Had those that did not fit been kept,
		// the worker would soon be busy with rounds of long ago.
		snaps, _ := r.all()
		for _, snap := range snaps[1:] {
			if snap.Done != 2*3 || snap.Exchanges < 2*6 {
				t.Errorf("round %d: %d of %d exchanges done, want 6 of 12 or more", snap.Round, snap.Done, snap.Exchanges)
			}
		}
	})
}

func TestLatePullReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, ghost := peerNo(0), peerNo(1)
		var delay atomic.Int64
		delay.Store(int64(second + second/2))
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			switch {
			case id == ghost:
				return silence(ctx, 0)
			case k == pull:
				after(time.Duration(delay.Load()))
			}
			return yes(k, ghost)
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(late)...))...)
		s.start()
		settle(10*second + second/4)
		if got := s.Status().Refused["unsolicited"]; got != 5 || len(s.Status().Refused) != 1 {
			t.Errorf("refused %v, want 5 unsolicited pull replies", s.Status().Refused)
		}
		if n := len(net.seen(ghost)); n != 0 || holds(s, ghost) {
			t.Errorf("the id of a late reply was used: probed %d times, held: %v", n, holds(s, ghost))
		}
		if !samples(s, late) {
			t.Error("who answers late is alive, and is not in the sample")
		}
		delay.Store(int64(second / 2)) // in time: the same reply is used
		settle(10 * second)
		if n := len(net.seen(ghost)); n == 0 {
			t.Error("the id of a reply in time was not used")
		}
		if got := s.Status().Refused["unsolicited"]; got > 6 {
			t.Errorf("%d replies refused", got)
		}
		s.Close()
	})
}

// TestDoubleReply: a reply that comes twice for one question counts once.
func TestDoubleReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := peerNo(0)
		s := fakeService(t, newFakeNet(nil), steady(WithBootstrap(infos(id)...))...)
		s.start()
		settle(second + second/2)
		s.results <- result{job: job{id: id, round: 2}, kind: pull, answer: yes(pull, peerNo(1))}
		s.results <- result{job: job{id: peerNo(5), round: 2}, kind: pull, answer: yes(pull, peerNo(2))} // never asked
		long := make([]peer.ID, protocol.MaxReply+1)
		s.results <- result{job: job{id: id, round: 2}, kind: pull, answer: yes(pull, long...)}
		synctest.Wait()
		if got := s.Status().Refused["unsolicited"]; got != 3 {
			t.Errorf("refused %v, want 3 unsolicited", s.Status().Refused)
		}
		settle(second)
		if n := s.Snapshot().Node.Pulls; n != 1 {
			t.Errorf("%d replies used", n)
		}
		s.Close()
	})
}

func TestStall(t *testing.T) {
	for _, stall := range []time.Duration{second / 2, 3 * second, time.Hour} {
		t.Run(stall.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := peerNos(0, 3)
				r := rounds{hook: func(snap *Snapshot) {
					if snap.Round == 5 {
						after(stall)
					}
				}}
				net := newFakeNet(nil)
				s := fakeService(t, net, steady(WithBootstrap(infos(ids...)...), WithRoundHook(r.take))...)
				s.start()
				settle(5*second + stall + 10*second + second/2)
				_, at := r.all()
				resumed := at[5].Add(stall)
				var since []time.Duration
				for _, x := range at[6:] {
					if x.Before(resumed) {
						t.Error("a round ended while the loop stood still")
					}
					since = append(since, x.Sub(resumed))
				}
				// A round that is overdue ends at once, and no other on its heels.
				if n := len(since); n < 10 || n > 11 {
					t.Errorf("%d rounds in the 10.5 s after a stall: %v", n, since)
				}
				for i := 1; i < len(since); i++ {
					if d := since[i] - since[i-1]; i > 1 && d != second || d > second || d < second/2-2*time.Millisecond {
						t.Errorf("rounds after the stall at %v: not in step", since)
						break
					}
				}
				if n := len(net.seen()); n < 80 || n > 2*3*17 {
					t.Errorf("%d exchanges in 16 rounds with 3 peers", n)
				}
				s.Close()
			})
		})
	}
}

// heldStream is a stream from a peer that was read already: what takePush needs of one.
type heldStream struct {
	network.Stream
	conn heldConn
}

func (h *heldStream) Conn() network.Conn { return h.conn }

func (h *heldStream) Protocol() coreprotocol.ID { return protocol.PushID }

type heldConn struct {
	network.Conn
	from peer.ID
}

func (h heldConn) RemotePeer() peer.ID                  { return h.from }
func (h heldConn) RemoteMultiaddr() multiaddr.Multiaddr { return addrList("/ip4/127.0.0.1/tcp/1")[0] }

func TestPushOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const extra = 77
		var stall atomic.Bool
		release := make(chan struct{})
		s := fakeService(t, newFakeNet(nil), steady(WithAllowPrivate(true), WithRoundHook(func(*Snapshot) {
			if stall.Swap(false) {
				<-release
			}
		}))...)
		s.start()
		settle(second / 2)
		stall.Store(true)
		settle(second)

		var senders []recordSigner
		var records [][]byte
		for range 32 {
			senders = append(senders, newRecordSigner(t))
			records = append(records, senders[len(senders)-1].seal(t, 1, "/ip4/127.0.0.1/tcp/4001"))
		}
		for i := range pushQueue + extra {
			st := &heldStream{conn: heldConn{from: senders[i%32].id}}
			res, err := s.takePush(st, wire.PushRequest{Record: records[i%32]})
			if err != nil {
				t.Fatal(err)
			}
			if res.Status != wire.StatusTaken || res.Challenge != nil {
				t.Fatalf("push %d was answered %+v: overload must not show", i, res)
			}
		}
		if got := s.Status().Refused["push_overflow"]; got != extra {
			t.Errorf("%d pushes counted as overflow, want %d", got, extra)
		}
		close(release)
		settle(second + second/4)
		node := s.Snapshot().Node
		if node.PushOverflow != 32 || node.Pushes != 32 || node.PushRepeats != pushQueue-2*32 || !node.Overloaded {
			t.Errorf("the node was told of %d dropped pushes, %d pushers, %d repeats, overloaded %v; want %d, 32, %d, true",
				node.PushOverflow, node.Pushes, node.PushRepeats, node.Overloaded, 32, pushQueue-2*32)
		}
		settle(second)
		if node := s.Snapshot().Node; node.PushOverflow != 0 || node.Pushes != 32 || node.PushRepeats != 0 {
			t.Errorf("next round: %+v, want the 32 second pushes that were carried over and nothing else", node)
		}
		settle(second)
		if node := s.Snapshot().Node; node.Pushes != 0 {
			t.Errorf("the round after: %d pushes", node.Pushes)
		}
		s.Close()
	})
}

// TestPushOnly: a peer that knows nobody learns who pushes to it, after a probe of its own.
func TestPushOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive, dead := peerNo(0), peerNo(1)
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if id == dead {
				return silence(ctx, second/4)
			}
			return yes(k)
		})
		s := fakeService(t, net, steady()...)
		s.start()
		settle(second / 2)
		if snap := s.Snapshot(); snap.Node.Outcome != protocol.Alone || len(net.seen()) != 0 {
			t.Fatalf("outcome %v and %d exchanges of a peer that knows nobody", snap.Node.Outcome, len(net.seen()))
		}
		s.pushes <- pushed{from: alive}
		s.pushes <- pushed{from: dead}
		settle(2 * second)
		if !samples(s, alive) || samples(s, dead) {
			t.Errorf("sample %v, want just who answered", s.Sample())
		}
		settle(5 * second)
		if holds(s, dead) || !holds(s, alive) {
			t.Errorf("view %v, want just who answers", s.View())
		}
		s.Close()
	})
}

// TestAloneRetriesSeeds: a peer that reaches nobody tries its seeds less and less often, but for ever. When they come up it
// finds them at its next try; what may have brought them back, such as the end of a sleep, makes that the next round.
func TestAloneRetriesSeeds(t *testing.T) {
	for _, c := range []struct {
		name   string
		wake   bool
		within time.Duration
	}{{"in its own time", false, 62 * second}, {"after a sleep", true, 4 * second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seeds, up := peerNos(0, 3), new(atomic.Bool)
				net := newFakeNet(func(ctx context.Context, k kind, _ peer.ID) answer {
					if !up.Load() {
						return silence(ctx, second/2)
					}
					return yes(k, seeds...)
				})
				var jump atomic.Int64
				s := fakeService(t, net, steady(WithBootstrap(infos(seeds...)...))...)
				s.cfg.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(jump.Load())) }
				s.start()
				settle(150*second - time.Millisecond)
				for _, id := range seeds {
					if n := len(net.seen(id)); n < 7 || n > 11 {
						t.Errorf("a peer that knows nobody tried seed %s %d times in 150 rounds", id, n)
					}
				}
				snap := s.Snapshot()
				if n := len(net.seen(seeds[0])); snap.Node.Tries != n || snap.Node.Acquaintances != 3 || !snap.Health.Has(ConditionAlone) {
					t.Errorf("%d tries: %+v, %v", n, snap.Node, snap.Health)
				}
				for s.Snapshot().Node.NextTry < 10 { // or it might be due in any case
					settle(second)
				}
				up.Store(true)
				if c.wake {
					jump.Store(int64(time.Hour))
				}
				settle(c.within)
				if n := len(s.Sample()); n != 3 {
					t.Errorf("%d of 3 seeds sampled %v after they came up", n, c.within)
				}
				s.Close()
			})
		})
	}
}

func TestSeedsAreContactedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed, rest := peerNo(0), peerNos(1, 30)
		up := new(atomic.Bool)
		up.Store(true)
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if id == seed && !up.Load() {
				return silence(ctx, second/4)
			}
			return yes(k, rest...)
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(seed)...))...)
		s.start()
		settle(50 * second)
		up.Store(false)
		settle(40 * second) // dead, and forgotten by all others
		before := len(net.seen(seed))
		settle(200 * second)
		if n := len(net.seen(seed)) - before; n < 9 || n > 30 {
			t.Errorf("a dead seed was contacted %d times in 200 rounds, want about every 20 rounds", n)
		}
		s.Close()
	})
}

// TestPaperPreset: repeats that the preset draws are one exchange here, and a round goes through.
func TestPaperPreset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 5)
		net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer { return yes(k, ids...) })
		s := fakeService(t, net, steady(WithPreset("paper"), WithSampleSize(200), WithBootstrap(infos(ids...)...))...)
		s.start()
		settle(10 * second)
		snap := s.Snapshot()
		if snap.Exchanges > 2*len(ids) || snap.Done != snap.Exchanges || len(snap.Peers) != 5 || net.twice {
			t.Errorf("%d of %d exchanges, %d sampled", snap.Done, snap.Exchanges, len(snap.Peers))
		}
		s.Close()
	})
}

// TestRandom: n distinct peers, each as often as its slots say, and no more than there are.
func TestRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 12)
		net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer { return yes(k, ids...) })
		s := fakeService(t, net, steady(WithBootstrap(infos(ids...)...), WithSampleSize(200))...)
		if len(s.Random(3)) != 0 || len(s.Sample()) != 0 {
			t.Error("sampled before the first round")
		}
		s.start()
		settle(5 * second)
		for _, n := range []int{-1, 0, 1, 5, 12, 13, 1000} {
			got := s.Random(n)
			seen := make(map[peer.ID]bool)
			for _, p := range got {
				seen[p.ID] = true
			}
			if want := min(max(n, 0), 12); len(got) != want || len(seen) != want {
				t.Errorf("Random(%d): %d peers, %d distinct", n, len(got), len(seen))
			}
		}
		// What a caller does to the result is the caller's.
		rand.Shuffle(12, func(i, j int) { a := s.Sample(); a[i], a[j] = a[j], a[i] })
		view := s.View()
		view[0] = "nobody"
		if slices.Contains(s.View(), peer.ID("nobody")) {
			t.Error("View is not a copy")
		}
		s.Close()
	})
}
