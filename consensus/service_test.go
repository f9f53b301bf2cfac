package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

// TestAgreement: sixteen peers agree on four items, with the default parameters, and say so everywhere.
func TestAgreement(t *testing.T) {
	c := newCrowd(t, 16)
	c.round()
	var want []string
	for i := range 4 {
		word := fmt.Sprint("word ", i)
		if it := c.propose(i, word); it.Epoch != 7 || it.Origin != c.ids[i] || string(it.Payload) != word {
			t.Fatalf("%+v", it)
		}
		want = append(want, word)
	}
	if _, ok := c.all[0].Decided(7); ok || len(c.all[0].Outcomes(7)) != 0 {
		t.Fatal("decided before the window is over")
	}
	c.until("all have closed", 8+20+4, func() bool { return c.closed(7) })
	got := payloads(c.sameSet(7))
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the set is %q", got)
	}
	for i, s := range c.all {
		set, err := s.Wait(t.Context(), 7)
		if err != nil || len(set) != 4 {
			t.Errorf("peer %d: %v, %v", i, set, err)
		}
		out := s.Outcomes(7)
		for _, it := range set {
			if !out[it.ID()] {
				t.Errorf("peer %d: %q is in the set, and not decided", i, it.Payload)
			}
		}
		if len(out) != 4 || len(s.Outcomes(8)) != 0 {
			t.Errorf("peer %d: %v", i, out)
		}
		st := s.Status()
		e := st.Epochs[len(st.Epochs)-1]
		if s.Epoch() != 7 || st.Epoch != 7 || e.Phase != machine.Closed || e.Items != 4 || e.Polls < 20 || st.Trouble != NoTrouble || len(st.Refused) != 0 {
			t.Errorf("peer %d: %+v", i, st)
		}
		if len(st.Polls) != 0 || st.PickedFresh != 0 || st.Answered == 0 || st.Picked < st.Answered || st.Waiting != 0 {
			t.Errorf("peer %d: %+v", i, st)
		}
	}
}

// TestStatusIsTheCallers: who changes what Status returned changes nothing else.
func TestStatusIsTheCallers(t *testing.T) {
	c := newCrowd(t, 5, WithParams(small()))
	c.round()
	s := c.all[0]
	st := s.Status()
	st.Epochs[0].Phase, st.Polls[0].Peers = machine.Closed, 99
	if again := s.Status(); again.Epochs[0].Phase != machine.Open || again.Polls[0].Peers != 4 {
		t.Errorf("%+v", again)
	}
}

// TestCostOfAnEpoch: a node asks k peers a round while the epoch is open, and nobody afterwards.
func TestCostOfAnEpoch(t *testing.T) {
	c := newCrowd(t, 24)
	c.round()
	c.propose(0, "x")
	c.until("all have closed", 32, func() bool { return c.closed(7) })
	rounds, polls := int(c.age), c.net.polls
	if polls > 24*20*rounds {
		t.Errorf("%d polls in %d rounds of 24 peers", polls, rounds)
	}
	if c.rounds(5); c.net.polls != polls {
		t.Errorf("%d polls after all had closed", c.net.polls-polls)
	}
}

// TestLatecomer: who comes after the window is silent, learns the set from the others and then answers.
func TestLatecomer(t *testing.T) {
	c := newCrowd(t, 8, WithParams(small()))
	c.ids = append(c.ids, testID(t, 8))
	c.round()
	c.propose(0, "x")
	c.until("all have closed", 20, func() bool { return c.closed(7) })
	late := c.net.join(t, 8, c.sampler(8), withManualRounds(), WithParams(small()))
	c.all = append(c.all, late)
	c.round()
	if st := late.Status().Epochs[0]; !st.Late || late.board().epoch(7).speaks {
		t.Fatalf("%+v: a newcomer speaks", st)
	}
	c.until("the latecomer has closed", 10, func() bool { return c.closed(7) })
	if set := c.sameSet(7); len(set) != 1 || !late.board().epoch(7).speaks {
		t.Errorf("%q", payloads(set))
	}
}

