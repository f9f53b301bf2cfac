package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Tests in this file run in bubbles, as those of loop_test.go.

func TestLeave(t *testing.T) {
	const quiet = 3*second + second/2
	// enter is when a stream of somebody else arrives, counted from the call of Leave.
	for _, c := range []struct {
		name  string
		enter []time.Duration
		want  time.Duration
	}{
		{"nobody comes", nil, quiet},
		{"somebody comes", []time.Duration{second, 3 * second}, 3*second + quiet},
		{"too late", []time.Duration{second, second + quiet + 1}, second + quiet},
		{"the same comes again", []time.Duration{second, -2 * second, -3 * second}, second + quiet}, // less than 0: the same
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer {
					after(10 * time.Millisecond)
					return yes(k)
				})
				s := fakeService(t, net, steady(WithBootstrap(infos(peerNos(0, 5)...)...), WithLeaveQuiet(quiet))...)
				if !s.Active() {
					t.Error("not active before the start")
				}
				s.start()
				settle(second / 2)
				comer := 0
				arrive := func() {
					st := &heldStream{conn: heldConn{from: peerNo(comer)}}
					if _, _, ok := s.inbound.enter(st, pull); ok {
						s.inbound.Leave(st)
					}
				}
				arrive()
				before := len(net.seen())
				start := time.Now()
				left := make(chan error, 1)
				go func() { left <- s.Leave(t.Context()) }()
				synctest.Wait()
				if st := s.Status(); st.Active || s.Active() {
					t.Error("still active")
				}
				go func() {
					for _, at := range c.enter {
						if at > 0 {
							comer++
						}
						after(at.Abs() - time.Since(start))
						arrive()
					}
				}()
				settle(second)
				if st := s.Status(); !st.Leaving || st.Active || st.Exchanges == 0 {
					t.Errorf("status while leaving: %+v", st)
				}
				err := <-left
				if took := time.Since(start); err != nil || took != c.want {
					t.Errorf("Leave returned %v after %v, want nil after %v", err, took, c.want)
				}
				if n := len(net.seen()) - before; n != 0 {
					t.Errorf("%d exchanges after Leave", n)
				}
				if round := s.Snapshot().Round; round == 0 {
					t.Error("rounds stood still while leaving")
				}
				if err := s.Leave(t.Context()); err != nil {
					t.Errorf("second Leave: %v", err)
				}
				settle(2 * quiet)
			})
		})
	}
}

// TestLeaveInARound: what is queued when Leave is called is not begun any more.
func TestLeaveInARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(func(ctx context.Context, k kind, _ peer.ID) answer {
			if a := silence(ctx, second/4); a.outcome == protocol.NoEvidence {
				return a
			}
			return yes(k, peerNos(0, 9)...)
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(peerNos(0, 9)...)...), WithWorkers(1), WithLeaveQuiet(5*second))...)
		s.start()
		settle(2*second + second/8)
		go s.Leave(t.Context())
		synctest.Wait()
		before := len(net.seen())
		settle(4 * second)
		if n := len(net.seen()) - before; n > 1 { // the second half of the job that the worker is with
			t.Errorf("%d exchanges begun after Leave", n)
		}
		if n := len(net.running()); n != 0 {
			t.Errorf("%d exchanges running", n)
		}
	})
}

func TestLeaveContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeService(t, newFakeNet(nil), steady(WithLeaveQuiet(time.Minute))...)
		s.start()
		ctx, cancel := context.WithTimeout(t.Context(), 5*second)
		defer cancel()
		start := time.Now()
		if err := s.Leave(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*second {
			t.Errorf("Leave returned %v after %v, want the context's error after 5 s", err, time.Since(start))
		}
		if s.Active() || s.life.Err() == nil {
			t.Error("the service still runs")
		}
	})
}

