package spread

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// TestEachOnce: a message reaches every peer, each once, with its origin, topic and payload, also where a fifth drops all;
// copies are those that theory needs.
func TestEachOnce(t *testing.T) {
	for _, faulty := range []int{0, 12} {
		synctest.Test(t, func(t *testing.T) {
			const n, messages = 64, 20
			all := newNetwork(t, n, faulty)
			var subs []*Subscription
			for _, s := range all[faulty:] {
				sub, err := s.Subscribe("news")
				if err != nil {
					t.Fatal(err)
				}
				subs = append(subs, sub)
				if _, err := s.Subscribe("others"); err != nil { // gets none of them
					t.Fatal(err)
				}
			}
			missed := 0
			for i := range messages {
				origin := all[faulty+i%(n-faulty)]
				text := fmt.Sprintf("message %d", i)
				report, err := origin.Spread(t.Context(), "news", []byte(text))
				if err != nil || report.Asked != 12 || report.Taken != 12 || report.Size != n {
					t.Fatalf("%+v, %v", report, err)
				}
				synctest.Wait()
				for k, sub := range subs {
					got := drain(sub)
					if len(got) == 0 {
						missed++
						continue
					}
					m := got[0]
					own := all[faulty+k] == origin
					if len(got) != 1 || m.ID != report.ID || m.Origin != origin.self || m.Topic != "news" || string(m.Payload) != text ||
						own != (m.From == all[faulty+k].self) || time.Since(m.Time).Abs() > time.Second {
						t.Fatalf("peer %d got %+v", k, got)
					}
				}
			}
			copies := uint64(0)
			for k, s := range all {
				st := s.Status()
				copies += st.Copies
				if st.Pending != 0 || st.Overflow != 0 || st.Failed != 0 || len(st.Refused) != 0 || st.Undelivered != 0 {
					t.Errorf("peer %d: %+v", k, st)
				}
				s.Close()
			}
			each, theory := float64(copies)/(float64(n-faulty)*messages), math.Log(n)+7
			// Where 12 drop all, one is missed with a probability of (1-12/62)^51: .02 in 20 messages, so 2 at the error rate 2e-4.
			if each > 1.5*theory || missed > 1 {
				t.Errorf("%d faulty: %d were missed, %.1f copies each, theory needs %.1f", faulty, missed, each, theory)
			}
		})
	}
}

// TestSlowSubscriber: what it has no room for it does not get, which is counted; others get it, and it is passed on.
func TestSlowSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, other := testKey(t, 1)
		passed := 0
		var mu sync.Mutex
		s := fakeService(t, 0, peersOf(1, other), func(context.Context, peer.AddrInfo, []byte) (message.Status, error) {
			mu.Lock()
			defer mu.Unlock()
			passed++
			return message.StatusTaken, nil
		}, WithBuffer(3))
		slow, _ := s.Subscribe("t")
		fast, _ := s.Subscribe("t")
		gone, _ := s.Subscribe("t")
		gone.Cancel()
		gone.Cancel()
		for i := range 10 {
			if status, err := s.take(from("from"), made(t, 2, "t", fmt.Sprint(i), time.Now(), 0)); status != message.StatusTaken || err != nil {
				t.Fatal(status, err)
			}
			if got := drain(fast); len(got) != 1 || string(got[0].Payload) != fmt.Sprint(i) {
				t.Errorf("the fast one got %v", got)
			}
		}
		synctest.Wait()
		got := drain(slow)
		if len(got) != 3 || string(got[0].Payload) != "0" || slow.Dropped() != 7 || fast.Dropped() != 0 {
			t.Errorf("the slow one got %v, %d were dropped", got, slow.Dropped())
		}
		if _, open := <-gone.Messages(); open || gone.Dropped() != 0 {
			t.Error("a cancelled subscription gets messages")
		}
		if st := s.Status(); st.Delivered != 13 || st.Undelivered != 7 || st.Taken != 10 || st.Passed != 10 || passed != 10 {
			t.Errorf("%+v, %d passed on", st, passed)
		}
		s.Close()
		if _, open := <-slow.Messages(); open {
			t.Error("open after Close")
		}
		if _, err := s.Subscribe("t"); !errors.Is(err, ErrClosed) {
			t.Errorf("subscribed after Close: %v", err)
		}
	})
}

