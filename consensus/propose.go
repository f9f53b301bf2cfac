package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

// A proposal waits for its epoch.
type proposal struct {
	payload []byte
	done    chan struct{} // closed when item and err are what came of it

	mu        sync.Mutex
	ended     bool // done is closed
	withdrawn bool // the caller has gone
	item      Item
	err       error
}

// Propose signs an item with the host's key and proposes it in the current epoch, or where it is too late for that, in
// the next: it waits for it, until ctx ends. Items are taken in the first quarter of an epoch's window (its first round
// at least), so that they have the rest of it to reach everybody. Item.Epoch tells which epoch it was; an item that was
// proposed need not be in the set. The same payload in the same epoch is the same item.
//
// payload has 0 to 256 bytes, and may be changed after the call. Errors: machine.ErrItem for a longer one,
// ErrMayNotPropose, machine.ErrOriginFull with 8 items of this host in the epoch, machine.ErrFull with 256 in all,
// ErrClosed, and the cause of ctx; then nothing was proposed.
func (s *Service) Propose(ctx context.Context, payload []byte) (Item, error) {
	if len(payload) > machine.MaxPayload {
		return Item{}, fmt.Errorf("%w: payload of %d bytes, at most %d", machine.ErrItem, len(payload), machine.MaxPayload)
	}
	if !s.cfg.mayPropose(s.self) {
		return Item{}, ErrMayNotPropose
	}
	p := &proposal{payload: append([]byte(nil), payload...), done: make(chan struct{})}
	select {
	case s.proposals <- p:
	case <-ctx.Done():
		return Item{}, context.Cause(ctx)
	case <-s.life.Done():
		return Item{}, ErrClosed
	}
	err := ErrClosed
	select {
	case <-p.done:
		return p.item, p.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.life.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended { // meanwhile
		return p.item, p.err
	}
	p.withdrawn = true
	return Item{}, err
}

// proposeRounds is how many rounds of a window take items.
func proposeRounds(window int) uint64 { return uint64(max(1, window/4)) }

// offer proposes p in the current epoch if it is time, and reports whether p is done with.
func (s *Service) offer(p *proposal) (done bool) {
	l := &s.loop
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.withdrawn {
		return true
	}
	if !l.began || l.clock.Age >= proposeRounds(s.cfg.params.Window) || l.back {
		return false
	}
	item, err := wire.SignItem(s.key, s.network(), l.clock.Epoch, p.payload)
	if err == nil {
		err = l.machine.Propose(item)
	}
	if errors.Is(err, machine.ErrWindow) || errors.Is(err, machine.ErrEpoch) { // the machine is ahead of this clock
		return false
	}
	if p.err = err; err == nil {
		p.item = item
	}
	p.ended = true
	close(p.done)
	return true
}

// offerAll proposes what waits.
func (s *Service) offerAll() {
	rest := s.loop.waiting[:0]
	for _, p := range s.loop.waiting {
		if !s.offer(p) {
			rest = append(rest, p)
		}
	}
	clear(s.loop.waiting[len(rest):])
	s.loop.waiting = rest
}