// TestClose closes at every point of a round, from two goroutines, twice, and while leaving. That nothing is left is what
// the end of the bubble checks.
func TestClose(t *testing.T) {
	slow := func(ctx context.Context, k kind, id peer.ID) answer {
		if id == peerNo(0) {
			return silence(ctx, time.Hour)
		}
		if a := silence(ctx, 100*time.Millisecond); a.outcome == protocol.NoEvidence {
			return a
		}
		return yes(k, peerNos(0, 5)...)
	}
	for _, at := range []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 10*second - 1, 10 * second} {
		for _, how := range []string{"once", "two goroutines", "leaving", "at the hook"} {
			t.Run(fmt.Sprint(at, " ", how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hooks := make(chan struct{}, 100)
					s := fakeService(t, newFakeNet(slow), steady(WithBootstrap(infos(peerNos(0, 5)...)...), WithWorkers(2),
						WithDiscover(func(ctx context.Context) ([]peer.AddrInfo, error) { <-ctx.Done(); return nil, ctx.Err() }),
						WithRoundHook(func(*Snapshot) { hooks <- struct{}{} }))...)
					s.start()
					after(at)
					var wg sync.WaitGroup
					start := time.Now()
					switch how {
					case "at the hook":
						for range len(hooks) + 1 {
							<-hooks
						}
						start = time.Now()
					case "leaving":
						for range 2 {
							wg.Go(func() {
								if err := s.Leave(context.Background()); err != nil {
									t.Errorf("Leave: %v", err)
								}
							})
						}
						synctest.Wait()
					case "two goroutines":
						for range 2 {
							wg.Go(func() {
								s.Close()
								if s.life.Err() == nil || s.Active() {
									t.Error("Close returned before the service had ended")
								}
							})
						}
					}
					if err := s.Close(); err != nil || time.Since(start) != 0 {
						t.Errorf("Close returned %v after %v", err, time.Since(start))
					}
					wg.Wait()
					s.Close()
					round := s.Snapshot().Round
					settle(5 * second)
					if st := s.Status(); st.Round != round || st.Active {
						t.Errorf("a closed service is at round %d, was at %d, active %v", st.Round, round, st.Active)
					}
				})
			})
		}
	}
}

// TestCloseUnstarted: a service whose loop never ran can be closed.
func TestCloseUnstarted(t *testing.T) {
	s := fakeService(t, newFakeNet(nil))
	s.Close()
	s.Close()
}

// finder counts the calls of a discover function.
type finder struct {
	mu            sync.Mutex
	at            []time.Time
	running, most int
	do            func(ctx context.Context, call int) ([]peer.AddrInfo, error)
}

func (f *finder) find(ctx context.Context) ([]peer.AddrInfo, error) {
	f.mu.Lock()
	f.at = append(f.at, time.Now())
	f.running++
	f.most = max(f.most, f.running)
	n := len(f.at)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.running--; f.mu.Unlock() }()
	return f.do(ctx, n-1)
}

func (f *finder) calls() (at []time.Time, running, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at), f.running, f.most
}

func TestDiscoverJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := finder{do: func(context.Context, int) ([]peer.AddrInfo, error) { return infos(peerNo(0)), nil }}
		net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer { return yes(k, peerNos(0, 9)...) })
		start := time.Now()
		s := fakeService(t, net, steady(WithSampleSize(200), WithDiscover(f.find))...)
		s.start()
		settle(0)
		if at, _, _ := f.calls(); len(at) != 1 || !at[0].Equal(start) {
			t.Fatalf("discover was called at %v, want once at the start", at)
		}
		settle(5 * second)
		if n := len(s.Sample()); n != 9 {
			t.Errorf("%d of 9 peers sampled 5 rounds after the first was found", n)
		}
		settle(100 * second)
		if at, _, _ := f.calls(); len(at) < 5 || len(at) > 8 {
			t.Errorf("discover was called %d times in 105 rounds, want about every 20 once others are known", len(at))
		}
		s.Close()
	})
}

func TestDiscoverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := finder{do: func(context.Context, int) ([]peer.AddrInfo, error) { return nil, errors.New("no luck") }}
		s := fakeService(t, newFakeNet(nil), steady(WithDiscover(f.find))...)
		s.start()
		settle(200 * second)
		at, _, _ := f.calls()
		// After 1, 2, 4, 8, 16, 32 and 60 rounds, each less up to a half: at least 3 in the last 150 rounds.
		if len(at) < 8 || len(at) > 12 || at[1].Sub(at[0]) != second || at[len(at)-1].Sub(at[len(at)-2]) < 16*second {
			t.Errorf("a peer that is alone called discover at %v", at)
		}
		if h := s.Status().Health; !h.Has(ConditionAlone) || !strings.Contains(h.String(), fmt.Sprintf("0 seeds and former contacts, %d tries", len(at))) {
			t.Errorf("after %d calls its health is %v", len(at), h)
		}
		s.Close()
	})
}

func TestDiscoverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := finder{do: func(ctx context.Context, _ int) ([]peer.AddrInfo, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		s := fakeService(t, newFakeNet(nil), steady(WithDialTimeout(5*second), WithDiscover(f.find))...)
		s.start()
		settle(20*second + second/2)
		if round := s.Snapshot().Round; round != 20 {
			t.Errorf("round %d after 20.5 s", round)
		}
		if at, _, most := f.calls(); most != 1 || len(at) < 2 || len(at) > 5 {
			t.Errorf("%d calls, %d at once; want 2 to 5 of 5 s each, one at a time", len(at), most)
		}
		for running := 0; running == 0; _, running, _ = f.calls() {
			settle(second)
		}
		closing := time.Now()
		s.Close()
		if _, running, _ := f.calls(); time.Since(closing) != 0 || running != 0 {
			t.Errorf("Close took %v and left %d calls running", time.Since(closing), running)
		}
	})
}

func TestDiscoverFindsTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const self, known = peer.ID("self-with-the-length-of-an-id"), 9999
		nth := func(n int) peer.ID { return peerNo(n % 1000) }
		f := finder{do: func(_ context.Context, call int) ([]peer.AddrInfo, error) {
			found := []peer.AddrInfo{{ID: self}, {ID: ""}, {ID: peerNo(known)}}
			for i := range 200 {
				found = append(found, peer.AddrInfo{ID: nth(200*call + i), Addrs: addrList("/dns4/example.com/tcp/1")})
			}
			return found, nil
		}}
		net := newFakeNet(func(ctx context.Context, _ kind, _ peer.ID) answer { return silence(ctx, 0) })
		s := fakeService(t, net, steady(WithBootstrap(infos(peerNo(known))...), WithDiscover(f.find))...)
		s.start()
		settle(90*second + second/2)
		s.Close()
		at, _, _ := f.calls()
		if len(at) < 2 {
			t.Fatalf("discover was called %d times", len(at))
		}
		found := s.loop.found
		if len(found) != maxFound || slices.Contains(found, self) || slices.Contains(found, "") || slices.Contains(found, peerNo(known)) {
			t.Errorf("%d seeds kept: %v", len(found), found)
		}
		if want := nth(200*len(at) - 1); found[len(found)-1] != want {
			t.Errorf("the newest seed kept is %s, want %s", found[len(found)-1], want)
		}
		if n := s.Status().Records; n > maxFound+1 {
			t.Errorf("%d entries in the book for %d seeds", n, maxFound+1)
		}
	})
}

// fakeSwarm joins services in one bubble: an exchange asks the other service itself.
type fakeSwarm struct {
	delay  time.Duration // an exchange takes it
	silent time.Duration // an exchange with the dead takes it

	mu   sync.Mutex
	all  map[peer.ID]*Service
	dead map[peer.ID]bool
	cut  func(a, b peer.ID) bool // nothing passes between them; nil: everything does
}

type fakeSwarmPeer struct {
	swarm *fakeSwarm
	self  peer.ID
}

func (p fakeSwarmPeer) exchange(ctx context.Context, k kind, id peer.ID) answer {
	p.swarm.mu.Lock()
	to, dead := p.swarm.all[id], p.swarm.dead[id] || p.swarm.cut != nil && p.swarm.cut(p.self, id)
	p.swarm.mu.Unlock()
	if to == nil || dead {
		return silence(ctx, p.swarm.silent)
	}
	after(p.swarm.delay)
	if to.leaving.Load() {
		a := yes(k, to.Snapshot().View...)
		a.outcome = protocol.Leaving
		return a
	}
	if k == push {
		select {
		case to.pushes <- pushed{from: p.self}:
		default:
			to.unread.note(heldConn{from: p.self})
		}
	}
	return yes(k, to.Snapshot().View...)
}

// newFakeSwarm starts n services that know a chain: each the one before.
func newFakeSwarm(t *testing.T, n int, silent time.Duration, opts ...Option) *fakeSwarm {
	sw := &fakeSwarm{
		delay: 20 * time.Millisecond, silent: silent,
		all: make(map[peer.ID]*Service), dead: make(map[peer.ID]bool),
	}
	for i := range n {
		sw.join(t, peerNo(i), append(opts, WithBootstrap(infos(peerNo(max(i-1, 0)))...))...)
	}
	return sw
}

func (p fakeSwarmPeer) indirect(ctx context.Context, helper, target peer.ID) (bool, answer) {
	a := p.exchange(ctx, probe, helper)
	p.swarm.mu.Lock()
	to, dead := p.swarm.all[target], p.swarm.dead[target]
	p.swarm.mu.Unlock()
	return a.outcome == protocol.Alive && to != nil && !dead, answer{}
}

func (p fakeSwarmPeer) onBehalf(context.Context, peer.ID, peer.ID, []byte) ([]byte, answer) {
	return nil, answer{} // nobody serves streams here
}

func (sw *fakeSwarm) join(t *testing.T, id peer.ID, opts ...Option) *Service {
	s := fakeServiceOf(t, id, fakeSwarmPeer{sw, id}, append([]Option{WithRoundInterval(second)}, opts...)...)
	sw.mu.Lock()
	sw.all[id] = s
	sw.mu.Unlock()
	s.start()
	return s
}

func (sw *fakeSwarm) kill(id peer.ID) {
	sw.mu.Lock()
	sw.dead[id] = true
	s := sw.all[id]
	sw.mu.Unlock()
	s.Close()
}

func (sw *fakeSwarm) live() []*Service {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	var out []*Service
	for id, s := range sw.all {
		if !sw.dead[id] {
			out = append(out, s)
		}
	}
	return out
}

func (sw *fakeSwarm) close() {
	for _, s := range sw.live() {
		s.Close()
	}
}

