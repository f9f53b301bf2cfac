package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/statefile"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/state"
)

func openDir(t testing.TB) *StateDir {
	t.Helper()
	d, err := OpenStateDir(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func readState(t testing.TB, d *StateDir) []byte {
	t.Helper()
	b, err := os.ReadFile(d.File())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// livedService is one that lived in a bubble for 50 rounds among 30 peers that answer, and is closed.
func livedService(t *testing.T, self peer.ID, opts ...Option) (s *Service) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer { return yes(k, peerNos(0, 30)...) })
		s = fakeServiceOf(t, self, net, steady(append(opts, WithBootstrap(infos(peerNos(0, 5)...)...))...)...)
		s.start()
		settle(50*second + second/2)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if len(s.Sample()) < 10 {
		t.Fatalf("a sample of %d after 50 rounds", len(s.Sample()))
	}
	return s
}

func slotIDs(s *Snapshot) (ids []peer.ID) {
	for _, x := range s.Slots {
		ids = append(ids, x.ID)
	}
	return ids
}

// TestStateOutlivesTheService: the sample is there again. It counts once its peers have answered, and not before.
func TestStateOutlivesTheService(t *testing.T) {
	const self peer.ID = "self-with-the-length-of-an-id"
	ds := dssync.MutexWrap(datastore.NewMapDatastore())
	d := openDir(t)
	for name, store := range map[string]Option{"dir": WithStateDir(d), "datastore": WithDatastore(ds)} {
		t.Run(name, func(t *testing.T) {
			old := livedService(t, self, store)
			if st := old.Status().State; st.Restored != 0 || st.Writes < 2 || st.Failures != 0 || st.Written.IsZero() || st.Store == "" {
				t.Errorf("status %+v", st)
			}
			synctest.Test(t, func(t *testing.T) {
				answering := make(chan struct{})
				net := newFakeNet(func(ctx context.Context, k kind, _ peer.ID) answer {
					select {
					case <-answering:
						return yes(k)
					default:
						return silence(ctx, second/4)
					}
				})
				s := fakeServiceOf(t, self, net, steady(store)...) // without a bootstrap peer
				if st := s.Status(); st.State.Restored != len(old.Sample()) || st.Node.Waiting != st.State.Restored || !st.Health.Has(ConditionRestored) {
					t.Fatalf("restored %+v, status %+v", st.State, st.Node)
				}
				s.start()
				settle(5*second + second/2)
				if got := s.Sample(); len(got) != 0 || len(s.Random(5)) != 0 {
					t.Fatalf("served before anybody answered: %v", got)
				}
				if h := s.Snapshot().Health; !h.Has(ConditionRestored) {
					t.Errorf("health %v", h)
				}
				close(answering)
				settle(5 * second)
				snap := s.Snapshot()
				if !slices.Equal(slotIDs(snap), slotIDs(old.Snapshot())) {
					t.Errorf("slots %v, want %v", slotIDs(snap), slotIDs(old.Snapshot()))
				}
				if len(s.Sample()) != len(old.Sample()) || snap.Health.Has(ConditionRestored) || snap.Node.Young {
					t.Errorf("%d peers count of %d, health %v", len(s.Sample()), len(old.Sample()), snap.Health)
				}
			})
		})
	}
	if b, err := ds.Get(t.Context(), StateKey("")); err != nil || len(b) == 0 {
		t.Errorf("under %s there are %d bytes, %v", StateKey(""), len(b), err)
	}
}

// TestRestoredRecords: addresses come back as a hint of provenance "restored", and only of the class that is allowed now.
func TestRestoredRecords(t *testing.T) {
	d := openDir(t)
	a, b := newRecordSigner(t), newRecordSigner(t)
	s := mustRestore(t, "self", WithStateDir(d), WithAllowPrivate(true), WithBootstrap(infos(a.id, b.id)...))
	for _, x := range []struct {
		recordSigner
		addr  string
		scope class
	}{{a, "/ip4/1.2.3.4/tcp/4001", classPublic}, {b, "/ip4/127.0.0.1/tcp/4001", classLoopback}} {
		if _, _, err := s.book.put(x.seal(t, 1, x.addr), fromFirstHand, x.id, x.scope); err != nil {
			t.Fatal(err)
		}
	}
	s.loop.node.Tick()
	s.loop.node.HandleProbeResult(a.id, protocol.Alive)
	s.loop.node.HandleProbeResult(b.id, protocol.Alive)
	s.keeper.write(s.snapshotState(time.Now()))
	s.Close()

	s = mustRestore(t, "self", WithStateDir(d), WithAllowPrivate(true))
	for _, x := range []struct {
		id   peer.ID
		addr string
	}{{a.id, "/ip4/1.2.3.4/tcp/4001"}, {b.id, "/ip4/127.0.0.1/tcp/4001"}} {
		e, ok := s.book.get(x.id)
		if !ok || e.from != fromRestored || len(e.addrs) != 1 || e.addrs[0].String() != x.addr || !e.met.IsZero() {
			t.Errorf("restored %+v", e)
		}
	}
	if got := s.Snapshot().Node.Waiting; got != 2 {
		t.Errorf("%d wait, want 2", got)
	}
	s.Close()

	s = mustRestore(t, "self", WithStateDir(d)) // on the open internet
	if s.book.raw(a.id) == nil || s.book.raw(b.id) != nil {
		t.Error("without private addresses: the loopback one was restored, or the public one was not")
	}
	s.Close()
}

// TestForeignStates: a state that is another's is refused by an error that says whose, and stays as it is.
func TestForeignStates(t *testing.T) {
	const self peer.ID = "self-with-the-length-of-an-id"
	d := openDir(t)
	livedService(t, self, WithStateDir(d), WithProtocolPrefix("/app"))
	good := readState(t, d)
	for _, c := range []struct {
		name, want string
		self       peer.ID
		content    []byte
		opts       []Option
	}{
		{"another peer", "it is that of the peer", "another", good, []Option{WithProtocolPrefix("/app")}},
		{"another network", `it is of the network with prefix "/app", and this one has ""`, self, good, nil},
		{"another hash", `it was made with hash="aes", and hash="sip" is asked for`, self, good, []Option{WithProtocolPrefix("/app"), WithHash("sip")}},
		{"another program", state.ErrMagic.Error(), self, []byte("SQLite format 3\x00 and so on"), nil},
		{"nothing", "0 bytes", self, nil, nil},
		{"too much", "too large", self, make([]byte, state.MaxSize+1), nil},
	} {
		if err := os.WriteFile(d.File(), c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tryService(t, c.self, append(c.opts, WithStateDir(d))...)
		if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), d.File()) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", c.name, err)
		}
		if now := readState(t, d); !slices.Equal(now, c.content) {
			t.Errorf("%s: the file was changed", c.name)
		}
	}
	// Reset keeps it under another name, and what comes next starts anew.
	if err := os.WriteFile(d.File(), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Verify(self, "/app"); err != nil {
		t.Error(err)
	}
	if err := d.Verify(self, "/other"); !errors.Is(err, ErrState) {
		t.Error(err)
	}
	kept, err := d.Reset()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(kept); err != nil || !slices.Equal(b, good) {
		t.Errorf("kept as %q: %v", kept, err)
	}
	s := mustRestore(t, "another", WithStateDir(d))
	if s.Status().State.Restored != 0 {
		t.Error("something was restored after Reset")
	}
	s.Close()
}

