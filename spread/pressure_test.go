package spread

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// readSlowly spreads 20 messages, one after the other, to a peer whose subscriber reads one each half second and has room for one. It
// returns how many the subscriber got and missed, and how long the origin took.
func readSlowly(t *testing.T, opts ...SubscribeOption) (got int, missed uint64, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		all := newNetwork(t, 2, 0, WithBuffer(1))
		origin, reader := all[0], all[1]
		sub, err := reader.Subscribe("t", opts...)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan int)
		go func() {
			n := 0
			for {
				if _, err := sub.Receive(context.Background()); err != nil {
					break
				}
				n++
				wait(500 * time.Millisecond)
			}
			read <- n
		}()
		synctest.Wait()
		start := time.Now()
		for i := range 20 {
			if report, err := origin.Spread(t.Context(), "t", fmt.Append(nil, i)); err != nil || report.Taken != 1 {
				t.Fatalf("message %d: %+v, %v", i, report, err)
			}
		}
		took = time.Since(start)
		reader.Close()
		got, missed = <-read, sub.Dropped()
		if st := reader.Status(); st.Taken != 20 || int(st.Delivered) != got || st.Undelivered != missed || got+int(missed) != 20 {
			t.Errorf("%+v, %d read, %d missed", st, got, missed)
		}
		origin.Close()
	})
	return got, missed, took
}

// TestBackPressure: whoever spreads one message after the other is slowed down to the pace of a slow subscriber with back-pressure,
// which gets all of them. Control: without it nobody waits, and most are lost.
func TestBackPressure(t *testing.T) {
	if got, missed, took := readSlowly(t, WithBackPressure()); got != 20 || missed != 0 || took < 8*time.Second || took > 10*time.Second {
		t.Errorf("got %d, missed %d, the origin took %v", got, missed, took)
	}
	if got, missed, took := readSlowly(t); got > 3 || missed < 17 || took > time.Second {
		t.Errorf("the control: got %d, missed %d, the origin took %v", got, missed, took)
	}
}

// A held is a service with a subscriber with back-pressure that has as many messages as it has room for, and what is passed on.
type held struct {
	*Service
	t      *testing.T
	sub    *Subscription
	passed int
	next   int
}

func newHeld(t *testing.T, room int) *held {
	t.Helper()
	_, other := testKey(t, 1)
	h := &held{t: t}
	h.Service = fakeService(t, 0, peersOf(1, other), func(context.Context, peer.AddrInfo, []byte) (message.Status, error) {
		h.passed++ // one worker
		return message.StatusTaken, nil
	}, WithBuffer(room), WithWorkers(1), WithOriginRate(0, 0))
	var err error
	if h.sub, err = h.Subscribe("t", WithBackPressure()); err != nil {
		t.Fatal(err)
	}
	for range room {
		if status := <-h.bring(); status != message.StatusTaken {
			t.Fatalf("with room: %v", status)
		}
	}
	return h
}

// bring brings a new message, and returns where the answer comes.
func (h *held) bring() <-chan message.Status {
	h.next++
	raw := made(h.t, 2, "t", fmt.Sprint(h.next), time.Now(), 0)
	answer := make(chan message.Status, 1)
	go func() {
		status, err := h.take(from("from"), raw)
		if err != nil {
			h.t.Error(err)
		}
		answer <- status
	}()
	return answer
}

// waits reports whether there is no answer yet.
func waits(answer <-chan message.Status) bool {
	synctest.Wait()
	return len(answer) == 0
}