// TestLatecomerIsNotToldByOne is the control of a quorum: who is told a set by one peer, and nothing by the others,
// learns nothing.
func TestLatecomerIsNotToldByOne(t *testing.T) {
	for _, liars := range []int{1, 2, 3} {
		net := newMemNet()
		var ids []peer.ID
		it := signed(t, 9, 7, "a lie")
		for i := range 4 {
			id := testID(t, i+1)
			ids = append(ids, id)
			net.lies[id] = func(_ peer.ID, e Exchange, request []byte) ([]byte, error) {
				if i >= liars {
					return nil, errUnreached
				}
				return tell(t, e, request, it)
			}
		}
		late := net.join(t, 0, sampleOf(1, ids...), withManualRounds(), WithParams(small()))
		for age := range uint64(10) {
			late.step(machine.Clock{Epoch: 7, Age: 4 + age})
		}
		set, ok := late.Decided(7)
		if ok != (liars == 3) || ok && (len(set) != 1 || set[0].ID() != it.ID()) {
			t.Errorf("%d of 4 tell: %q, %v", liars, payloads(set), ok)
		}
	}
}

// TestNewcomersWaitForASample: who comes after the window and knows only whom it met first, all of them liars, decides nothing
// before its sample is mature or it knows K peers. Controls: it does then, and so does who was there in the window.
func TestNewcomersWaitForASample(t *testing.T) {
	for _, c := range []struct {
		about   string
		peers   int
		young   bool
		age     uint64
		decides bool
	}{
		{"young, few", 4, true, 4, false}, {"mature, few", 4, false, 4, true}, {"young, K", 5, true, 4, true}, {"young, few, in the window", 4, true, 0, true},
	} {
		p := small()
		p.K, p.Alpha = 5, 4
		net := newMemNet()
		var ids []peer.ID
		it := signed(t, 9, 7, "a lie")
		for i := range c.peers {
			id := testID(t, i+1)
			ids = append(ids, id)
			net.lies[id] = func(_ peer.ID, e Exchange, request []byte) ([]byte, error) { return tell(t, e, request, it) }
		}
		sample := sampleOf(1, ids...)
		sample.young = c.young
		s := net.join(t, 0, sample, withManualRounds(), WithParams(p))
		for age := range uint64(12) {
			s.step(machine.Clock{Epoch: 7, Age: c.age + age})
		}
		st := s.Status()
		if _, ok := s.Decided(7); ok != c.decides || !ok && (st.Trouble != TooFew || st.Epochs[0].Phase != machine.TooFew || st.Picked != 0) {
			t.Errorf("%s: decided %v, %+v", c.about, ok, st)
		}
	}
}

// tell answers that the epoch is closed with one item in the set, and serves it.
func tell(t testing.TB, e Exchange, request []byte, it Item) ([]byte, error) {
	if e == ExchangeFetch {
		return wire.FetchResponse{Status: wire.StatusOK, Items: []machine.Item{it}}.Marshal()
	}
	req, err := wire.DecodePollRequest(request)
	if err != nil {
		t.Error(err)
	}
	return wire.PollResponse{Status: wire.StatusOK, Nonce: req.Nonce,
		Answer: machine.Answer{Epoch: req.Epoch, Closed: true, In: []machine.Vote{{ID: it.ID(), Decided: true}}}}.Marshal()
}