// roundsToForget is the bound of docs/design.md on the rounds until a peer that has died, one of so many, is in no slot of
// any sample: all ids of a sample are probed once, at most MaxDeaths ids die a round, the suspects are probed once more,
// the round of the death has begun, and what ends in a round is published with its end; self-doubt may spare the dying
// for DoubtRounds more. An exchange with the dead must end within a round, or each miss takes that much longer.
func roundsToForget(p protocol.Params, distinct, dead int, doubted bool) int {
	ceil := func(a, b int) int { return (a + b - 1) / b }
	n := ceil(distinct, p.Probes) + ceil(dead, p.MaxDeaths) + 4
	if doubted {
		n += p.DoubtRounds
	}
	return n
}

func TestDeadLeaveEverySample(t *testing.T) {
	frugal := protocol.Hardened(40)
	frugal.Probes, frugal.MaxDeaths = 2, 1
	for _, c := range []struct {
		name    string
		n, died int
		silent  time.Duration // until an exchange with the dead fails
		params  protocol.Params
	}{
		{"refused", 24, 7, time.Millisecond, protocol.Hardened(40)},
		{"silent", 24, 7, 700 * time.Millisecond, protocol.Hardened(40)},
		{"most", 24, 15, 700 * time.Millisecond, protocol.Hardened(40)}, // enough for self-doubt
		{"frugal", 24, 7, 700 * time.Millisecond, frugal},
		{"one of three", 3, 1, time.Millisecond, protocol.Hardened(40)},
		{"one of two", 2, 1, 700 * time.Millisecond, protocol.Hardened(40)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sw := newFakeSwarm(t, c.n, c.silent, WithParams(c.params))
				after(60*second + second/3)
				died := c.died
				distinct, sampled := 0, 0
				for _, s := range sw.live() {
					snap := s.Snapshot()
					distinct = max(distinct, snap.Node.SampleDistinct)
					if snap.Node.SampleFilled != s.cfg.params.L2 {
						t.Errorf("%s: %d slots filled after %d rounds", s.self, snap.Node.SampleFilled, snap.Round)
					}
					for i := range died {
						if holds(s, peerNo(i)) {
							sampled++
						}
					}
				}
				if sampled < died*(c.n-died)/2 {
					t.Fatalf("the %d that are to die are in %d samples and views", died, sampled)
				}
				for i := range died {
					sw.kill(peerNo(i))
				}
				at := make(map[peer.ID]uint64)
				for _, s := range sw.live() {
					at[s.self] = s.Snapshot().Round
				}
				last, doubted := make(map[peer.ID]uint64), false
				for range roundsToForget(c.params, distinct, died, true) + 20 {
					settle(second)
					for _, s := range sw.live() {
						snap := s.Snapshot()
						doubted = doubted || snap.Node.Doubting
						for i := range died {
							if slices.ContainsFunc(snap.Slots, func(x protocol.Sampled) bool { return x.ID == peerNo(i) }) {
								last[s.self] = snap.Round - at[s.self]
							}
						}
					}
				}
				worst := uint64(0)
				for _, n := range last {
					worst = max(worst, n+1)
				}
				bound := uint64(roundsToForget(c.params, distinct, died, doubted))
				t.Logf("%d of %d died: forgotten after %d rounds, bound %d, self-doubt %v", died, c.n, worst, bound, doubted)
				if worst > bound {
					t.Errorf("%d of %d peers died, and some sample held one for %d rounds; the bound is %d", died, c.n, worst, bound)
				}
				for _, s := range sw.live() {
					snap := s.Snapshot()
					if c.n > 2 && (snap.Node.SampleFilled != s.cfg.params.L2 || len(snap.Peers) == 0) {
						t.Errorf("%s: %d slots filled at the end", s.self, snap.Node.SampleFilled)
					}
					for i := range died {
						if slices.Contains(snap.View, peerNo(i)) && c.n > 2 {
							t.Errorf("%s: view holds the dead %s", s.self, peerNo(i))
						}
					}
				}
				sw.close()
			})
		})
	}
}

// TestLeaverIsForgotten: who leaves is dropped at once and counts as no death.
func TestLeaverIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := newFakeSwarm(t, 12, second/2)
		after(40 * second)
		leaver := sw.all[peerNo(5)]
		go leaver.Leave(context.Background())
		deaths := 0
		for range 3 {
			settle(second)
			for _, s := range sw.live() {
				deaths += s.Snapshot().Node.Deaths
			}
		}
		for _, s := range sw.live() {
			if s != leaver && samples(s, leaver.self) {
				t.Errorf("%s still samples who said that it leaves", s.self)
			}
		}
		if deaths != 0 {
			t.Errorf("%d deaths counted", deaths)
		}
		sw.kill(leaver.self)
		sw.close()
	})
}
