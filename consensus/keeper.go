package consensus

import (
	"fmt"
	"sync"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// A keeper writes states to a store, off the loop: a store that is slow, full or gone holds nobody up.
type keeper struct {
	cfg     *config
	self    peer.ID
	key     datastore.Key
	box     chan []byte // one place
	ended   chan struct{}
	running bool

	mu     sync.Mutex
	status StateStatus
	err    error // of the last write
}

func newKeeper(c *config, self peer.ID) *keeper {
	key := StateKey(c.prefix)
	return &keeper{
		cfg: c, self: self, key: key, box: make(chan []byte, 1), ended: make(chan struct{}),
		status: StateStatus{Store: c.store.name(key)},
	}
}

func (k *keeper) start() {
	if k == nil {
		return
	}
	k.running = true
	go func() {
		defer close(k.ended)
		for exported := range k.box {
			k.write(exported)
		}
	}()
}

// put has a state of the machine written next. What waited gives way to it. Only one goroutine at a time may call it.
func (k *keeper) put(exported []byte) {
	select {
	case <-k.box:
	default:
	}
	k.box <- exported // there is room: nobody else puts
}

func (k *keeper) write(exported []byte) {
	err := k.cfg.store.save(k.key, k.cfg.encodeState(k.self, exported))
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.err
	k.status.Writes++
	if k.err = err; err != nil {
		k.err = fmt.Errorf("consensus: %s: write: %w", k.status.Store, err)
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

// failed reports whether the last write did.
func (k *keeper) failed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err != nil
}

// stop writes last, if the keeper ran, waits until it has ended, and returns the error of the last write.
func (k *keeper) stop(last []byte) error {
	if k == nil || !k.running {
		return nil
	}
	k.put(last)
	close(k.box)
	<-k.ended
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

// keep has the state written if more of it has changed since it was than how old the epoch is. It never waits.
func (s *Service) keep() {
	if s.keeper == nil {
		return
	}
	if b := s.loop.machine.Export(); !machine.SameExport(b, s.loop.kept) || s.keeper.failed() {
		s.loop.kept = b
		s.keeper.put(b)
	}
}