// TestOneServicePerStateDir, and one process.
func TestOneServicePerStateDir(t *testing.T) {
	d := openDir(t)
	s := mustRestore(t, "self", WithStateDir(d))
	if _, err := tryService(t, "self", WithStateDir(d)); err == nil || !strings.Contains(err.Error(), "another service uses it") {
		t.Errorf("a second service: %v", err)
	}
	if _, err := d.Reset(); err == nil {
		t.Error("Reset while a service uses it")
	}
	s.Close()
	mustRestore(t, "self", WithStateDir(d)).Close()
	if _, err := OpenStateDir(filepath.Dir(d.File())); !errors.Is(err, statefile.ErrLocked) {
		t.Errorf("a second StateDir: %v", err)
	}
}

// fakeStore is a store in memory.
type fakeStore struct {
	do func() error // before each write; nil does nothing

	mu     sync.Mutex
	b      []byte
	writes int
}

func (s *fakeStore) load() ([]byte, error) { return s.content(), nil }
func (s *fakeStore) name(string) string    { return "the test's store" }
func (s *fakeStore) claim() error          { return nil }
func (s *fakeStore) release()              {}

func (s *fakeStore) content() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b
}

func (s *fakeStore) save(b []byte) error {
	if s.do != nil {
		if err := s.do(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = b
	s.writes++
	return nil
}

// count returns the number of writes.
func (s *fakeStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func withStore(s stateStore) Option { return func(c *config) error { return c.setStore(s) } }

// roundOf is the open round of the node in a state.
func roundOf(t *testing.T, b []byte) uint64 {
	t.Helper()
	snap, err := state.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return snap.Node.Round
}

// TestStateInterval: the state is written at the ends of rounds after that time, and by Close.
func TestStateInterval(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		writes   int // in 35 rounds of a second, the first of which ends at once
		round    uint64
	}{{0, 36, 36}, {10 * second, 4, 31}, {time.Hour, 1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			store := &fakeStore{}
			s := fakeService(t, newFakeNet(nil), steady(withStore(store), WithStateInterval(c.interval))...)
			s.start()
			settle(35*second + second/2)
			if store.count() != c.writes || roundOf(t, store.content()) != c.round {
				t.Errorf("interval %v: %d writes, the last of round %d; want %d and %d", c.interval, store.count(), roundOf(t, store.content()), c.writes, c.round)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if store.count() != c.writes+1 || roundOf(t, store.content()) != 36 {
				t.Errorf("interval %v: Close wrote %d times, of round %d", c.interval, store.count()-c.writes, roundOf(t, store.content()))
			}
		})
	}
}

// TestTheFirstOfTheSampleIsWritten at once, and not only when the interval is over: else what is left of a service that is
// killed would be the state of its first round, which knows where nobody is. A sample that was restored is nothing new.
func TestTheFirstOfTheSampleIsWritten(t *testing.T) {
	const self peer.ID = "self-with-the-length-of-an-id"
	store := &fakeStore{}
	filled := func() (n int) {
		snap, err := state.Decode(store.content())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range snap.Node.Sample.Slots {
			if x.ID != "" {
				n++
			}
		}
		return n
	}
	var up atomic.Bool
	live := func(t *testing.T, opts ...Option) *Service {
		net := newFakeNet(func(ctx context.Context, k kind, _ peer.ID) answer {
			if up.Load() {
				return yes(k)
			}
			return silence(ctx, 0)
		})
		return fakeServiceOf(t, self, net, steady(append(opts, withStore(store), WithStateInterval(time.Hour))...)...)
	}
	synctest.Test(t, func(t *testing.T) {
		s := live(t, WithBootstrap(infos(peerNo(0))...))
		s.start()
		settle(5*second + second/2)
		if store.count() != 1 || filled() != 0 {
			t.Errorf("%d writes before anybody answered, %d slots", store.count(), filled())
		}
		up.Store(true)
		settle(40 * second)
		if len(s.Sample()) != 1 || store.count() != 2 || filled() == 0 {
			t.Errorf("a sample of %d, %d writes, %d slots in the last; want the write of the first round and one more",
				len(s.Sample()), store.count(), filled())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	before := store.count()
	synctest.Test(t, func(t *testing.T) {
		s := live(t)
		s.start()
		settle(20*second + second/2)
		if len(s.Sample()) != 1 || store.count() != before+1 {
			t.Errorf("%d writes of a restored service with a sample of %d, want 1", store.count()-before, len(s.Sample()))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLeaveWritesTheState as Close does.
func TestLeaveWritesTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		s := fakeService(t, newFakeNet(nil), steady(withStore(store), WithStateInterval(time.Hour))...)
		s.start()
		settle(5*second + second/2)
		if err := s.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if store.count() != 2 || roundOf(t, store.content()) < 6 {
			t.Errorf("%d writes, the last of round %d", store.count(), roundOf(t, store.content()))
		}
	})
}

// TestSlowStoreHoldsNobodyUp: rounds go on while a write takes its time, and the newest state is written next.
func TestSlowStoreHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{do: func() error { after(10*second - second/4); return nil }} // ends between two rounds
		s := fakeService(t, newFakeNet(nil), steady(withStore(store), WithStateInterval(0))...)
		s.start()
		settle(9*second + second/2)
		if round := s.Snapshot().Round; round != 9 {
			t.Fatalf("round %d after 9 seconds", round)
		}
		settle(11 * second) // the first write has ended, and the second one, which began then
		if st := s.Status().State; st.Writes != 2 || st.Skipped < 8 {
			t.Errorf("status %+v", st)
		}
		if got := roundOf(t, store.content()); got != 10 {
			t.Errorf("stored round %d, want 10: the newest when the first write ended", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := roundOf(t, store.content()), s.loop.node.Export().Round; got != want {
			t.Errorf("Close stored round %d, want %d", got, want)
		}
	})
}

// TestStoreThatFails: it is tried again, users can see it, and Close says so.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		var broken atomic.Bool
		store := &fakeStore{do: func() error {
			if broken.Load() {
				return full
			}
			return nil
		}}
		s := fakeService(t, newFakeNet(nil), steady(withStore(store), WithStateInterval(0))...)
		broken.Store(true)
		s.start()
		settle(3*second + second/2)
		if st := s.Status().State; st.Failures != 4 || !strings.Contains(st.Error, "the test's store: write: no space left") {
			t.Errorf("status %+v", st)
		}
		broken.Store(false)
		settle(second)
		if st := s.Status().State; st.Failures != 4 || st.Error != "" || st.Writes != 5 {
			t.Errorf("status %+v", st)
		}
		broken.Store(true)
		for range 2 { // each call says the same
			if got := s.Close(); !errors.Is(got, full) {
				t.Errorf("Close: %v", got)
			}
		}
	})
}

// TestDatastoreErrors: one that cannot be read is an error of New; what is too large is not read.
func TestDatastoreErrors(t *testing.T) {
	ds := datastore.NewMapDatastore()
	key := StateKey("/app")
	if key.String() != "/app/brahms/state" || StateKey("").String() != "/brahms/state" {
		t.Errorf("keys %s and %s", key, StateKey(""))
	}
	if err := ds.Put(t.Context(), key, make([]byte, state.MaxSize+1)); err != nil {
		t.Fatal(err)
	}
	_, err := tryService(t, "self", WithDatastore(ds), WithProtocolPrefix("/app"))
	if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "/app/brahms/state") || !strings.Contains(err.Error(), "more than 16777216") {
		t.Errorf("too large: %v", err)
	}
	broken := brokenDatastore{ds}
	if _, err := tryService(t, "self", WithDatastore(broken)); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("broken: %v", err)
	}
	if _, err := newConfig([]Option{WithDatastore(ds), WithStateDir(openDir(t))}); err == nil {
		t.Error("two stores at once")
	}
}