// TestTooFew: with three others nothing is decided, and the status says why. One more, and it is.
func TestTooFew(t *testing.T) {
	c := newCrowd(t, 4, WithParams(small()))
	c.round()
	c.propose(0, "x")
	c.rounds(20)
	for i, s := range c.all {
		st := s.Status()
		if _, ok := s.Decided(7); ok || st.Trouble != TooFew || st.Epochs[0].Phase != machine.TooFew || st.Polls[0].Peers != 0 || st.Picked != 0 {
			t.Errorf("peer %d: %+v", i, st)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := errors.New("the caller has gone")
	cancel()
	if _, err := c.all[0].Wait(ctx, 7); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "epoch 7 is too_few") {
		t.Error(err)
	}
	cause, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(gone)
	if _, err := c.all[0].Wait(cause, 9); !errors.Is(err, gone) || !strings.Contains(err.Error(), "epoch 9 is not begun") {
		t.Error(err)
	}

	alone := newMemNet().join(t, 20, sampleOf(1), withManualRounds())
	alone.step(machine.Clock{Epoch: 1})
	if st := alone.Status(); st.Trouble != Alone || st.Epochs[0].Phase != machine.TooFew {
		t.Errorf("%+v", st)
	}
	young := sampleOf(1, c.ids...)
	young.young = true
	y := c.net.join(t, 21, young, withManualRounds(), WithParams(small()))
	y.step(machine.Clock{Epoch: 7})
	if st := y.Status(); st.Trouble != Young || st.Polls[0].Peers != 4 {
		t.Errorf("%+v", st)
	}
}

// TestPropose: items are taken early in the window; what comes later waits for the next epoch, as long as its ctx lets
// it.
func TestPropose(t *testing.T) {
	c := newCrowd(t, 5, WithParams(small()))
	s := c.all[0]
	type proposed struct {
		it  Item
		err error
	}
	async := func(ctx context.Context, word string) chan proposed {
		out := make(chan proposed, 1)
		go func() {
			it, err := s.Propose(ctx, []byte(word))
			out <- proposed{it, err}
		}()
		return out
	}
	early := async(t.Context(), "before the first round")
	eventually(t, "it waits", func() bool { s.step(machine.Clock{Epoch: 6, Age: 9}); return s.Status().Waiting == 1 })
	c.round() // epoch 7, age 0
	if p := <-early; p.err != nil || p.it.Epoch != 7 {
		t.Fatalf("%+v", p)
	}
	for i := range machine.MaxItemsPerOrigin - 1 {
		c.propose(0, fmt.Sprint(i))
	}
	if again := c.propose(0, "1"); again.Epoch != 7 {
		t.Errorf("the same again: %+v", again)
	}
	if _, err := s.Propose(t.Context(), []byte("one too many")); !errors.Is(err, machine.ErrOriginFull) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := s.Propose(t.Context(), make([]byte, machine.MaxPayload+1)); !errors.Is(err, machine.ErrItem) {
		t.Errorf("long: %v", err)
	}
	c.round() // age 1: the first quarter of four rounds is over
	ctx, cancel := context.WithCancel(t.Context())
	withdrawn, next := async(ctx, "withdrawn"), async(t.Context(), "next")
	eventually(t, "both wait", func() bool { s.step(machine.Clock{Epoch: 7, Age: 1}); return s.Status().Waiting == 2 })
	cancel()
	if p := <-withdrawn; !errors.Is(p.err, context.Canceled) {
		t.Errorf("%+v", p)
	}
	c.epoch, c.age = 8, 0
	c.round()
	if p := <-next; p.err != nil || p.it.Epoch != 8 {
		t.Errorf("%+v", p)
	}
	c.round()
	if st := s.Status(); st.Epochs[len(st.Epochs)-1].Items != 1 || st.Waiting != 0 {
		t.Errorf("%+v: what was withdrawn is proposed", st)
	}
	waits := async(context.Background(), "closed")
	eventually(t, "it waits", func() bool { s.step(machine.Clock{Epoch: 8, Age: 1}); return s.Status().Waiting == 1 })
	s.Close()
	if p := <-waits; !errors.Is(p.err, ErrClosed) {
		t.Errorf("%+v", p)
	}
	if _, err := s.Propose(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Wait(t.Context(), 99); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestMayPropose: items of others than those who may are not taken, and such a host says so itself. Negative control:
// without the rule the same item is in the set.
func TestMayPropose(t *testing.T) {
	for _, ruled := range []bool{true, false} {
		member := testID(t, 0)
		opts := []Option{WithParams(small())}
		if ruled {
			opts = append(opts, WithMayPropose(func(id peer.ID) bool { return id == member }))
		}
		c := newCrowd(t, 8, opts...)
		if ruled { // a peer that does not care
			c.all[7].Close()
			c.all[7] = c.net.join(t, 7, c.sampler(7), withManualRounds(), WithParams(small()))
		}
		c.round()
		c.propose(0, "of a member")
		c.propose(7, "of another")
		if ruled {
			if _, err := c.all[1].Propose(t.Context(), nil); !errors.Is(err, ErrMayNotPropose) {
				t.Error(err)
			}
		}
		c.until("all have closed", 30, func() bool { return c.closed(7) })
		if n := len(c.sameSet(7)); n != 1 && ruled || n != 2 && !ruled {
			t.Errorf("ruled %v: %d items", ruled, n)
		}
		refused := uint64(0)
		for _, s := range c.all {
			refused += s.Status().Refused[ReasonMayNotPropose]
		}
		if (refused > 0) != ruled {
			t.Errorf("ruled %v: %d refused", ruled, refused)
		}
	}
}

// TestEpochsPass: sets stay for two more epochs, and then are not known any more.
func TestEpochsPass(t *testing.T) {
	c := newCrowd(t, 5, WithParams(small()))
	s := c.all[0]
	waits := make(chan error, 1)
	go func() { _, err := s.Wait(context.Background(), 8); waits <- err }()
	c.round()
	c.propose(0, "x")
	c.until("all have closed", 20, func() bool { return c.closed(7) })
	for c.epoch = 8; c.epoch < 10; c.epoch++ {
		c.age = 0
		if c.round(); len(payloads(c.sameSet(7))) != 1 {
			t.Errorf("lost in epoch %d", c.epoch)
		}
	}
	c.age = 0 // epoch 10
	c.round()
	if set, ok := s.Decided(7); ok {
		t.Errorf("%q is still there in epoch 10", payloads(set))
	}
	if _, err := s.Wait(t.Context(), 7); !errors.Is(err, ErrNotKept) {
		t.Error(err)
	}
	c.epoch, c.age = 12, 0
	c.round()
	if err := <-waits; err != nil && !errors.Is(err, ErrNotKept) {
		t.Error(err)
	}
	if _, err := s.Wait(t.Context(), 11); !errors.Is(err, ErrNotKept) {
		t.Errorf("an epoch that was slept through: %v", err)
	}
	if got := s.Status().Epoch; got != 12 {
		t.Errorf("epoch %d", got)
	}
	s.step(machine.Clock{Epoch: 11, Age: 3})
	if st := s.Status(); st.Trouble != ClockBack || st.Epoch != 12 {
		t.Errorf("a clock that goes back: %+v", st)
	}
}

// TestWallClock: epochs and rounds follow the clock, which a bubble moves. Nothing happens before the start.
func TestWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newMemNet()
		start := time.Now().Add(10 * time.Second)
		var ids []peer.ID
		for i := range 6 {
			ids = append(ids, testID(t, i))
		}
		var all []*Service
		for i := range 6 {
			others := append(append([]peer.ID(nil), ids[:i]...), ids[i+1:]...)
			all = append(all, net.join(t, i, sampleOf(uint64(i), others...), WithParams(small()), WithRoundInterval(time.Second), WithEpochs(time.Minute, start)))
		}
		time.AfterFunc(5*time.Second, func() {
			if st := all[0].Status(); st.Trouble != NotBegun || len(st.Epochs) != 0 {
				t.Errorf("before the start: %+v", st)
			}
		})
		it, err := all[0].Propose(t.Context(), []byte("x"))
		if err != nil || it.Epoch != 0 {
			t.Fatalf("%+v, %v", it, err)
		}
		if since := time.Since(start); since < 0 || since > 2*time.Second {
			t.Errorf("proposed %v after the start", since)
		}
		for i, s := range all {
			set, err := s.Wait(t.Context(), 0)
			if err != nil || len(set) != 1 || set[0].ID() != it.ID() {
				t.Errorf("peer %d: %q, %v", i, payloads(set), err)
			}
		}
		if took := time.Since(start); took < 7*time.Second || took > 20*time.Second {
			t.Errorf("decided %v after the start", took)
		}
		next, err := all[1].Propose(t.Context(), []byte("y"))
		if since := time.Since(start); err != nil || next.Epoch != 1 || since < time.Minute || since > 62*time.Second {
			t.Errorf("%+v, %v, %v after the start", next, err, since)
		}
		for _, s := range all {
			s.Close()
		}
	})
}

