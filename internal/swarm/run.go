package swarm

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/attack"
	"github.com/brahms-p2p/brahms-p2p/internal/usage"
)

// Run runs the swarm that cfg describes and returns its summary. It takes about cfg.Rounds times cfg.Interval, and the
// time that it takes to start so many hosts. When ctx ends first, Run returns ctx's error; in every case all hosts are
// closed and all goroutines gone when it returns.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	err := cfg.Validate()
	if err != nil {
		return nil, err
	}
	// The garbage of a whole network of peers meets one collector. Twice the usual heap growth between collections gives a
	// tenth of the machine back to the peers, for a third more memory; whoever sets GOGC has the say.
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(200))
	}
	r := newRun(cfg)
	defer r.close()
	if cfg.Console != nil {
		defer close(cfg.Console.ended)
	}
	if err := r.recruit(); err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	for _, e := range r.plan() {
		if err := r.wait(ctx, r.zero.Add(e.at)); err != nil {
			return nil, err
		}
		if err := e.do(); err != nil {
			return nil, err
		}
	}
	going, err := r.propose(ctx)
	if err != nil {
		return nil, err
	}
	s := r.summary()
	if s.Agreement, err = r.agree(ctx, going); err != nil {
		return nil, err
	}
	if s.Messages, err = r.messages(ctx); err != nil {
		return nil, err
	}
	if cfg.Linger != nil {
		cfg.Linger(s)
		r.linger(ctx)
	}
	return s, nil
}

// run is a swarm that runs. Run's goroutine alone touches it.
type run struct {
	cfg      Config
	rng      *rand.Rand // who dies, and whom newcomers know
	members  []*member  // in the order of their numbers: the first peers, then newcomers
	crew     crew
	closing  sync.WaitGroup
	measured []Level
	round    int
	began    time.Time
	zero     time.Time // when all were up: the run's clock starts
	cpu      time.Duration
	cut      *cut // nil without a partition
	watched  watched
	standing *Standing       // nil without churn
	dissent  *attack.Dissent // nil unless faulty peers attack the agreement
	meter    *meter          // nil without an agreement
}

func newRun(cfg Config) *run {
	r := &run{cfg: cfg, rng: rand.New(stream(cfg.Seed, "fate", 0)), began: time.Now(), cpu: usage.CPUTime()}
	if cfg.PartitionAt > 0 {
		r.cut = newCut()
	}
	if cfg.Agree > 0 {
		r.meter = newMeter()
	}
	return r
}

// start makes all hosts and then starts their services one after another, spread over one interval: peers that start
// at once would tick at once for long, and all the work of a round would fall on the same moment.
func (r *run) start(ctx context.Context) error {
	for i := range r.cfg.Peers {
		if err := r.add(ctx, i); err != nil {
			return err
		}
	}
	r.crew.start()
	from := time.Now()
	for i, m := range r.members {
		if err := sleepUntil(ctx, from.Add(share(r.cfg.Interval, i, r.cfg.Peers))); err != nil {
			return err
		}
		if !r.crew.leads(m) {
			if err := m.start(r.cfg, i, 0, r.predecessors(i)...); err != nil {
				return err
			}
			r.crew.meet(m)
		}
		r.progress(i + 1)
	}
	r.zero = time.Now()
	if err := r.recruitDissent(); err != nil {
		return err
	}
	for _, m := range r.members {
		if err := r.takePart(m); err != nil {
			return err
		}
	}
	return nil
}

// predecessors are those that peer i knows at the start: the one before it, and if that is faulty also the last correct
// one. A peer whose only contact is faulty may never hear of a correct one, whatever the algorithm.
func (r *run) predecessors(i int) []*member {
	if i == 0 {
		return nil
	}
	known := []*member{r.members[i-1]}
	for j := i - 1; j >= 0 && known[0].faulty; j-- {
		if !r.members[j].faulty {
			return append(known, r.members[j])
		}
	}
	return known
}

// add makes the host of peer i.
func (r *run) add(ctx context.Context, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &member{faulty: r.crew.numbers[i]}
	make := r.newHost
	if r.crew.leads(m) {
		make = r.crew.adversary.Add
	}
	var err error
	if m.host, err = make(i); err != nil {
		return err
	}
	m.id = m.host.ID()
	if m.faulty && r.cfg.Messages > 0 {
		attack.TakeAndDrop(m.host)
	}
	if m.faulty { // newcomers are not: nobody writes it any more when services run
		r.crew.ids[m.id] = true
	}
	m.tally.faulty = r.crew.ids
	r.members = append(r.members, m)
	if r.cut != nil {
		return r.cut.place(m.host, r.cfg.beyond(i))
	}
	return nil
}

// event is something that happens at a time of the run's clock.
type event struct {
	at time.Duration
	do func() error
}

