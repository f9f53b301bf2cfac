package consensus

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

func newStore() datastore.Datastore { return dssync.MutexWrap(datastore.NewMapDatastore()) }

// TestRestart: a peer that restarts in the middle of an epoch goes on from its state, counters included, answers as
// before and closes with the others. Negative control: without its state it is a newcomer, who says nothing.
func TestRestart(t *testing.T) {
	ds := newStore()
	c := newCrowd(t, 8, WithParams(small()))
	again := func(opts ...Option) *Service {
		c.all[0].Close()
		c.all[0] = c.net.join(t, 0, c.sampler(0), append([]Option{withManualRounds(), WithParams(small())}, opts...)...)
		return c.all[0]
	}
	again(WithDatastore(ds))
	c.round()
	c.propose(0, "mine")
	c.propose(1, "another's")
	c.rounds(5) // one poll that counts is open, one was counted
	s := c.all[0]
	if s.Close() != nil {
		t.Fatal("Close fails")
	}
	before, was := s.loop.machine.Status(), s.board().epoch(7)
	if before[0].Polls == 0 || before[0].Items != 2 {
		t.Fatalf("%+v: the run shows too little", before)
	}

	bare := again()
	bare.step(machine.Clock{Epoch: 7, Age: c.age})
	if e := bare.board().epoch(7); e.speaks || !bare.Status().Epochs[0].Late || bare.Status().State.Store != "" {
		t.Errorf("without its state: %+v", bare.Status())
	}

	back := again(WithDatastore(ds))
	if st := back.Status(); st.Epoch != 7 || !slices.Equal(st.Epochs, before) || !st.State.Restored || st.State.Store == "" {
		t.Errorf("restored %+v, was %+v", st, before)
	}
	is := back.board().epoch(7)
	if !is.speaks || !slices.Equal(is.answer.In, was.answer.In) || len(is.items) != 2 {
		t.Errorf("restored %+v, was %+v", is.answer, was.answer)
	}
	c.until("all have closed", 20, func() bool { return c.closed(7) })
	if set := c.sameSet(7); len(set) != 2 {
		t.Errorf("%q", payloads(set))
	}
	again(WithDatastore(ds))
	if set, ok := c.all[0].Decided(7); !ok || len(set) != 2 { // the set is known at once
		t.Errorf("restored: %q, %v", payloads(set), ok)
	}
}

// TestBadStates: a state that cannot be used is an error that names it, and stays as it is.
func TestBadStates(t *testing.T) {
	ds := newStore()
	key, id := testKey(t, 0)
	opts := func(more ...Option) []Option {
		return append([]Option{withManualRounds(), WithParams(small()), WithDatastore(ds)}, more...)
	}
	s := newMemNet().join(t, 0, sampleOf(1), opts()...)
	s.step(machine.Clock{Epoch: 7})
	if _, err := s.Propose(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	at := StateKey("")
	good, err := ds.Get(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	check := func(about, want string, who int, more ...Option) {
		t.Helper()
		before, _ := ds.Get(t.Context(), at)
		key, id := testKey(t, who)
		s, err := newService(id, key, sampleOf(1), opts(more...)...)
		if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at.String()) || s != nil {
			t.Errorf("%s: %v, want %q", about, err, want)
		}
		if after, _ := ds.Get(t.Context(), at); !bytes.Equal(before, after) {
			t.Errorf("%s: the state was changed", about)
		}
	}
	check("of another peer", "of another peer or network", 1)
	check("of other epochs", "its epochs are of 5m0s from 1970-01-01", 0, WithEpochs(time.Hour, time.Unix(0, 0)))
	check("of an other start", "and these are of 5m0s from 1970-01-01 00:00:01", 0, WithEpochs(DefaultEpoch, time.Unix(1, 0)))
	put := func(b []byte) {
		if err := ds.Put(t.Context(), at, b); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		put(bad)
		check("damaged", "it is", 0)
	}
	for _, n := range []int{0, 1, len(stateMagic), len(good) - 1} {
		put(good[:n])
		check("cut", "it is", 0)
	}
	put(make([]byte, maxState+1))
	check("large", "more than", 0)
	cfg, err := newConfig(opts())
	if err != nil {
		t.Fatal(err)
	}
	put(cfg.encodeState(id, []byte("no machine's")))
	check("of no machine", "not a state of this version", 0)
	put(cfg.encodeState(id, nil))
	check("of no machine", "not a state of this version", 0)
	// The control: the good one is taken.
	put(good)
	if s, err := newService(id, key, sampleOf(1), opts()...); err != nil || !s.Status().State.Restored {
		t.Errorf("the good state: %v", err)
	}
	// By another prefix there is none.
	if s, err := newService(id, key, sampleOf(1), opts(WithProtocolPrefix("/other"))...); err != nil || s.Status().State.Restored {
		t.Errorf("another network: %v", err)
	}
	if _, err := newService(id, key, sampleOf(1), opts(WithDatastore(ds))...); err == nil || !strings.Contains(err.Error(), "only one of") {
		t.Errorf("two stores: %v", err)
	}
}

// TestStateAheadOfTheClock: a state of epochs to come would stop the machine until they come, so it is an error.
func TestStateAheadOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ds := newStore()
		key, id := testKey(t, 0)
		saved := func(ahead uint64) error {
			cfg, err := newConfig(nil)
			if err != nil {
				t.Fatal(err)
			}
			s := idle(t, sampleOf(1), withManualRounds())
			now, _ := cfg.clock(time.Now())
			s.loop.machine.Tick(machine.Clock{Epoch: now.Epoch + ahead})
			if err := ds.Put(t.Context(), StateKey(""), cfg.encodeState(id, s.loop.machine.Export())); err != nil {
				t.Fatal(err)
			}
			_, err = newService(id, key, sampleOf(1), WithDatastore(ds))
			return err
		}
		if err := saved(1); err != nil {
			t.Errorf("one epoch ahead: %v", err)
		}
		if err := saved(2); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "the clock was set back") {
			t.Errorf("two epochs ahead: %v", err)
		}
	})
}