// TestSilentPeers hold workers no longer than a round: it ends, and who answered counts. What comes later is not taken.
func TestSilentPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := small()
		p.K, p.Alpha = 8, 6
		c := newCrowd(t, 9, WithParams(p), WithWorkers(3))
		for _, gone := range c.ids[7:] {
			c.net.remove(gone) // 2 of 8 picks: as many as the quorum bears
		}
		c.all = c.all[:7]
		began := time.Now()
		c.round()
		if took := time.Since(began); took > 7*DefaultRoundInterval {
			t.Errorf("a round of each of 7 took %v", took)
		}
		c.propose(0, "x")
		c.until("all have closed", 60, func() bool { return c.closed(7) })
		c.sameSet(7)
		for _, s := range c.all {
			if st := s.Status(); st.Answered >= st.Picked || len(st.Refused) != 0 {
				t.Errorf("%+v", st)
			}
			s.Close()
		}
	})
}

// TestLateAnswers: an answer that comes after its round is dropped, whatever it says.
func TestLateAnswers(t *testing.T) {
	c := newCrowd(t, 5, WithParams(small()))
	s := c.all[0]
	c.round()
	c.propose(1, "x")
	c.round()
	late := result{
		job: job{round: s.board().status.Round - 1, exchange: ExchangePoll, to: peer.AddrInfo{ID: c.ids[1]}, epoch: 7}, outcome: Answered,
		answer: machine.Answer{Epoch: 7},
	}
	before := s.Status().Answered
	s.results <- late
	c.round()
	if got := s.Status(); got.Answered-before > 8 || len(got.Refused) != 0 {
		t.Errorf("%+v", got)
	}
	// One that bears the number of this round and another poll's nonce is refused by the machine.
	late.round = s.board().status.Round
	s.results <- late
	eventually(t, "it is refused", func() bool { return s.Status().Refused[ReasonTooLate] == 1 })
}

