package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// DefaultBank is the number of slots whose peers are handed out once each, MaxBank the most: the records of all that hold
// such slots or wait for one are kept, and the book has 4096.
const (
	DefaultBank = 40
	MaxBank     = 1024
)

// presetBank leaves the bank to the preset: DefaultBank where ids must answer before they are sampled, none for "paper".
const presetBank = -1

// Errors of Fresh.
var (
	ErrNoBank = errors.New("brahms: there is no bank to take fresh peers from: WithBank")
	ErrClosed = errors.New("brahms: the service is closed")
)

// WithBank sets the number of slots whose peers are handed out once each, 0 to 1024: 0 is none, and Random then draws from
// the sample only. Each slot yields a fresh peer every 30 rounds at most, so the default of 40 yields 8 a minute in rounds of
// 10 s, and up to 40 at once when nobody asked for a while. What that costs: docs/simulation.md.
func WithBank(slots int) Option {
	return func(c *config) error {
		if slots < 0 || slots > MaxBank {
			return fmt.Errorf("brahms: bank=%d must be between 0 and %d", slots, MaxBank)
		}
		c.bank = slots
		return nil
	}
}

// setBank puts the bank that c asks for into p.
func (c *config) setBank(p *protocol.Params) {
	switch {
	case c.bank != presetBank:
		p.Bank = c.bank
	case !p.Direct:
		p.Bank = DefaultBank
	}
}

// PickStatus says what there is of fresh peers.
type PickStatus struct {
	Slots int // of the bank
	Left  int // fresh peers that can be taken now
	// PerMinute is how many there are in the long run, if nobody dies: one a slot and maturity.
	PerMinute float64
	// Taken is how many were taken since the service started, Repeated how many peers Random had to draw from the sample
	// because the bank was empty.
	Taken, Repeated uint64
}

// A tray is what the bank has to hand out in a round. It is shared by all callers: who gets a place of it has it for himself.
type tray struct {
	picks []pick
	next  atomic.Int64 // places that were given out, and more
}

// pick is a peer on a tray. The trays of later rounds hold it too until the loop hears that it was taken, so that it is the
// mark which decides.
type pick struct {
	peer.AddrInfo
	taken *atomic.Bool
}

// take returns the next peer that nobody took.
func (t *tray) take() (peer.AddrInfo, bool) {
	for t != nil {
		i := t.next.Add(1) - 1
		if i >= int64(len(t.picks)) {
			t.next.Store(int64(len(t.picks))) // not beyond what an int64 holds, however often it is asked
			return peer.AddrInfo{}, false
		}
		if p := t.picks[i]; p.taken.CompareAndSwap(false, true) {
			return p.AddrInfo, true
		}
	}
	return peer.AddrInfo{}, false
}

// left is the number of peers that nobody took yet.
func (t *tray) left() int {
	left := 0
	if t == nil {
		return 0
	}
	for _, p := range t.picks {
		if !p.taken.Load() {
			left++
		}
	}
	return left
}

// spend tells the node what was taken. Until it is spent a slot keeps its mark, also while it has nothing to hand out:
// somebody may hold an old tray.
func (s *Service) spend() {
	var spent []uint64
	for key, mark := range s.loop.marks {
		if mark.Load() {
			spent = append(spent, key)
			delete(s.loop.marks, key)
		}
	}
	s.loop.node.Spend(spent...)
}

// lay makes the tray of a round. Its order is drawn, so that it says nothing of the peers on it.
func (s *Service) lay(info func(peer.ID) peer.AddrInfo) *tray {
	t := &tray{}
	for _, p := range s.loop.node.Picks() {
		mark := s.loop.marks[p.Key]
		if mark == nil {
			mark = new(atomic.Bool)
			s.loop.marks[p.Key] = mark
		}
		if mark.Load() || s.cfg.provenOnly && !p.Proven {
			continue
		}
		t.picks = append(t.picks, pick{info(p.ID), mark})
	}
	rand.Shuffle(len(t.picks), func(i, j int) { t.picks[i], t.picks[j] = t.picks[j], t.picks[i] })
	return t
}

// Random returns up to n distinct peers drawn uniformly from the network's peers that answer. It never waits.
//
// As long as the bank has any (WithBank), they are fresh: independent of what was handed out before to anybody, and of the
// sample. What is missing is drawn from the sample, which changes slowly, so that calls get the same peers again and
// again: Status().Picks tells how many were. Who must not have such peers uses Fresh. A fresh peer that comes twice in one
// call is used up, and returned once.
func (s *Service) Random(n int) []peer.AddrInfo { return s.random(n, math.MaxInt, nil) }

// Draw returns up to n distinct peers drawn uniformly from the sample, as Random does without a bank. It leaves the fresh
// peers to those who need them: for who asks all the time, and to whom it is the same who it was before.
func (s *Service) Draw(n int) []peer.AddrInfo { return s.random(n, 0, nil) }

// random returns up to n distinct peers for which keep is true, and looks at so many of the bank at most.
func (s *Service) random(n, looks int, keep func(peer.AddrInfo) bool) []peer.AddrInfo {
	snap := s.Snapshot()
	fresh := looks > 0 && s.cfg.params.Bank > 0
	var out []peer.AddrInfo
	seen := make(map[peer.ID]bool)
	add := func(p peer.AddrInfo) bool {
		if seen[p.ID] {
			return false
		}
		seen[p.ID] = true
		if keep != nil && !keep(p) {
			return false
		}
		out = append(out, p)
		return true
	}
	for ; len(out) < n && looks > 0; looks-- {
		p, ok := snap.tray.take()
		if !ok {
			break
		}
		s.picksTaken.Add(1)
		add(p)
	}
	for _, i := range rand.Perm(len(snap.drawn)) {
		if len(out) >= n {
			break
		}
		if add(snap.drawn[i]) && fresh {
			s.picksRepeated.Add(1)
		}
	}
	return out
}

// Fresh returns n fresh peers: each is an independent uniform choice of the network's peers that answer, of which nothing
// that was handed out before tells anything; so a peer may come twice. Where the bank has fewer it waits for them, which
// takes rounds (PickStatus.PerMinute). When ctx ends it returns those that there are and the cause of ctx: who does not
// want to wait gives a ctx that has ended. Without a bank it fails with ErrNoBank, and with ErrClosed when the service is closed while it
// waits.
func (s *Service) Fresh(ctx context.Context, n int) ([]peer.AddrInfo, error) {
	if s.cfg.params.Bank == 0 {
		return nil, ErrNoBank
	}
	var out []peer.AddrInfo
	for {
		turn := *s.turn.Load() // before the snapshot, or one could be missed
		snap := s.Snapshot()
		for len(out) < n {
			p, ok := snap.tray.take()
			if !ok {
				break
			}
			s.picksTaken.Add(1)
			out = append(out, p)
		}
		if len(out) >= n {
			return out, nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return out, context.Cause(ctx)
		case <-s.life.Done():
			return out, ErrClosed
		}
	}
}

// picks is the state of the bank for Status.
func (s *Service) picks() PickStatus {
	st := PickStatus{
		Slots: s.cfg.params.Bank, Left: s.Snapshot().tray.left(),
		Taken: s.picksTaken.Load(), Repeated: s.picksRepeated.Load(),
	}
	cycle := time.Duration(max(1, s.cfg.params.BankMaturity)) * s.cfg.interval
	st.PerMinute = float64(st.Slots) * float64(time.Minute) / float64(cycle)
	return st
}