// failing is a store that fails while its error is set.
type failing struct {
	mu    sync.Mutex
	err   error
	b     []byte
	saves int
}

func (f *failing) Load(int64) ([]byte, error) { return f.b, f.err }
func (f *failing) File() string               { return "f" }
func (f *failing) Save(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saves++
	if f.err == nil {
		f.b = b
	}
	return f.err
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// TestFailingStore: a store that fails is told of in Status and by Close, holds nobody up, and is tried again.
func TestFailingStore(t *testing.T) {
	broken := errors.New("disk full")
	f := &failing{}
	s := newMemNet().join(t, 0, sampleOf(1), withManualRounds(), WithStore(f))
	f.set(broken)
	at := machine.Clock{Epoch: 7}
	s.step(at)
	eventually(t, "the failure shows", func() bool {
		st := s.Status().State
		return st.Failures == 1 && strings.Contains(st.Error, "state file f: write: disk full")
	})
	f.set(nil)
	s.step(at)
	eventually(t, "it is tried again", func() bool { st := s.Status().State; return st.Writes == 2 && st.Error == "" && !st.Written.IsZero() })
	s.step(at)
	s.step(at)
	if err := s.Close(); err != nil || s.Status().State.Writes != 3 { // what has not changed is not written, but in Close
		t.Errorf("%v, %+v", err, s.Status().State)
	}
	s = newMemNet().join(t, 0, sampleOf(1), withManualRounds(), WithStore(f))
	f.set(broken)
	if err := s.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
	key, id := testKey(t, 0)
	if _, err := newService(id, key, sampleOf(1), WithStore(f)); !errors.Is(err, broken) || !errors.Is(err, ErrState) {
		t.Errorf("a store that cannot be read: %v", err)
	}
	var gone datastore.Datastore = brokenStore{newStore()}
	if _, err := newService(id, key, sampleOf(1), WithDatastore(gone)); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a datastore that cannot be read: %v", err)
	}
}

// TestQuietRoundsWriteNothing: rounds in which nothing happens but that time goes by write nothing; what is stored goes on all
// the same. Control: an epoch that begins is written.
func TestQuietRoundsWriteNothing(t *testing.T) {
	f := &failing{}
	s := newMemNet().join(t, 0, sampleOf(1), withManualRounds(), WithStore(f))
	s.step(machine.Clock{Epoch: 7, Age: 8})
	eventually(t, "the epoch is written", func() bool { return s.Status().State.Writes == 1 })
	for age := range uint64(50) {
		s.step(machine.Clock{Epoch: 7, Age: 9 + age})
	}
	if st := s.Status().State; st.Writes != 1 {
		t.Errorf("%d writes in 50 quiet rounds", st.Writes-1)
	}
	s.step(machine.Clock{Epoch: 8})
	eventually(t, "the next epoch is written", func() bool { return s.Status().State.Writes == 2 })
	s.Close()
	if st := s.Status().State; st.Writes != 3 {
		t.Errorf("%d writes, want a last one in Close", st.Writes)
	}
}

type brokenStore struct{ datastore.Datastore }

func (brokenStore) GetSize(context.Context, datastore.Key) (int, error) { return 0, errors.New("gone") }