// TestReport: how many must take a message, how many did, and what is said if they were too few.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		var ids []peer.ID
		for i := range n {
			_, id := testKey(t, i+1)
			ids = append(ids, id)
		}
		for _, c := range []struct {
			refuse int // of 20, the first
			opts   []Option
			taken  int
			err    error
		}{
			{0, nil, 11, nil},
			{0, []Option{WithFanout(20)}, 20, nil},
			{10, []Option{WithFanout(20)}, 10, nil},
			{11, []Option{WithFanout(20)}, 9, ErrFewTook},
			{19, []Option{WithFanout(20), WithQuorum(1)}, 1, nil},
			{20, []Option{WithFanout(20), WithQuorum(1)}, 0, ErrFewTook},
			{0, []Option{WithFanout(5), WithQuorum(6)}, 5, ErrFewTook},
		} {
			s := fakeService(t, 0, peersOf(1, ids...), func(_ context.Context, to peer.AddrInfo, _ []byte) (message.Status, error) {
				switch i := slices.Index(ids, to.ID); {
				case i >= c.refuse && i%2 == 0:
					return message.StatusTaken, nil
				case i >= c.refuse:
					return message.StatusSeen, nil
				case i%3 == 0:
					return message.StatusNoResources, nil
				case i%3 == 1:
					return message.StatusOutOfTime, nil
				}
				return 0, errors.New("away")
			}, c.opts...)
			report, err := s.Spread(t.Context(), "t", []byte("x"))
			if report.Taken != c.taken || !errors.Is(err, c.err) || (err != nil) != (c.err != nil) || report.ID == (message.Hash{}) {
				t.Errorf("%d refuse: %+v, %v; want %d, %v", c.refuse, report, err, c.taken, c.err)
			}
			if st := s.Status(); st.Passed != uint64(c.taken) || st.Failed != uint64(report.Asked-c.taken) || st.Sent != 1 || st.Pending != 0 {
				t.Errorf("%+v", st)
			}
			s.Close()
		}
	})
}

// TestSpreadErrors: everything that keeps a message from being sent.
func TestSpreadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, other := testKey(t, 1)
		alone := fakeService(t, 0, peersOf(1), taken)
		if _, err := alone.Spread(t.Context(), "t", nil); !errors.Is(err, ErrNoPeers) || alone.Status().Sent != 0 {
			t.Errorf("alone: %v", err)
		}
		alone.Close()

		s := fakeService(t, 0, peersOf(1, other), taken, WithMaxPayload(10), WithOriginRate(1, 2))
		for topic, want := range map[string]string{"": `topic="" must have 1 to 128 bytes`, "\xff": "of UTF-8", strings.Repeat("t", 129): "must have 1 to 128"} {
			if _, err := s.Spread(t.Context(), topic, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("topic %q: %v", topic, err)
			}
			if _, err := s.Subscribe(topic); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("topic %q: %v", topic, err)
			}
		}
		if _, err := s.Spread(t.Context(), "t", make([]byte, 11)); err == nil || !strings.Contains(err.Error(), "payload of 11 bytes must have at most 10") {
			t.Errorf("long payload: %v", err)
		}
		// Its own pace is half of one a second: the first goes at once, the second two seconds later.
		start := time.Now()
		for range 2 {
			if _, err := s.Spread(t.Context(), "t", nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("the second after %v", took)
		}
		gone := errors.New("the caller has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		if _, err := s.Spread(ctx, "t", nil); !errors.Is(err, gone) {
			t.Errorf("the cause of the context is lost: %v", err)
		}
		waits := make(chan error)
		go func() { _, err := s.Spread(context.Background(), "t", nil); waits <- err }()
		synctest.Wait()
		s.Close()
		s.Close()
		if err := <-waits; !errors.Is(err, ErrClosed) {
			t.Errorf("closed while it waits for its turn: %v", err)
		}
		if _, err := s.Spread(t.Context(), "t", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}

		full := fakeService(t, 0, peersOf(1, other), taken, WithMemory(1))
		_, _ = full.Spread(t.Context(), "t", nil)
		if _, err := full.Spread(t.Context(), "t", nil); !errors.Is(err, ErrBusy) {
			t.Errorf("no room: %v", err)
		}
		full.Close()
	})
}

// TestPeersThatDoNotAnswer hold a worker each until their time is over, and hold up nothing for ever: neither Spread, nor
// Close, nor what is passed on to others.
func TestPeersThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, silent := testKey(t, 1)
		_, good := testKey(t, 2)
		s := fakeService(t, 0, peersOf(1, silent, good), func(ctx context.Context, to peer.AddrInfo, _ []byte) (message.Status, error) {
			if to.ID == good {
				return message.StatusTaken, nil
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}, WithWorkers(4))
		start := time.Now()
		report, err := s.Spread(t.Context(), "t", nil)
		if report.Taken != 1 || err != nil || time.Since(start) != carryTimeout {
			t.Errorf("%+v, %v after %v", report, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if report, err = s.Spread(ctx, "t", nil); report.Taken != 1 || err != nil {
			t.Errorf("with a second: %+v, %v", report, err)
		}
		waits := make(chan error)
		go func() { _, err := s.Spread(context.Background(), "t", nil); waits <- err }()
		synctest.Wait()
		s.Close()
		if err := <-waits; err != nil { // the good one has it: that is a success, closed or not
			t.Errorf("closed while it waits for answers: %v", err)
		}
	})
}

