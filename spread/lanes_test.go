package spread

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// prompt passes 600 messages on, five a second, in a sample of 40 of which 8 behave as bad does and the others answer in 50 ms. It
// returns the share of the copies that reached one of the others within two seconds.
func prompt(t *testing.T, off bool, bad func(context.Context) error) (share float64) {
	synctest.Test(t, func(t *testing.T) {
		const messages, faulty = 600, 8
		var ids []peer.ID
		for i := range 40 {
			_, id := testKey(t, i+1)
			ids = append(ids, id)
		}
		isBad := map[peer.ID]bool{}
		for _, id := range ids[:faulty] {
			isBad[id] = true
		}
		var mu sync.Mutex
		began, intime := map[string]time.Time{}, 0
		s := fakeService(t, 0, peersOf(1, ids...), func(ctx context.Context, to peer.AddrInfo, frame []byte) (message.Status, error) {
			if isBad[to.ID] {
				return message.StatusTaken, bad(ctx)
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			if time.Since(began[body(t, frame)]) < 2*time.Second {
				intime++
			}
			return message.StatusTaken, nil
		}, WithFanout(12), WithOriginRate(0, 0), WithWorkers(16))
		s.queue.off = off
		for i := range messages {
			text := fmt.Sprint(i)
			mu.Lock()
			began[text] = time.Now()
			mu.Unlock()
			if status, err := s.take(from("from"), made(t, 99, "t", text, time.Now(), 0)); status != message.StatusTaken {
				t.Fatal(status, err)
			}
			wait(200 * time.Millisecond)
		}
		wait(2 * time.Second)
		s.Close()
		share = float64(intime) / (messages * 12 * float64(40-faulty) / 40)
	})
	return share
}

// wait lets time pass in a bubble.
func wait(d time.Duration) { <-time.After(d) }

// body is the payload of a framed message.
func body(t *testing.T, frame []byte) string {
	raw, err := wire.NewReader(newMemStream("", frame).in).Frame(message.MaxSize(message.MaxPayload))
	if err != nil {
		t.Error(err)
	}
	m, err := message.Decode(raw, message.MaxPayload)
	if err != nil {
		t.Error(err)
	}
	b, err := message.DecodeBody(m.Body, message.MaxPayload)
	if err != nil {
		t.Error(err)
	}
	return string(b.Payload)
}

// TestSilentPeersHoldUpNobody: a fifth of the sample that never answers, or takes all the time that it may, costs no more than the
// copies that are sent to it. Negative control: without lanes few messages are passed on in time.
func TestSilentPeersHoldUpNobody(t *testing.T) {
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	late := func(context.Context) error { wait(carryTimeout - time.Second); return nil }
	for name, bad := range map[string]func(context.Context) error{"silent": silent, "late": late} {
		if share := prompt(t, false, bad); share < .95 {
			t.Errorf("%s: %.2f of the copies are in time", name, share)
		}
		if share := prompt(t, true, bad); share > .5 {
			t.Errorf("%s, the control: %.2f of the copies are in time", name, share)
		}
	}
}

// TestRestIsNoExile: where all peers are slow the fault may be ours: they are asked all the same, and are as before when they are
// quick again.
func TestRestIsNoExile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []peer.ID
		for i := range 5 {
			_, id := testKey(t, i+1)
			ids = append(ids, id)
		}
		broken := true
		s := fakeService(t, 0, peersOf(1, ids...), func(ctx context.Context, _ peer.AddrInfo, _ []byte) (message.Status, error) {
			if broken {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return message.StatusTaken, nil
		})
		if report, err := s.Spread(t.Context(), "t", nil); report.Taken != 0 || err == nil || len(s.queue.resting(time.Now())) != 5 {
			t.Errorf("%+v, %v, %d rest", report, err, len(s.queue.resting(time.Now())))
		}
		broken = false
		if report, err := s.Spread(t.Context(), "t", nil); report.Taken != 5 || err != nil || len(s.queue.resting(time.Now())) != 0 {
			t.Errorf("%+v, %v, %d rest", report, err, len(s.queue.resting(time.Now())))
		}
		if n := len(s.queue.by); n != 0 {
			t.Errorf("%d lanes are left", n)
		}
		s.Close()
	})
}

// TestLanes: who may be with a peer, what fails with it, how long it rests, and how many are remembered.
func TestLanes(t *testing.T) {
	l, now := newLanes(), fixed
	j := func(id peer.ID) job { return job{to: peer.AddrInfo{ID: id}} }
	if !l.begin(j("a")) || l.begin(j("a")) || l.begin(j("a")) || !l.begin(j("b")) {
		t.Fatal("one worker for a new peer")
	}
	if next, more, failed := l.end("a", slowAfter-1, now); next.to.ID != "a" || !more || len(failed) != 0 {
		t.Errorf("after a quick answer: %v, %v, %d failed", next, more, len(failed))
	}
	if !l.begin(j("a")) || l.begin(j("a")) { // two for one that is quick; two wait
		t.Error("not two workers for a quick peer")
	}
	if _, more, failed := l.end("a", slowAfter, now); more || len(failed) != 2 {
		t.Errorf("after a slow one: %v, %d failed", more, len(failed))
	}
	l.end("a", slowAfter, now)
	pause := 2 * restLeast // two slow ones
	for range 6 {
		if len(l.resting(now.Add(pause-1))) != 1 || len(l.resting(now.Add(pause))) != 0 {
			t.Errorf("rests %v, not %v", l.rest, pause)
		}
		l.begin(j("a"))
		l.end("a", carryTimeout, now)
		pause = min(2*pause, restMost)
	}
	for i := range 3 * maxLanes {
		l.begin(j(crowdID(i)))
		l.end(crowdID(i), carryTimeout, now)
	}
	if len(l.by) > maxLanes+1 || len(l.rest) > maxLanes+1 || l.by["b"] == nil {
		t.Errorf("%d lanes, %d rest", len(l.by), len(l.rest))
	}
}
