package consensus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// A board is what the loop has published when it opened a round. It is shared: nobody may change what it holds.
type board struct {
	status Status // without what is counted elsewhere
	epochs []boardEpoch
}

// boardEpoch is what is published of one kept epoch.
type boardEpoch struct {
	number uint64
	phase  machine.Phase
	answer machine.Answer
	speaks bool // answer may be given
	items  map[machine.ID]Item
	set    []Item // if the epoch is closed

	decided map[machine.ID]bool // items of which that is so; true: in the set
}

// board returns what was published last. It never waits.
func (s *Service) board() *board { return s.published.Load() }

func (b *board) epoch(number uint64) *boardEpoch {
	for i := range b.epochs {
		if b.epochs[i].number == number {
			return &b.epochs[i]
		}
	}
	return nil
}

type counts struct {
	picked, fresh, passedOver, answered, served atomic.Uint64
}

// publish makes the machine's state what handlers and callers see, and tells of epochs that were closed and of phases
// that changed.
func (s *Service) publish(closed []uint64) {
	l := &s.loop
	b := &board{status: Status{
		Round: l.round, Epoch: l.epoch(), Epochs: l.machine.Status(), Polls: l.polls, Waiting: len(l.waiting),
	}}
	b.status.Trouble = s.trouble()
	last := s.published.Load()
	for _, st := range b.status.Epochs {
		if st.Phase == machine.Closed && last != nil {
			if old := last.epoch(st.Epoch); old != nil && old.phase == machine.Closed {
				b.epochs = append(b.epochs, *old) // final
				continue
			}
		}
		e := boardEpoch{number: st.Epoch, phase: st.Phase, items: maps.Collect(l.machine.Items(st.Epoch))}
		e.answer, e.speaks = l.machine.Answer(st.Epoch)
		e.set, _ = l.machine.Decided(st.Epoch)
		e.decided = l.outcomes(st.Epoch)
		b.epochs = append(b.epochs, e)
	}
	s.published.Store(b)
	next := make(chan struct{})
	close(*s.turn.Swap(&next))
	for _, number := range closed {
		s.announcer.decided.put(EvtDecided{Prefix: s.cfg.prefix, Epoch: number, Items: b.epoch(number).set})
	}
	phases := make(map[uint64]machine.Phase, len(b.epochs))
	for _, e := range b.epochs {
		if phases[e.number] = e.phase; l.phases[e.number] != e.phase && l.round > 0 {
			s.announcer.phases.put(EvtStatusChanged{Prefix: s.cfg.prefix, Epoch: e.number, Phase: e.phase})
		}
	}
	l.phases = phases
	s.traceRound()
}

// trouble is what is wrong with sample or clock.
func (s *Service) trouble() Trouble {
	l, snap := &s.loop, s.sampler.Snapshot()
	few := false
	for _, p := range l.polls {
		few = few || p.Peers == 0
	}
	switch {
	case l.back:
		return ClockBack
	case !l.began && l.round > 0:
		return NotBegun
	case len(snap.Peers) == 0:
		return Alone
	case few:
		return TooFew
	case snap.Node.Young:
		return Young
	}
	return NoTrouble
}

// Status returns the state of the service. It never waits.
func (s *Service) Status() Status {
	st := s.figures()
	st.Epochs, st.Polls = slices.Clone(st.Epochs), slices.Clone(st.Polls) // the board's are everybody's
	st.Refused = s.refused.counts()
	return st
}

// figures is Status without what is refused.
func (s *Service) figures() Status {
	st := s.board().status
	st.Picked, st.PickedFresh, st.PassedOver = s.counts.picked.Load(), s.counts.fresh.Load(), s.counts.passedOver.Load()
	st.Answered, st.Served = s.counts.answered.Load(), s.counts.served.Load()
	st.EventsDropped = s.announcer.dropped.Load()
	st.State = s.keeper.look()
	return st
}

func (s *Service) traceRound() {
	if len(s.cfg.tracers) == 0 || s.loop.round == 0 {
		return
	}
	st := s.figures()
	for _, t := range s.cfg.tracers {
		t.RoundOpened(&st)
	}
}

// Epoch returns the number of the current epoch, 0 before there is any. It never waits.
func (s *Service) Epoch() uint64 { return s.board().status.Epoch }

// Decided returns the set of an epoch that is closed and kept, ascending by id; ok is false for others. Kept are the
// current epoch and the two before it. It never waits.
func (s *Service) Decided(epoch uint64) (set []Item, ok bool) {
	e := s.board().epoch(epoch)
	if e == nil || e.phase != machine.Closed {
		return nil, false
	}
	return append([]Item(nil), e.set...), true
}

// Wait returns the set of an epoch, ascending by id, when it is closed. It waits for epochs to come. It fails when ctx
// ends, with its cause and the phase in which the epoch was, with ErrNotKept when the epoch falls out undecided or was
// never kept, and with ErrClosed.
func (s *Service) Wait(ctx context.Context, epoch uint64) ([]Item, error) {
	phase := "not begun"
	for {
		turn := *s.turn.Load() // before the board, or one could be missed
		b := s.board()
		if e := b.epoch(epoch); e != nil {
			if e.phase == machine.Closed {
				return append([]Item(nil), e.set...), nil
			}
			phase = e.phase.String()
		} else if len(b.epochs) > 0 && epoch < b.status.Epoch {
			return nil, fmt.Errorf("%w: epoch %d, when last seen %s; kept are %d to %d",
				ErrNotKept, epoch, phase, b.epochs[0].number, b.status.Epoch)
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return nil, fmt.Errorf("consensus: epoch %d is %s: %w", epoch, phase, context.Cause(ctx))
		case <-s.life.Done():
			return nil, fmt.Errorf("consensus: epoch %d is %s: %w", epoch, phase, ErrClosed)
		}
	}
}