// TestQueueIsBounded: what others want passed on is dropped where too many copies wait, by number and by bytes, and counted.
func TestQueueIsBounded(t *testing.T) {
	for _, size := range []int{3, message.MaxPayload} {
		synctest.Test(t, func(t *testing.T) {
			var ids []peer.ID
			for i := range 40 {
				_, id := testKey(t, i+1)
				ids = append(ids, id)
			}
			s := fakeService(t, 0, peersOf(1, ids...), func(ctx context.Context, _ peer.AddrInfo, _ []byte) (message.Status, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}, WithFanout(40), WithOriginRate(0, 0), WithLimits(Limits{RelayBytes: Unlimited}))
			payload := strings.Repeat("x", size-3)
			for i := range 150 {
				if status, err := s.take(from(ids[0]), made(t, 99, "t", fmt.Sprintf("%03d%s", i, payload), time.Now(), 0)); err != nil {
					t.Fatal(status, err)
				}
			}
			synctest.Wait()
			most := int64(queueJobs + DefaultWorkers)
			st := s.Status()
			if b := s.queue.bytes.Load(); b > queueBytes || int64(st.Pending) > most {
				t.Errorf("%d copies wait, of %d bytes", st.Pending, b)
			}
			if st.Overflow == 0 || uint64(st.Pending)+st.Overflow != 39*st.Taken {
				t.Errorf("%+v", st)
			}
			s.Close()
		})
	}
}

// TestFanoutFollowsSize: of the network, where that is known, and before of who is known.
func TestFanoutFollowsSize(t *testing.T) {
	var ids []peer.ID
	for i := range 30 {
		_, id := testKey(t, i+1)
		ids = append(ids, id)
	}
	for size, want := range map[float64]int{0: 11, 31: 11, 1000: 14, 1e6: 21} {
		peers := peersOf(1, ids...)
		peers.size = size
		s := fakeService(t, 0, peers, taken)
		if report, err := s.Spread(t.Context(), "t", nil); report.Asked != want || err != nil {
			t.Errorf("size %v: %d asked, want %d (%v)", size, report.Asked, want, err)
		}
		s.Close()
	}
}

func TestOptions(t *testing.T) {
	if err := CheckOptions(WithFanout(0), WithQuorum(0), WithMaxHops(0), WithOriginRate(0, 0), WithSenderRate(0, 0), WithProtocolPrefix("/a/b"), WithMaxAge(time.Second)); err != nil {
		t.Error(err)
	}
	for want, opt := range map[string]Option{
		"fan-out=65 must be between 0 and 64":                                                WithFanout(65),
		"quorum=-1 must be between 0 and 64":                                                 WithQuorum(-1),
		"max payload=0 must be between 1 and 1048576":                                        WithMaxPayload(0),
		"max age=999ms must be between 1s and 24h":                                           WithMaxAge(999 * time.Millisecond),
		"max hops=33 must be between 0 and 32":                                               WithMaxHops(33),
		"memory=0 must be between 1 and 4194304":                                             WithMemory(0),
		"origin burst=0 must be between 1 and 1000000":                                       WithOriginRate(1, 0),
		"sender rate=0 a second must be above 0":                                             WithSenderRate(0, 1),
		"buffer=0 must be between 1 and 65536":                                               WithBuffer(0),
		"workers=1025 must be between 1 and 1024":                                            WithWorkers(1025),
		"limit of prefix rate=0 must be between 1 and 1000000":                               WithLimits(Limits{PrefixRate: .5}),
		"limit of relay bytes=65535 must be between 65536 and 1073741824, 0 for the default": WithLimits(Limits{RelayBytes: 65535}),
		`protocol prefix="a" must start with a slash`:                                        WithProtocolPrefix("a"),
		`protocol prefix="/a/" must start with a slash`:                                      WithProtocolPrefix("/a/"),
	} {
		if err := CheckOptions(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if c, err := newConfig(nil); err != nil || c.sender != (gossip.Rate{PerSecond: 200, Burst: 2000}) { // as the specification has it
		t.Errorf("%+v, %v", c.sender, err)
	}
	// What waits for a subscriber, at the limit and one over it.
	if err := CheckOptions(WithBuffer(1024), WithMaxPayload(1<<20)); err != nil {
		t.Error(err)
	}
	if err := CheckOptions(WithBuffer(1025), WithMaxPayload(1<<20)); err == nil || !strings.Contains(err.Error(), "buffer=1025 messages of max payload=1048576 make 1074790400 bytes") {
		t.Error(err)
	}
	if _, err := New(nil, nil); err == nil {
		t.Error("a service without a host")
	}
	if _, err := newService("x", nil, peersOf(1)); err == nil || !strings.Contains(err.Error(), "no private key") {
		t.Errorf("a service that cannot sign: %v", err)
	}
}
