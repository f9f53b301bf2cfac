package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/statefile"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/state"
)

// DefaultStateInterval is the default of WithStateInterval.
const DefaultStateInterval = time.Minute

// storeTimeout bounds one call of a datastore.
const storeTimeout = 30 * time.Second

// ErrState is wrapped by the errors of New and StateDir.Verify about a stored state that cannot be used: it is damaged, of
// another version, or that of another peer, network or hash. The state stays as it is.
var ErrState = errors.New("the stored state cannot be used")

// A StateDir is a directory that keeps the state of one service (WithStateDir), locked against other processes. It holds
// the secret of the sampler: the directory is made with mode 0700 and the file in it with mode 0600.
type StateDir struct {
	dir  *statefile.Dir
	used atomic.Bool // by a service that runs
}

// OpenStateDir takes the directory for this process, and makes it if there is none; its parent must be there. It fails
// where another process has it, and where others may write to it.
func OpenStateDir(path string) (*StateDir, error) {
	d, err := statefile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("brahms: state directory: %w", err)
	}
	return &StateDir{dir: d}, nil
}

// File is the name of the file that holds the state.
func (d *StateDir) File() string { return d.dir.File() }

// Verify returns the error that New would return for the state in d if a peer of that id and protocol prefix used it, but
// for one of another hash. No state is no error.
func (d *StateDir) Verify(self peer.ID, prefix string) error {
	_, err := loadState(dirStore{d}, self, prefix)
	return err
}

// Reset lets the next New start without a state. The state that is there is kept under another name, which is returned:
// "" if there is none. It must not be called while a service uses d.
func (d *StateDir) Reset() (kept string, err error) {
	if d.used.Load() {
		return "", fmt.Errorf("brahms: state file %s: a service uses it", d.File())
	}
	if kept, err = d.dir.Aside(); err != nil {
		return "", fmt.Errorf("brahms: state directory: %w", err)
	}
	return kept, nil
}

// Close lets others have the directory. The service that uses it must be closed before.
func (d *StateDir) Close() error { return d.dir.Close() }

// WithStateDir keeps the service's state in d: the sample with its keys, the view, who died, and the signed records of
// these peers. New goes on from the state in it, and fails with ErrState if that cannot be used. The caller closes d,
// after the service.
//
// A peer of a restored sample counts for Sample and Random only after it has answered again; until all have, or are found
// dead, the condition ConditionRestored holds.
func WithStateDir(d *StateDir) Option {
	return func(c *config) error {
		if d == nil {
			return errors.New("brahms: state directory must not be nil")
		}
		return c.setStore(dirStore{d})
	}
}

// WithDatastore keeps the service's state as WithStateDir does, in ds under the key StateKey(prefix). The value holds the
// secret of the sampler: whoever can read it can grind ids that win slots, so ds must be as private as a key store. ds must
// be safe for concurrent use and for this process alone, and stays the caller's: it must outlive the service.
func WithDatastore(ds datastore.Datastore) Option {
	return func(c *config) error {
		if ds == nil {
			return errors.New("brahms: datastore must not be nil")
		}
		return c.setStore(&dataStore{ds: ds})
	}
}

// StateKey is the key under which WithDatastore keeps the state of a service with that protocol prefix. Without the value
// the next service starts anew.
func StateKey(prefix string) datastore.Key { return datastore.NewKey(prefix + "/brahms/state") }

// WithStateInterval sets how often the state is written, 0 to 24 h: at the first end of a round after that time, of the
// first round that puts somebody into the sample, and in Close and Leave. A crash loses what was learnt since. 0 writes at
// the end of every round; the default is a minute.
func WithStateInterval(d time.Duration) Option {
	return durationOption("state interval", d, 0, MaxInterval, func(c *config) *time.Duration { return &c.stateInterval })
}

// setStore refuses a second store: which of two states is the right one nobody could tell.
func (c *config) setStore(s stateStore) error {
	if c.store != nil {
		return errors.New("brahms: only one of a state directory and a datastore may be given, and once")
	}
	c.store = s
	return nil
}

// stateStore is where a state is kept. Its methods are called by one goroutine at a time.
type stateStore interface {
	load() ([]byte, error) // nil if there is none
	save(b []byte) error   // whole or not at all
	name(prefix string) string
	claim() error // for one service
	release()
}

type dirStore struct{ d *StateDir }

func (s dirStore) load() ([]byte, error) { return s.d.dir.Load(state.MaxSize) }
func (s dirStore) save(b []byte) error   { return s.d.dir.Save(b) }
func (s dirStore) name(string) string    { return "state file " + s.d.File() }
func (s dirStore) release()              { s.d.used.Store(false) }

func (s dirStore) claim() error {
	if !s.d.used.CompareAndSwap(false, true) {
		return errors.New("another service uses it")
	}
	return nil
}

type dataStore struct {
	ds  datastore.Datastore
	key datastore.Key
}

func (s *dataStore) name(prefix string) string {
	s.key = StateKey(prefix)
	return "state at datastore key " + s.key.String()
}