type brokenDatastore struct{ datastore.Datastore }

func (brokenDatastore) GetSize(context.Context, datastore.Key) (int, error) {
	return 0, errors.New("disk on fire")
}

// BenchmarkState: what a state costs the loop (snapshot) and the writer (encode), and its size. A node of the default size that
// has met 256 peers, each with a record of two addresses; beside it one with full tables of tombstones.
func BenchmarkState(b *testing.B) {
	for name, dead := range map[string]int{"quiet": 0, "graves": 5000} {
		s := mustRestore(b, "self-with-the-length-of-an-id", WithAllowPrivate(true))
		node := s.loop.node
		for range 300 {
			x := newRecordSigner(b)
			if _, _, err := s.book.put(x.seal(b, 1, pub1, pub2), fromFirstHand, x.id, classPublic); err != nil {
				b.Fatal(err)
			}
			node.HandlePush(x.id)
			node.HandleProbeResult(x.id, protocol.Alive)
		}
		for i := range dead {
			node.HandleProbeResult(peerNo(i), protocol.Leaving)
		}
		node.Tick()
		snap := s.snapshotState(time.Now())
		b.Run("snapshot/"+name, func(b *testing.B) {
			for b.Loop() {
				s.snapshotState(time.Now())
			}
		})
		b.Run("encode/"+name, func(b *testing.B) {
			for b.Loop() {
				raw, err := state.Encode(snap)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(raw)), "bytes")
			}
		})
		s.Close()
	}
}
