package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// agreeEpoch is the epoch in which a swarm agrees: the first. agreeLength is how long it lasts: nobody waits for the next.
const (
	agreeEpoch  = 0
	agreeLength = 24 * time.Hour
)

// agreeGrace is for how many rounds more than it takes until all are stalled a run waits for those that are neither that nor
// done: their polls may have had too few peers.
const agreeGrace = 20

// agreeWorkers is with how many peers each peer exchanges at once for the agreement: as many as a poll asks, since a silent
// one holds its worker until the round ends.
const agreeWorkers = 20

// validateAgree says what is wrong with the agreement.
func (c Config) validateAgree() (errs []error) {
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(c.Agree >= 0 && c.Agree <= machine.MaxItems, "agree=%d must be between 0 and %d", c.Agree, machine.MaxItems)
	if c.Agree == 0 {
		bad(!c.dissent(), "agree-attack=%q needs agree of at least 1", c.AgreeAttack)
	}
	if c.dissent() {
		if err := attack.CheckDissent(c.AgreeAttack); err != nil {
			errs = append(errs, err)
		}
		if c.Faulty >= 0 && c.Faulty < 1 {
			bad(c.faulty() > 0, "agree-attack=%q needs faulty peers, and faulty=%v of peers=%d makes none", c.AgreeAttack, c.Faulty, c.Peers)
		}
	}
	if c.Agree <= 0 || len(errs) > 0 {
		return errs
	}
	left := c.Peers - c.faulty() - c.killed() - c.leaving()
	bad(c.Agree <= left, "agree=%d must be at most the number of correct peers at the end, %d", c.Agree, left)
	bad(c.AgreeInterval >= consensus.MinRoundInterval && c.AgreeInterval <= consensus.MaxRoundInterval,
		"agree-interval=%v must be between %v and %v", c.AgreeInterval, consensus.MinRoundInterval, consensus.MaxRoundInterval)
	bad(c.Preset != "paper", "agree=%d needs another preset than %q, which does not verify its samples", c.Agree, c.Preset)
	bad(c.AgreeStall >= 0, "agree-stall=%d must be at least 0", c.AgreeStall)
	return errs
}

// dissent reports whether faulty peers attack the agreement.
func (c Config) dissent() bool { return c.AgreeAttack != "" && c.AgreeAttack != attack.None }

// agreeParams are those of polls.
func (c Config) agreeParams() machine.Params {
	p := machine.Default()
	if c.AgreeStall != 0 {
		p.Stall = c.AgreeStall
	}
	return p
}

func (c Config) agreeOptions(start time.Time) []consensus.Option {
	return []consensus.Option{
		consensus.WithRoundInterval(c.AgreeInterval), consensus.WithEpochs(agreeLength, start),
		consensus.WithParams(c.agreeParams()), consensus.WithWorkers(agreeWorkers),
	}
}

// agreeStart is when the epoch begins: a round of the agreement after the run's last, and at least a second.
func (r *run) agreeStart() time.Time {
	return r.zero.Add(time.Duration(r.cfg.Rounds) * r.cfg.Interval).Add(max(r.cfg.AgreeInterval, time.Second))
}

// recruitDissent makes the adversary of the agreement, as soon as it is known when that begins.
func (r *run) recruitDissent() (err error) {
	if r.cfg.dissent() {
		r.dissent, err = attack.NewDissent(attack.DissentConfig{
			Attack: r.cfg.AgreeAttack, Epoch: agreeEpoch, Start: r.agreeStart(), Interval: r.cfg.AgreeInterval,
			Window: r.cfg.agreeParams().Window, Seed: subseed(r.cfg.Seed, "dissent", 0),
		})
	}
	return err
}

// takePart lets a peer take part in the agreement to come. It is called while there are few connections yet: libp2p tells
// each neighbour of a protocol that is new.
func (r *run) takePart(m *member) (err error) {
	switch {
	case r.cfg.Agree == 0:
	case m.faulty && r.dissent != nil:
		return r.dissent.Join(m.host)
	case !r.crew.leads(m):
		if m.agree, err = consensus.New(m.host, r.samplerOf(m), r.cfg.agreeOptions(r.agreeStart())...); err != nil {
			return fmt.Errorf("swarm: agreement of a peer: %w", err)
		}
	}
	return nil
}

