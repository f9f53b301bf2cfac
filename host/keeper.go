package host

import (
	"fmt"
	"sync"
	"time"

	"github.com/brahms-p2p/brahms-p2p/protocol/state"
)

// StateStatus says what became of the service's state.
type StateStatus struct {
	Store    string // file or datastore key; empty if no state is kept
	Restored int    // distinct peers of the sample that New restored
	Writes   uint64 // since the start
	Failures uint64 // writes that failed, since the start
	// Skipped are states that a newer one replaced before they were written: the store is slower than the rounds.
	Skipped uint64
	Written time.Time // when the last write that did not fail ended
	Error   string    // of the last write; empty if it did not fail
}

// A keeper writes states to a store, off the loop: a store that is slow, full or gone holds nobody up.
type keeper struct {
	store    stateStore
	interval time.Duration
	box      chan *state.Snapshot // one place
	ended    chan struct{}
	running  bool
	next     time.Time // of the loop: when the next write is due
	held     bool      // of the loop: the last state that it was given has a sample

	mu     sync.Mutex
	status StateStatus
	err    error // of the last write
}

// newKeeper claims the store.
func newKeeper(store stateStore, prefix string, interval time.Duration) (*keeper, error) {
	name := store.name(prefix)
	if err := store.claim(); err != nil {
		return nil, fmt.Errorf("brahms: %s: %w", name, err)
	}
	return &keeper{
		store: store, interval: interval, box: make(chan *state.Snapshot, 1), ended: make(chan struct{}),
		status: StateStatus{Store: name},
	}, nil
}

func (k *keeper) start() {
	if k == nil {
		return
	}
	k.running = true
	go func() {
		defer close(k.ended)
		for snap := range k.box {
			k.write(snap)
		}
	}()
}

// due reports whether a state is to be written at the end of this round, and counts the time from now. holds says whether the
// sample has anybody: if it has, and the last state had not, that is at once. Who is killed in its first minute would
// otherwise start from a state that names its seeds and not where they are.
func (k *keeper) due(now time.Time, holds bool) bool {
	if now.Before(k.next) && (k.held || !holds) {
		return false
	}
	k.next, k.held = now.Add(k.interval), holds
	return true
}

// put has snap written next. What waited gives way to it. Only one goroutine at a time may call it.
func (k *keeper) put(snap *state.Snapshot) {
	select {
	case <-k.box:
		k.mu.Lock()
		k.status.Skipped++
		k.mu.Unlock()
	default:
	}
	k.box <- snap // there is room: nobody else puts
}

func (k *keeper) write(snap *state.Snapshot) {
	b, err := state.Encode(snap)
	if err == nil {
		err = k.store.save(b)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.err
	k.status.Writes++
	if k.err = err; err != nil {
		k.err = fmt.Errorf("brahms: %s: write: %w", k.status.Store, err)
		k.status.Failures++
		k.status.Error = k.err.Error()
		if before == nil {
			log.Errorf("the state could not be written, and is tried again: %v", k.err)
		}
		return
	}
	k.status.Error, k.status.Written = "", time.Now()
	if before != nil {
		log.Infof("the state can be written again: %s", k.status.Store)
	}
}

// stop writes last, if the keeper ran and that is not nil, waits until it has ended, and returns the error of the last write.
func (k *keeper) stop(last func() *state.Snapshot) error {
	if k == nil {
		return nil
	}
	if k.running {
		k.put(last())
		close(k.box)
		<-k.ended
	}
	k.store.release()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// look returns the status.
func (k *keeper) look() StateStatus {
	if k == nil {
		return StateStatus{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}