// TestHeld: who waits for a subscriber, for how long, what it is answered, and that nobody else waits.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld(t, 2)
		quick, _ := h.Subscribe("t")
		start := time.Now()
		first := h.bring()
		if !waits(first) || h.passed != 3 || len(drain(quick)) != 1 {
			t.Errorf("answered %d, %d passed on", len(first), h.passed)
		}
		quick.Cancel()
		wait(time.Second)
		if m, err := h.sub.Receive(t.Context()); err != nil || string(m.Payload) != "1" {
			t.Errorf("%v, %v", m, err)
		}
		if waits(first) || <-first != message.StatusTaken || time.Since(start) != time.Second {
			t.Errorf("it is not answered once there is room, after %v", time.Since(start))
		}

		// Two may wait, the third may not. Nobody reads: all are told so.
		second, third := h.bring(), h.bring()
		if !waits(second) || !waits(third) {
			t.Error("they do not wait")
		}
		if more := h.bring(); waits(more) || <-more != message.StatusNoResources || h.sub.Dropped() != 1 {
			t.Errorf("a third that waits, %d dropped", h.sub.Dropped())
		}
		start = time.Now()
		if a, b := <-second, <-third; a != message.StatusNoResources || b != a || time.Since(start) != holdTime || h.sub.Dropped() != 3 {
			t.Errorf("%v and %v after %v, %d dropped", a, b, time.Since(start), h.sub.Dropped())
		}
		if holdTime >= slowAfter {
			t.Errorf("%v are taken for silence", holdTime)
		}
		if st := h.Status(); st.Undelivered != 3 || st.Taken != 6 || st.Copies != 6 || h.passed != 6 || len(st.Refused) != 0 {
			t.Errorf("%+v, %d passed on", st, h.passed)
		}
		if more := h.bring(); !waits(more) {
			t.Error("those who waited count for ever")
		}
		h.Close()
	})
}

// TestHeldToTheEnd: who waits for a subscription that is cancelled, or a service that is closed, is answered at once.
func TestHeldToTheEnd(t *testing.T) {
	for name, end := range map[string]func(*held){
		"cancelled": func(h *held) { h.sub.Cancel(); h.sub.Cancel() },
		"closed":    func(h *held) { h.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHeld(t, 1)
			first := h.bring()
			if !waits(first) {
				t.Errorf("%s: it does not wait", name)
			}
			start := time.Now()
			end(h)
			<-first
			if time.Since(start) != 0 {
				t.Errorf("%s: answered after %v", name, time.Since(start))
			}
			if m, err := h.sub.Receive(t.Context()); err != nil || string(m.Payload) != "1" {
				t.Errorf("%s: what waited for it: %v, %v", name, m, err)
			}
			for range 2 { // the one that waited may have come with the end
				if _, err := h.sub.Receive(t.Context()); err != nil {
					if !errors.Is(err, ErrEnded) {
						t.Errorf("%s: %v", name, err)
					}
					break
				}
			}
			if name == "cancelled" {
				if late := h.bring(); waits(late) || <-late != message.StatusTaken {
					t.Error("who comes after it waits for it")
				}
			}
			h.Close()
		})
	}
}

// TestOwnAreHeld: Spread waits for a subscriber of its own service as others do, and sends meanwhile.
func TestOwnAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld(t, 1)
		start := time.Now()
		if report, err := h.Spread(t.Context(), "t", nil); err != nil || report.Taken != 1 || time.Since(start) != holdTime || h.sub.Dropped() != 1 {
			t.Errorf("%+v, %v after %v, %d dropped", report, err, time.Since(start), h.sub.Dropped())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := h.Spread(ctx, "t", nil); err != nil || time.Since(start) != time.Second {
			t.Errorf("with a second: %v after %v", err, time.Since(start))
		}
		if _, err := h.sub.Receive(t.Context()); err != nil {
			t.Error(err)
		}
		start = time.Now()
		if _, err := h.Spread(t.Context(), "t", nil); err != nil || time.Since(start) != 0 {
			t.Errorf("with room: %v after %v", err, time.Since(start))
		}
		gone := errors.New("gone")
		ended, stop := context.WithCancelCause(t.Context())
		stop(gone)
		if _, err := h.sub.Receive(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := h.sub.Receive(ended); !errors.Is(err, gone) {
			t.Errorf("the cause of the context is lost: %v", err)
		}
		h.Close()
	})
}
