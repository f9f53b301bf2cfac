package consensus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// ErrState is wrapped by the errors of New about a stored state that cannot be used: it is damaged, of another version,
// that of another peer or network, of other epochs, or ahead of the clock. The state stays as it is.
var ErrState = errors.New("the stored state cannot be used")

// A Store keeps one state. Its methods are called by one goroutine at a time. A *StateDir is one.
type Store interface {
	// Load returns the state, nil if there is none yet. It fails, unread, where it has more than most bytes.
	Load(most int64) ([]byte, error)
	// Save replaces the state, whole or not at all.
	Save([]byte) error
	// File names the state in errors.
	File() string
}

// StateKey is the key under which WithDatastore keeps the state of a service with that protocol prefix. Without the
// value the next service is a newcomer.
func StateKey(prefix string) datastore.Key {
	return datastore.NewKey(prefix + "/brahms/consensus/state")
}

// storeTimeout bounds one call of a datastore.
const storeTimeout = 30 * time.Second

type store interface {
	load(key datastore.Key) ([]byte, error) // nil if there is none
	save(key datastore.Key, b []byte) error
	name(key datastore.Key) string
}

type fileStore struct{ s Store }

func (f fileStore) load(datastore.Key) ([]byte, error)   { return f.s.Load(int64(maxState)) }
func (f fileStore) save(_ datastore.Key, b []byte) error { return f.s.Save(b) }
func (f fileStore) name(datastore.Key) string            { return "state file " + f.s.File() }

type dataStore struct{ ds datastore.Datastore }

func (d *dataStore) name(key datastore.Key) string { return "state at datastore key " + key.String() }

func (d *dataStore) load(key datastore.Key) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	size, err := d.ds.GetSize(ctx, key)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case size > maxState:
		return nil, fmt.Errorf("it has %d bytes, more than %d", size, maxState)
	}
	b, err := d.ds.Get(ctx, key)
	if b == nil {
		b = []byte{} // an empty value is no missing one
	}
	return b, err
}

func (d *dataStore) save(key datastore.Key, b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := d.ds.Put(ctx, key, b); err != nil {
		return err
	}
	return d.ds.Sync(ctx, key)
}

// The stored form: the magic, what the state belongs to, the state of the machine, and the SHA-256 of all before.
const (
	stateMagic = "brahms-agree\x00\x01"
	maxState   = len(stateMagic) + 3*binary.MaxVarintLen64 + 512 + machine.MaxState + sha256.Size
)

// owner is what a state belongs to: a peer of a network, and how that cuts its epochs.
func (c *config) owner(self peer.ID) []byte {
	b := []byte(stateMagic)
	for _, part := range []string{string(self), c.prefix} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

func (c *config) encodeState(self peer.ID, exported []byte) []byte {
	b := c.owner(self)
	b = binary.AppendVarint(b, int64(c.length))
	b = binary.AppendVarint(b, c.start.UnixNano())
	b = append(b, exported...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeState returns what encodeState was given.
func (c *config) decodeState(self peer.ID, b []byte) (exported []byte, err error) {
	n := len(b) - sha256.Size
	if n < len(stateMagic) || !bytes.HasPrefix(b, []byte(stateMagic)) {
		return nil, errors.New("it is none, or of another version")
	}
	if sum := sha256.Sum256(b[:n]); !bytes.Equal(sum[:], b[n:]) {
		return nil, errors.New("it is damaged: its checksum is wrong")
	}
	b = b[:n]
	if !bytes.HasPrefix(b, c.owner(self)) {
		return nil, fmt.Errorf("it is that of another peer or network, and this is %s with prefix %q", self, c.prefix)
	}
	b = b[len(c.owner(self)):]
	length, n := binary.Varint(b)
	start, m := binary.Varint(b[max(n, 0):])
	if n <= 0 || m <= 0 {
		return nil, errors.New("it is malformed")
	}
	if length != int64(c.length) || start != c.start.UnixNano() {
		return nil, fmt.Errorf("its epochs are of %v from %v, and these are of %v from %v",
			time.Duration(length), time.Unix(0, start).UTC(), c.length, c.start.UTC())
	}
	return b[n+m:], nil
}

// newLoopState makes the machine: a new one, or that of the stored state.
func newLoopState(self peer.ID, c config, rng *rand.Rand) (loopState, *keeper, error) {
	if c.store == nil {
		m, err := machine.New(c.params, rng)
		return loopState{machine: m}, nil, err
	}
	k := newKeeper(&c, self)
	fail := func(err error) (loopState, *keeper, error) {
		return loopState{}, nil, fmt.Errorf("consensus: %s: %w: %w", k.status.Store, ErrState, err)
	}
	b, err := c.store.load(k.key)
	if err != nil {
		return fail(err)
	}
	if b == nil {
		m, err := machine.New(c.params, rng)
		return loopState{machine: m}, k, err
	}
	exported, err := c.decodeState(self, b)
	if err != nil {
		return fail(err)
	}
	m, err := machine.Restore(c.params, rng, exported)
	if err != nil {
		return fail(err)
	}
	l := loopState{machine: m, kept: exported}
	now, ok := c.clock(time.Now())
	if !c.manual && l.hasEpoch() && (!ok || l.epoch() > now.Epoch+1) { // one more is a clock that was set right
		return fail(fmt.Errorf("it is of epoch %d, and by the clock this is %d: the clock was set back, or was ahead",
			l.epoch(), now.Epoch))
	}
	k.status.Restored = true
	return l, k, nil
}
