package consensus

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// loopState is what the loop owns.
type loopState struct {
	machine *machine.Machine
	clock   machine.Clock // where the wall clock stood in this round
	began   bool          // the wall clock has passed the start of epoch 0
	back    bool          // it stands before the epoch that the machine has reached
	round   uint64
	waiting []*proposal
	phases  map[uint64]machine.Phase // that were announced
	polls   []PollStatus             // of this round

	kept []byte // the state that was given to the keeper last

	end     context.CancelFunc // of this round's exchanges
	pending int                // exchanges of this round that have not ended
	done    chan struct{}      // closed when they have; nil but in tests
}

// A step is a round that a test asks for.
type step struct {
	clock machine.Clock
	done  chan struct{} // closed when all exchanges of the round have ended
}

// A job is one exchange of a round.
type job struct {
	round    uint64
	exchange Exchange
	to       peer.AddrInfo
	epoch    uint64
	nonce    machine.Nonce // of a poll
	ids      []machine.ID  // of a fetch
}

// A result is what came of a job.
type result struct {
	job
	from    origin
	outcome Outcome
	answer  machine.Answer // of a poll that was answered
	items   []machine.Item // of a fetch: asked for, and verified
}

// run is the loop.
func (s *Service) run() {
	s.loop.end = func() {}
	defer func() { s.loop.end() }()
	var tick <-chan time.Time
	if !s.cfg.manual {
		// Hosts that start together must not all ask at the same moments.
		first := time.NewTimer(rand.N(s.cfg.interval))
		defer first.Stop()
		tick = first.C
	}
	var ticker *time.Ticker
	for {
		select {
		case <-s.life.Done():
			return
		case now := <-tick:
			if ticker == nil {
				ticker = time.NewTicker(s.cfg.interval)
				defer ticker.Stop()
				tick = ticker.C
			}
			s.openRound(s.cfg.clock(now))
		case st := <-s.steps:
			s.loop.done = st.done
			s.openRound(st.clock, true)
			s.tellStep()
		case p := <-s.proposals:
			if !s.offer(p) {
				s.loop.waiting = append(s.loop.waiting, p)
			}
		case r := <-s.results:
			s.take(r)
		}
	}
}

// clock returns where a wall clock stands; ok is false before epoch 0.
func (c *config) clock(now time.Time) (at machine.Clock, ok bool) {
	since := now.Sub(c.start) // by the wall clock: start has no other
	if since < 0 {
		return machine.Clock{}, false
	}
	return machine.Clock{Epoch: uint64(since / c.length), Age: uint64(since % c.length / c.interval)}, true
}

// openRound closes a round and opens the next.
func (s *Service) openRound(clock machine.Clock, ok bool) {
	l := &s.loop
	s.takeQueued()
	l.end()
	l.round++
	l.polls, l.pending = nil, 0
	if !ok {
		s.publish(nil)
		return
	}
	l.clock, l.began = clock, true
	actions := l.machine.Tick(clock)
	l.back = l.epoch() > clock.Epoch
	s.offerAll()
	jobs := s.fetchJobs(actions.Fetches)
	for _, poll := range actions.Polls {
		jobs = append(jobs, s.pollJobs(poll)...)
	}
	s.publish(actions.Closed)
	s.keep()
	s.exchangeAll(jobs)
}

func (l *loopState) hasEpoch() bool { return len(l.machine.Status()) > 0 }

// epoch is the one that the machine has reached.
func (l *loopState) epoch() uint64 {
	st := l.machine.Status()
	if len(st) == 0 {
		return 0
	}
	return st[len(st)-1].Epoch
}

