package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// A Console lets others look at a swarm that runs, and kill its peers. Give it to one run as Config.Console.
type Console struct {
	asks  chan func(*run)
	ended chan struct{}
}

// Errors of a Console.
var (
	ErrOver   = errors.New("swarm: the swarm is over")
	ErrNoPeer = errors.New("swarm: no such peer, or one that cannot be killed")
)

// NewConsole returns a console for one run.
func NewConsole() *Console {
	return &Console{asks: make(chan func(*run)), ended: make(chan struct{})}
}

// ask lets Run's goroutine do f between two events of the run, and waits until it has.
func (c *Console) ask(ctx context.Context, f func(*run)) error {
	done := make(chan struct{})
	select {
	case c.asks <- func(r *run) { defer close(done); f(r) }:
		<-done
		return nil
	case <-c.ended:
		return ErrOver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Picture returns what the swarm is like now. Where peers still start it waits until they have, or ctx ends.
func (c *Console) Picture(ctx context.Context) (p *Picture, err error) {
	err = c.ask(ctx, func(r *run) { p = r.picture() })
	return p, err
}

// Kill closes a live correct peer at once and without a word. Faulty peers are the adversary's and stay, and so do as many
// correct ones as the run is still to lose by itself, and two more. Its error is ErrNoPeer, ErrOver or ctx's.
func (c *Console) Kill(ctx context.Context, number int) (err error) {
	if asked := c.ask(ctx, func(r *run) { err = r.killByHand(number) }); asked != nil {
		return asked
	}
	return err
}

func (r *run) killByHand(number int) error {
	if number < 0 || number >= len(r.members) {
		return fmt.Errorf("%w: %d is none of %d", ErrNoPeer, number, len(r.members))
	}
	m, keep := r.members[number], 2
	if r.round < r.cfg.KillAt {
		keep += r.cfg.killed()
	}
	if r.round < r.cfg.LeaveAt {
		keep += r.cfg.leaving()
	}
	switch {
	case m.dead:
		return fmt.Errorf("%w: %d is dead", ErrNoPeer, number)
	case m.faulty:
		return fmt.Errorf("%w: %d is faulty, and run by the adversary", ErrNoPeer, number)
	case len(correct(r.live())) <= keep:
		return fmt.Errorf("%w: %d is one of the last %d correct peers, which the run needs", ErrNoPeer, number, keep)
	}
	m.byHand = true
	r.end(m)
	return nil
}

// wait returns at t, or with ctx's error when that ends first. Meanwhile it does what the console asks for.
func (r *run) wait(ctx context.Context, t time.Time) error {
	if r.cfg.Console == nil {
		return sleepUntil(ctx, t)
	}
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case f := <-r.cfg.Console.asks:
			f(r)
		}
	}
}

// A Picture is what a swarm is like at a moment. Peers are named by their numbers, those that no host ever had by -1.
type Picture struct {
	Round    int           // of the run that are over
	Rounds   int           // of the run; beyond them it only goes on for who watches
	Interval time.Duration // of a round
	Attack   string        // "none" where the faulty behave
	Seed     uint64
	Peers    []PeerPicture // in the order of their numbers
	Summary  *Summary      // of now; costs are left out
	Bins     []Bin         // of Summary.Histogram
}

// A PeerPicture is one peer of a Picture.
type PeerPicture struct {
	ID           peer.ID
	Faulty, Dead bool
	Service      bool              // it runs the service: it is alive, and not led by the adversary
	Round        uint64            // its own, that was closed last
	View, Sample []int             // peers by slot; empty slots are left out
	Health       brahmshost.Health // without a service it is empty
	InView       int               // slots of live correct peers that hold it, its own aside
	InSample     int
}

// histogramBins is into how many bins a picture's histogram is divided at most.
const histogramBins = 12

// picture takes a picture.
func (r *run) picture() *Picture {
	p := &Picture{Round: r.round, Rounds: r.cfg.Rounds, Interval: r.cfg.Interval, Attack: r.cfg.Attack, Seed: r.cfg.Seed}
	number := make(map[peer.ID]int, len(r.members))
	for i, m := range r.members {
		number[m.id] = i
	}
	var states []state
	dead := make(map[peer.ID]bool)
	p.Peers = make([]PeerPicture, len(r.members))
	count := func(i int, ids []peer.ID, of func(*PeerPicture) *int) (out []int) {
		out = []int{}
		for _, id := range ids {
			if id == "" {
				continue
			}
			j, ok := number[id]
			if !ok {
				out = append(out, -1)
				continue
			}
			out = append(out, j)
			if j != i && !r.members[i].faulty {
				*of(&p.Peers[j])++
			}
		}
		return out
	}
	for i, m := range r.members {
		line := &p.Peers[i]
		line.ID, line.Faulty, line.Dead, line.Service = m.id, m.faulty, m.dead, m.svc != nil
		line.View, line.Sample = []int{}, []int{}
		if m.dead && !m.faulty {
			dead[m.id] = true
		}
		if m.svc == nil {
			continue
		}
		snap, st := m.svc.Snapshot(), m.state(r.cfg.veteran(m.born))
		line.Round, line.Health = snap.Round, snap.Health
		line.View = count(i, st.view, func(p *PeerPicture) *int { return &p.InView })
		line.Sample = count(i, st.sample, func(p *PeerPicture) *int { return &p.InSample })
		if !m.faulty {
			states = append(states, st)
		}
	}
	p.Summary = &Summary{Peers: r.cfg.Peers, Rounds: r.cfg.Rounds, Seed: r.cfg.Seed, Faulty: r.cfg.faulty(), Attack: r.cfg.Attack}
	p.Summary.judge(states, dead)
	p.Summary.judgeFaulty(states, dead, r.crew.ids)
	p.Bins = p.Summary.Histogram(histogramBins)
	return p
}

// linger goes on counting rounds until ctx ends.
func (r *run) linger(ctx context.Context) {
	for {
		if r.wait(ctx, r.zero.Add(time.Duration(r.round+1)*r.cfg.Interval)) != nil {
			return
		}
		r.round++
	}
}