func TestNewErrors(t *testing.T) {
	key, id := testKey(t, 1)
	for want, f := range map[string]func() error{
		"no private key": func() error { _, err := newService(id, nil, sampleOf(1)); return err },
		"does not verify its sample": func() error {
			s := sampleOf(1)
			s.unverified = true
			_, err := newService(id, key, s)
			return err
		},
		"is not part of its id": func() error {
			rsa, _, err := crypto.GenerateKeyPair(crypto.RSA, 2048)
			if err != nil {
				t.Fatal(err)
			}
			id, err := peer.IDFromPrivateKey(rsa)
			if err != nil {
				t.Fatal(err)
			}
			_, err = newService(id, rsa, sampleOf(1))
			return err
		},
		"must not be nil": func() error { _, err := New(nil, nil); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	p := machine.Default()
	p.Alpha = 10
	if err := CheckOptions(WithRoundInterval(time.Second), WithEpochs(9*time.Second, time.Unix(0, 0)), WithProtocolPrefix("/a/b"),
		WithLimits(Limits{PeerRate: Unlimited, PrefixRate: 1000}), WithTracer(nil), WithWorkers(1)); err != nil {
		t.Error(err)
	}
	for want, opt := range map[string]Option{
		"epochs=0s must be above 0":                                 WithEpochs(0, time.Now()),
		"epochs=8785h0m0s must be above 0 and at most 8784h0m0s":    WithEpochs(8785*time.Hour, time.Now()),
		"start of epochs=1969-12-31 23:59:59 +0000 UTC must not be": WithEpochs(time.Hour, time.Unix(-1, 0).UTC()),
		"epochs=17.999s must be at least 18s: a window of 8 rounds": WithEpochs(17999*time.Millisecond, time.Now()),
		"round interval=9ms must be between 10ms and 1h0m0s":        WithRoundInterval(9 * time.Millisecond),
		"Alpha is 10, must be 11 to 20":                             WithParams(p),
		`protocol prefix="a" must start with a slash`:               WithProtocolPrefix("a"),
		"workers=0 must be between 1 and 1024":                      WithWorkers(0),
		"may-propose must not be nil":                               WithMayPropose(nil),
		"peer rate=0.5 must be between 1 and 1000":                  WithLimits(Limits{PeerRate: .5}),
		"prefix rate=1001 must be between 1 and 1000":               WithLimits(Limits{PrefixRate: 1001}),
		"datastore must not be nil":                                 WithDatastore(nil),
		"store must not be nil":                                     WithStore(nil),
	} {
		if err := CheckOptions(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestShortEpochsStall: an epoch that is kept for fewer rounds than Stall polls take says that it is stalled before it is
// dropped. Control: while polls are answered it never does.
func TestShortEpochsStall(t *testing.T) {
	for _, silent := range []bool{true, false} {
		c := newCrowd(t, 5, WithRoundInterval(time.Second), WithEpochs(60*time.Second, time.Unix(0, 0)))
		if silent { // two of four picks
			for _, id := range c.ids[3:] {
				c.net.lies[id] = func(peer.ID, Exchange, []byte) ([]byte, error) { return nil, errUnreached }
			}
			c.all = c.all[:3]
		}
		s, stalled := c.all[0], 0
		for ; c.epoch < 10; c.epoch, c.age = c.epoch+1, 0 {
			for range 60 {
				if c.round(); s.board().epochs[0].number == 7 && s.board().epochs[0].phase == machine.Stalled {
					stalled++
				}
			}
		}
		if (stalled > 0) != silent || stalled > 60 {
			t.Errorf("silent %v: stalled for %d of 180 rounds", silent, stalled)
		}
	}
	for length, want := range map[time.Duration]int{
		time.Minute: 2*60 - 8, 3 * time.Minute: machine.Default().Stall, 9 * time.Second: 10, MaxEpoch: machine.Default().Stall,
	} {
		cfg, err := newConfig([]Option{WithRoundInterval(time.Second), WithEpochs(length, time.Unix(0, 0))})
		if err != nil || cfg.params.Stall != want {
			t.Errorf("epochs of %v: stalled after %d polls, %v; want %d", length, cfg.params.Stall, err, want)
		}
	}
}

// TestLiars: three of 24 peers tell one half that the epoch is closed with every item in the set, one of their own among
// them, and the other half that it is closed and empty. The others decide the same, and what they proposed is in it.
func TestLiars(t *testing.T) {
	c := newCrowd(t, 24)
	forgery := signed(t, 23, 7, "of a liar")
	var items []Item
	for _, id := range c.ids[21:] {
		c.net.lies[id] = func(from peer.ID, e Exchange, request []byte) ([]byte, error) {
			if e == ExchangeFetch {
				req, err := wire.DecodeFetchRequest(request)
				if err != nil {
					return nil, err
				}
				res := wire.FetchResponse{Status: wire.StatusOK}
				for _, it := range items {
					if slices.Contains(req.IDs, it.ID()) {
						res.Items = append(res.Items, it)
					}
				}
				return res.Marshal()
			}
			req, err := wire.DecodePollRequest(request)
			if err != nil {
				return nil, err
			}
			a := machine.Answer{Epoch: req.Epoch, Closed: true}
			if from[len(from)-1]%2 == 0 {
				for _, id := range idsOf(items) {
					a.In = append(a.In, machine.Vote{ID: id, Decided: true})
				}
				slices.SortFunc(a.In, func(x, y machine.Vote) int { return bytes.Compare(x.ID[:], y.ID[:]) })
			}
			return wire.PollResponse{Status: wire.StatusOK, Nonce: req.Nonce, Answer: a}.Marshal()
		}
	}
	c.all = c.all[:21]
	c.round()
	items = []Item{c.propose(0, "apple"), c.propose(1, "pear"), forgery}
	c.until("all have closed", 200, func() bool { return c.closed(7) })
	got := payloads(c.sameSet(7))
	if !slices.Contains(got, "apple") || !slices.Contains(got, "pear") {
		t.Errorf("the set is %q", got)
	}
}