func (s *dataStore) load() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	size, err := s.ds.GetSize(ctx, s.key)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case size > state.MaxSize:
		return nil, fmt.Errorf("it has %d bytes, more than %d", size, state.MaxSize)
	}
	b, err := s.ds.Get(ctx, s.key)
	if b == nil {
		b = []byte{}
	}
	return b, err
}

func (s *dataStore) save(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := s.ds.Put(ctx, s.key, b); err != nil {
		return err
	}
	return s.ds.Sync(ctx, s.key)
}

func (s *dataStore) claim() error { return nil }
func (s *dataStore) release()     {}

// loadState returns the state that s has for the peer self of the network prefix, nil if it has none. Its errors name s.
func loadState(s stateStore, self peer.ID, prefix string) (*state.Snapshot, error) {
	name := s.name(prefix)
	b, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("brahms: %s: %w: %w", name, ErrState, err)
	}
	if b == nil {
		return nil, nil
	}
	snap, err := state.Decode(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("brahms: %s: %w: %w", name, ErrState, err)
	case snap.Node.Self != self:
		return nil, fmt.Errorf("brahms: %s: %w: it is that of the peer %s, and this is %s", name, ErrState, snap.Node.Self, self)
	case snap.Network != prefix:
		return nil, fmt.Errorf("brahms: %s: %w: it is of the network with prefix %q, and this one has %q", name, ErrState, snap.Network, prefix)
	}
	return snap, nil
}

// newNode makes the node: a new one, or the one of the stored state, whose records go into the book.
func newNode(self peer.ID, cfg *config, bootstrap []peer.ID, rng *rand.Rand, b *book, now time.Time) (*protocol.Node, error) {
	if cfg.store != nil {
		switch snap, err := loadState(cfg.store, self, cfg.prefix); {
		case err != nil:
			return nil, err
		case snap != nil:
			return restoreNode(snap, cfg, bootstrap, rng, b, now)
		}
	}
	node, err := protocol.NewAt(self, cfg.params, bootstrap, rng, b.where)
	if err != nil {
		return nil, fmt.Errorf("brahms: %w", err)
	}
	return node, nil
}

func restoreNode(snap *state.Snapshot, cfg *config, bootstrap []peer.ID, rng *rand.Rand, b *book, now time.Time) (*protocol.Node, error) {
	// A clock that went back counts as no rest.
	if rest := now.Sub(time.Unix(int64(min(snap.Saved, 1<<40)), 0)); rest > 0 {
		snap.Node.Rest(uint64(rest / cfg.interval))
	}
	// Before the node, which asks the book where ids are. What the sample and the view need comes first and is pinned: the
	// rest must not push it out of the part of the book that restored records have. A record that is refused now, as
	// where private addresses are not allowed any longer, leaves an id that nobody can dial, and it dies of that.
	var pins []peer.ID
	for _, x := range snap.Node.Sample.Slots {
		if x.ID != "" {
			pins = append(pins, x.ID)
		}
	}
	b.setPinned(append(pins, snap.Node.View...))
	for _, r := range snap.Records {
		_, _, _ = b.put(r.Raw, fromRestored, "", class(min(r.Floor, uint8(classPublic))))
	}
	node, err := protocol.Restore(snap.Node, cfg.params, bootstrap, rng, b.where)
	switch {
	case errors.Is(err, protocol.ErrState):
		return nil, fmt.Errorf("brahms: %s: %w: %w", cfg.store.name(cfg.prefix), ErrState, err)
	case err != nil:
		return nil, fmt.Errorf("brahms: %w", err)
	}
	return node, nil
}

// maxStateRecords bounds the bytes of records in a state. The sample's come first, so that is whose the last ones are not.
const maxStateRecords = 4 << 20

// snapshotState makes the state to store: that of the node, and how its peers can be reached. Nothing in it changes any
// more.
func (s *Service) snapshotState(now time.Time) *state.Snapshot {
	snap := &state.Snapshot{Network: s.cfg.prefix, Saved: uint64(max(0, now.Unix())), Node: s.loop.node.Export()}
	seen, size := make(map[peer.ID]bool), 0
	add := func(id peer.ID) {
		if id == "" || seen[id] || len(snap.Records) >= state.MaxRecords {
			return
		}
		seen[id] = true
		e, ok := s.book.get(id)
		if !ok || e.raw == nil || size+len(e.raw) > maxStateRecords {
			return
		}
		size += len(e.raw)
		snap.Records = append(snap.Records, state.Record{Raw: e.raw, Floor: uint8(e.floor)})
	}
	for _, x := range snap.Node.Sample.Slots {
		add(x.ID)
	}
	for _, id := range snap.Node.View {
		add(id)
	}
	for _, id := range snap.Node.Met {
		add(id)
	}
	return snap
}

// keep has the state written if it is time. It never waits.
func (s *Service) keep(now time.Time) {
	if s.keeper == nil {
		return
	}
	if st := s.loop.node.Status(); s.keeper.due(now, st.SampleFilled+st.Waiting > 0) {
		s.keeper.put(s.snapshotState(now))
	}
}