// plan returns all events in their order. In one moment rounds end first, then peers die, then newcomers come.
func (r *run) plan() []event {
	var events []event
	for round := 1; round <= r.cfg.Rounds; round++ {
		events = append(events, event{time.Duration(round) * r.cfg.Interval, func() error {
			r.round = round
			r.watch()
			r.stand()
			r.progress(r.cfg.Peers)
			return nil
		}})
	}
	events = append(events, r.churn()...)
	events = append(events, r.levels()...)
	at := func(round int, do func()) {
		events = append(events, event{time.Duration(round) * r.cfg.Interval, func() error { do(); return nil }})
	}
	if n := r.cfg.killed(); n > 0 {
		at(r.cfg.KillAt, func() { r.kill(n) })
	}
	if n := r.cfg.leaving(); n > 0 {
		at(r.cfg.LeaveAt, func() { r.leave(n) })
	}
	if r.cfg.PartitionAt > 0 {
		at(r.cfg.PartitionAt, r.part)
		at(r.cfg.HealAt, r.heal)
	}
	for j := range r.cfg.Join {
		at := time.Duration(r.cfg.JoinAt)*r.cfg.Interval + share(r.cfg.Interval, j, r.cfg.Join)
		events = append(events, event{at, func() error { return r.join(r.cfg.Peers+j, r.cfg.JoinAt) }})
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

// kill closes n correct peers of the first at once and without a word.
func (r *run) kill(n int) {
	for _, m := range r.choose(n) {
		r.end(m)
	}
}

// leave lets n correct peers of the first leave politely.
func (r *run) leave(n int) {
	within := time.Duration(leaveRounds) * r.cfg.Interval
	for _, m := range r.choose(n) {
		r.crew.lose(m)
		m.left = true
		svc := m.svc
		end := m.die(r.round)
		r.closing.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			_ = svc.Leave(ctx) // that somebody still asked when time was up shows in the figures
			end()
		})
	}
}

// leaveRounds is for how long a peer that leaves goes on answering, at most.
const leaveRounds = 20

// choose draws n of the first correct peers that are alive.
func (r *run) choose(n int) (out []*member) {
	first := slices.DeleteFunc(correct(r.members[:r.cfg.Peers]), func(m *member) bool { return m.dead })
	for _, i := range r.rng.Perm(len(first))[:min(n, len(first))] { // some may have been killed by hand
		out = append(out, first[i])
	}
	return out
}

// join starts peer i, which knows one live correct peer.
func (r *run) join(i, round int) error {
	live := correct(r.live())
	known := live[r.rng.IntN(len(live))]
	if err := r.add(context.Background(), i); err != nil {
		return err
	}
	r.members[i].contact = known
	if err := r.members[i].start(r.cfg, i, round, known); err != nil {
		return err
	}
	r.crew.meet(r.members[i])
	return r.takePart(r.members[i])
}

func correct(members []*member) []*member {
	return slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m.faulty })
}

func (r *run) live() []*member {
	return slices.DeleteFunc(slices.Clone(r.members), func(m *member) bool { return m.dead })
}

func (r *run) progress(started int) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(Progress{Started: started, Round: r.round, Live: min(started-r.cfg.Peers, 0) + len(r.live())})
	}
}

// summary judges the swarm as it is now, and what it has cost up to now.
func (r *run) summary() *Summary {
	s := &Summary{Peers: r.cfg.Peers, Rounds: r.cfg.Rounds, Seed: r.cfg.Seed}
	var states []state
	pairs := make(map[[2]peer.ID]bool)
	live, dead, overdue := make(map[peer.ID]bool), make(map[peer.ID]bool), make(map[peer.ID]bool)
	members := correct(r.members)
	for _, m := range members {
		if m.dead {
			dead[m.id] = true
			overdue[m.id] = r.cfg.Churn == 0 && !m.byHand || r.round-m.died > churnRounds
			continue
		}
		live[m.id] = true
		states = append(states, m.state(r.cfg.veteran(m.born)))
	}
	for _, m := range members {
		s.Dials += m.costs().dials
		if m.dead {
			continue
		}
		a := m.id
		for _, b := range m.host.Network().Peers() {
			if live[b] {
				pairs[[2]peer.ID{min(a, b), max(a, b)}] = true
			}
		}
	}
	s.Connections = len(pairs)
	s.judge(states, overdue)
	s.RoundsOnTime, s.ExchangesDone = punctuality(members)
	r.judgeAttack(s, states, dead)
	s.Levels = r.measured
	r.judgeRounds(s)
	s.Standing = r.standing

	s.Seconds = round3(time.Since(r.began).Seconds())
	s.CPUSeconds = round3((usage.CPUTime() - r.cpu).Seconds())
	s.HeapMB, s.RSSMB = usage.HeapMB(), usage.PeakMB()
	s.RSSMBMax = s.RSSMB
	return s
}

// veteran reports whether a peer that came in the given round of the run was up for the maturity time at its end, or,
// in a run that is too short for that, for all of it.
func (c Config) veteran(born int) bool { return c.Rounds-born >= min(MaturityRounds, c.Rounds) }

// punctuality returns Summary.RoundsOnTime and ExchangesDone.
func punctuality(members []*member) (onTime, done float64) {
	var sum tally
	for _, m := range members {
		m.tally.mu.Lock()
		sum.timed += m.tally.timed
		sum.onTime += m.tally.onTime
		sum.exchanges += m.tally.exchanges
		sum.done += m.tally.done
		m.tally.mu.Unlock()
	}
	return ratio(sum.onTime, sum.timed), ratio(sum.done, sum.exchanges)
}

// close closes all peers, also those that are being closed.
func (r *run) close() {
	if r.dissent != nil {
		r.dissent.Close() // before the hosts
	}
	r.closing.Go(r.crew.close)
	for _, m := range r.members {
		if !m.dead && !r.crew.leads(m) {
			r.closing.Go(m.close)
		}
	}
	r.closing.Wait()
}

// share is i n-ths of d.
func share(d time.Duration, i, n int) time.Duration {
	return time.Duration(float64(d) * float64(i) / float64(n))
}

func round3(x float64) float64 { return math.Round(1000*x) / 1000 }

// sleepUntil returns at t, or with ctx's error when that ends first.
func sleepUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