// pollJobs draws the peers of a poll.
func (s *Service) pollJobs(poll machine.Poll) (jobs []job) {
	l := &s.loop
	// The polls of the window only spread items: they leave the fresh peers to those that count.
	counts := poll.Epoch < l.clock.Epoch || l.clock.Age >= uint64(s.cfg.params.Window)
	picks, fresh := s.draw(poll.K, counts)
	if s.unsure(poll.Epoch, len(picks)) {
		picks, fresh = nil, 0
	}
	ids := make([]peer.ID, len(picks))
	for i, p := range picks {
		ids[i] = p.ID
	}
	asked, err := l.machine.Ask(poll.Epoch, ids)
	if err != nil { // too few: the machine's status says so
		l.polls = append(l.polls, PollStatus{Epoch: poll.Epoch})
		return nil
	}
	l.polls = append(l.polls, PollStatus{Epoch: poll.Epoch, Peers: len(asked), Fresh: fresh})
	s.counts.picked.Add(uint64(len(asked)))
	s.counts.fresh.Add(uint64(fresh))
	for _, p := range picks[:len(asked)] {
		jobs = append(jobs, job{round: l.round, exchange: ExchangePoll, to: p, epoch: poll.Epoch, nonce: poll.Nonce})
	}
	return jobs
}

// unsure reports whether so many peers are too few for a newcomer to learn an epoch from. While its sample is young they are those
// that it happened to meet first, all of them are asked each time, and Adopt rounds are soon over: if most of them are faulty it
// would decide what those say. It waits for more peers or for a mature sample, and so in a small network mostly for the next epoch.
func (s *Service) unsure(epoch uint64, picks int) bool {
	if picks >= s.cfg.params.K || !s.sampler.Snapshot().Node.Young {
		return false
	}
	return slices.ContainsFunc(s.loop.machine.Status(), func(e machine.Status) bool { return e.Epoch == epoch && e.Late })
}

// fetchJobs asks peers of the last polls, with which there is or was a connection, for items that they have listed.
func (s *Service) fetchJobs(fetches []machine.Fetch) (jobs []job) {
	for _, f := range fetches {
		jobs = append(jobs, job{
			round: s.loop.round, exchange: ExchangeFetch, to: peer.AddrInfo{ID: f.From}, epoch: f.Epoch, ids: f.IDs,
		})
	}
	return jobs
}

// exchangeAll starts the exchanges of a round. They end with it.
func (s *Service) exchangeAll(jobs []job) {
	ctx, cancel := context.WithTimeout(s.life, s.cfg.interval)
	s.loop.end, s.loop.pending = cancel, len(jobs)
	// By chance, who comes last if silent peers hold the workers.
	rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	for range min(s.cfg.workers, len(jobs)) {
		s.running.Go(func() {
			for j := range queue {
				s.do(ctx, j)
			}
		})
	}
}

// do does one exchange and gives what came of it to the loop.
func (s *Service) do(ctx context.Context, j job) {
	began := time.Now()
	r := s.exchange(ctx, j)
	s.cfg.tracers.exchanged(j.exchange, r.outcome, time.Since(began))
	select {
	case s.results <- r:
	case <-s.life.Done():
	}
}

// takeQueued takes the results that came while the loop was busy.
func (s *Service) takeQueued() {
	for {
		select {
		case r := <-s.results:
			s.take(r)
		default:
			return
		}
	}
}

// take gives a result to the machine. One of an earlier round comes too late: its poll is closed.
func (s *Service) take(r result) {
	if r.round != s.loop.round {
		return
	}
	s.loop.pending--
	defer s.tellStep()
	if r.outcome != Answered {
		return
	}
	if r.exchange == ExchangePoll {
		if err := s.loop.machine.HandleAnswer(r.to.ID, r.nonce, r.answer); err != nil {
			s.refuse(r.from, reasonOf(err), err)
			return
		}
		s.counts.answered.Add(1)
		return
	}
	for _, it := range r.items {
		if err := s.loop.machine.HandleItem(r.to.ID, it); err != nil && !errors.Is(err, machine.ErrUnsolicited) {
			s.refuse(r.from, reasonOf(err), err)
		}
	}
}

// tellStep tells a test that the exchanges of its round have ended.
func (s *Service) tellStep() {
	if s.loop.pending == 0 && s.loop.done != nil {
		close(s.loop.done)
		s.loop.done = nil
	}
}

// step opens a round and waits until its exchanges have ended. For tests, with withManualRounds.
func (s *Service) step(clock machine.Clock) {
	st := step{clock, make(chan struct{})}
	select {
	case s.steps <- st:
		select {
		case <-st.done:
		case <-s.life.Done():
		}
	case <-s.life.Done():
	}
}
