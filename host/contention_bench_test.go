package host

import (
	"fmt"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// BenchmarkContention reads what a service has published from 1 to 64 goroutines while another closes rounds: every
// MinInterval, the shortest round that there is and a thousandth of the default, or one straight after the other, which no
// service does. The service has 40 slots of 80 peers and no network.
//
// atomic is the service as it is. rwmutex is what it is worth: the same calls, but with a read lock held, on a service to
// which the writer hands each snapshot under the write lock. That is as kind to the lock as can be, since snapshots are
// still composed outside it.
//
//	ns/op      wall time by reads of all readers together; one reader waits about readers/cores times that
//	ops/s      the inverse
//	wait-ns/op time that goroutines, the writer's as well, were blocked on locks, by reads
//	rounds/s   what the writer managed among that many readers
//
// The runtime samples one in eight of the waits, adds those for its own locks (heap, scheduler), so that 0 is rare where
// reads allocate, and leaves out what it takes to wake up again, which is in ns/op. Which locks they were tells
//
//	go test ./host -run '^$' -bench Contention -mutexprofile mutex.out
//	go tool pprof -top mutex.out
func BenchmarkContention(b *testing.B) {
	peers := sealedPeers(b, 80)
	free := readyService(b, peers)
	locked := fakeService(b, nil)
	spoil(free)
	spoil(locked)
	var mu sync.RWMutex
	locked.published.Store(free.Snapshot())

	for _, op := range []struct {
		name string
		do   func(*Service) int // 0 is a failure
	}{
		{"Snapshot", func(s *Service) int { return len(s.Snapshot().Peers) }}, // the publication alone
		{"Sample", func(s *Service) int { return len(s.Sample()) }},
		{"Random", func(s *Service) int { return len(s.Random(3)) }},
		{"View", func(s *Service) int { return len(s.View()) }},
		{"Status", func(s *Service) int { return len(s.Status().Refused) }},
	} {
		for _, every := range []time.Duration{MinInterval, 0} {
			pace := "nonstop"
			if every > 0 {
				pace = fmt.Sprintf("round=%v", every)
			}
			for readers := 1; readers <= 64; readers *= 2 {
				name := fmt.Sprintf("%s/%s/readers=%d/", op.name, pace, readers)
				b.Run(name+"atomic", func(b *testing.B) {
					benchContention(b, readers, every, func() int { return op.do(free) }, func(round uint64) {
						free.publish(free.compose(round))
					})
				})
				b.Run(name+"rwmutex", func(b *testing.B) {
					benchContention(b, readers, every, func() int {
						mu.RLock()
						n := op.do(locked)
						mu.RUnlock()
						return n
					}, func(round uint64) {
						free.publish(free.compose(round))
						mu.Lock()
						locked.published.Store(free.Snapshot())
						mu.Unlock()
					})
				})
			}
		}
	}
}

// benchContention shares b.N reads between the readers while rounds are closed, every so often or without a pause.
func benchContention(b *testing.B, readers int, every time.Duration, read func() int, closeRound func(uint64)) {
	var reading, writing sync.WaitGroup
	start, done := make(chan struct{}), make(chan struct{})
	for i := range readers {
		n := b.N / readers
		if i < b.N%readers {
			n++
		}
		reading.Go(func() {
			<-start
			for range n {
				if read() == 0 {
					b.Error("read nothing")
					return
				}
			}
		})
	}
	rounds := uint64(0)
	writing.Go(func() {
		due, stop := ticks(every)
		defer stop()
		<-start
		for {
			select {
			case <-done:
				return
			case <-due:
				rounds++
				closeRound(rounds)
			}
		}
	})

	waited := lockWait()
	b.ResetTimer()
	close(start)
	reading.Wait()
	b.StopTimer()
	waited = lockWait() - waited
	close(done)
	writing.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(waited.Nanoseconds())/float64(b.N), "wait-ns/op")
	b.ReportMetric(float64(rounds)/b.Elapsed().Seconds(), "rounds/s")
}

// ticks returns a channel from which one may always take if every is 0.
func ticks(every time.Duration) (<-chan time.Time, func()) {
	if every == 0 {
		c := make(chan time.Time)
		close(c)
		return c, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// lockWait is how long goroutines of this process were blocked on locks so far, about.
func lockWait() time.Duration {
	m := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(m)
	return time.Duration(m[0].Value.Float64() * float64(time.Second)) // panics where the runtime has no such metric
}

// sealedPeer is a peer and its signed record.
type sealedPeer struct {
	id  peer.ID
	raw []byte
}

func sealedPeers(b *testing.B, n int) []sealedPeer {
	var out []sealedPeer
	for i := range n {
		signer := newRecordSigner(b)
		addr := func(k int) string { return fmt.Sprintf("/ip4/10.0.%d.%d/udp/4001/quic-v1", k, i) }
		out = append(out, sealedPeer{signer.id, signer.seal(b, 1, addr(1), addr(2), addr(3), addr(4))})
	}
	return out
}

// readyService returns a service that has run for a while among peers that all answer, stepped by hand: it is not
// running, and what its loop owns is the caller's.
func readyService(b *testing.B, peers []sealedPeer) *Service {
	var ids []peer.ID
	for _, p := range peers {
		ids = append(ids, p.id)
	}
	s := fakeService(b, nil, WithAllowPrivate(true), WithRoundInterval(second), WithBootstrap(infos(ids[:8]...)...))
	for _, p := range peers {
		if _, _, err := s.book.put(p.raw, fromFirstHand, p.id, classPrivate); err != nil {
			b.Fatal(err)
		}
	}
	now := time.Now()
	for round := range 60 {
		s.tick(now)
		now = now.Add(second)
		s.loop.node.HandlePush(ids[round%len(ids)])
		for _, j := range s.loop.queue {
			s.loop.busy[j.id] = true
			for k := range kinds {
				if j.do[k] {
					s.take(result{job: j, kind: k, answer: yes(k, ids...)})
				}
			}
			s.take(result{job: j, kind: probe, answer: yes(probe), last: true, life: protocol.Alive})
		}
		s.loop.queue = nil
	}
	s.tick(now)
	if snap := s.Snapshot(); len(snap.View) != s.cfg.params.L1 || len(snap.drawn) != s.cfg.params.L2 || len(snap.Peers[0].Addrs) != 4 {
		b.Fatalf("not ready: view of %d, %d slots that count, %d addresses", len(snap.View), len(snap.drawn), len(snap.Peers[0].Addrs))
	}
	return s
}

// spoil gives s counts of refused input as a service on an open network has them.
func spoil(s *Service) {
	for _, r := range []Reason{ReasonBadFrame, ReasonStreamFailed, ReasonPushOverflow, ReasonUnsolicited, ReasonRecordNoUsableAddr} {
		s.refused.add(r)
	}
}