// An ongoing agreement.
type ongoing struct {
	live     []*member // the correct peers that were up when it began
	start    time.Time
	proposed chan error // one for each proposal
	sent     int64      // bytes, before it began
	cancel   context.CancelFunc
}

// propose begins the agreement: random correct peers propose a word each, which waits until the epoch begins. It returns nil
// without one.
func (r *run) propose(ctx context.Context) (*ongoing, error) {
	if r.cfg.Agree == 0 {
		return nil, nil
	}
	a := &ongoing{live: correct(r.live()), start: r.agreeStart(), proposed: make(chan error, r.cfg.Agree), sent: r.meter.sent.Load()}
	if len(a.live) < r.cfg.Agree { // some were killed by hand
		return nil, fmt.Errorf("swarm: agree=%d needs as many correct peers, %d are left", r.cfg.Agree, len(a.live))
	}
	if r.dissent != nil {
		for _, m := range a.live {
			r.dissent.Meet(peer.AddrInfo{ID: m.id, Addrs: m.host.Addrs()})
		}
		r.dissent.Start()
	}
	window := time.Duration(r.cfg.agreeParams().Window) * r.cfg.AgreeInterval
	ctx, a.cancel = context.WithDeadline(ctx, a.start.Add(window))
	order := r.rng.Perm(len(a.live))
	for i, word := range wordsOf(r.cfg.Seed, r.cfg.Agree) {
		agree := a.live[order[i]].agree
		go func() { a.proposed <- proposeOne(ctx, agree, word) }()
	}
	return a, nil
}

// errNotProposed: a word missed the window, which is so on a machine that is too slow, or its peer was killed by hand just now.
var errNotProposed = errors.New("swarm: no word was proposed in time: the machine is too slow; raise agree-interval")

func proposeOne(ctx context.Context, agree *consensus.Service, word string) error {
	item, err := agree.Propose(ctx, []byte(word))
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, consensus.ErrClosed), err == nil && item.Epoch != agreeEpoch:
		return errNotProposed
	case err != nil:
		return fmt.Errorf("swarm: proposal of %q: %w", word, err)
	}
	return nil
}

// end waits until no proposal is under way, and returns how many there were. That none was in time is an error.
func (a *ongoing) end() (n int, err error) {
	for range cap(a.proposed) {
		switch e := <-a.proposed; {
		case e == nil:
			n++
		case err == nil && !errors.Is(e, errNotProposed):
			err = e
		}
	}
	a.cancel()
	if n == 0 && err == nil {
		err = errNotProposed
	}
	return n, err
}

// agree waits until the peers have agreed on a set, or will not any more, and judges what became of it.
func (r *run) agree(ctx context.Context, a *ongoing) (*Agreement, error) {
	if a == nil {
		return nil, nil
	}
	ends, err := r.untilAgreed(ctx, a.live, a.start)
	n, failed := a.end()
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	out := r.judgeAgreement(a.live, ends)
	out.Proposed = n
	out.Bytes = round3(float64(r.meter.sent.Load()-a.sent) / float64(len(a.live)) / time.Since(a.start).Seconds())
	return out, nil
}

// untilAgreed waits until each of live has closed the epoch or is stalled, and returns when each closed it.
func (r *run) untilAgreed(ctx context.Context, live []*member, start time.Time) (map[*member]time.Duration, error) {
	p := r.cfg.agreeParams()
	most := p.Window + p.Stall + agreeGrace
	ends := make(map[*member]time.Duration)
	const looks = 4 // a round
	for look := 0; ; look++ {
		if err := r.wait(ctx, start.Add(time.Duration(look)*r.cfg.AgreeInterval/looks)); err != nil {
			return nil, err
		}
		open := 0
		for _, m := range live {
			switch phase := m.phase(); {
			case m.dead || phase == machine.Stalled:
			case phase != machine.Closed:
				open++
			default:
				if _, known := ends[m]; !known {
					ends[m] = time.Since(start)
				}
			}
		}
		if r.cfg.Agreeing != nil && look%looks == 0 {
			r.cfg.Agreeing(look/looks, len(ends), len(live))
		}
		if open == 0 || look/looks >= most {
			return ends, nil
		}
	}
}

// phase is where the peer's epoch stands; 0 if it has none.
func (m *member) phase() machine.Phase {
	if m.agree == nil {
		return 0
	}
	for _, e := range m.agree.Status().Epochs {
		if e.Epoch == agreeEpoch {
			return e.Phase
		}
	}
	return 0
}
