package host

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// job is all that a round wants of one peer. One worker does it, so a peer that does not answer holds one worker and is
// dialled once.
type job struct {
	id    peer.ID
	round uint64
	do    [kinds]bool
	asks  []peer.ID // suspects that it is to probe for us
	began time.Time // when a worker got it, or a little earlier
}

// result is the answer to one exchange of a job.
type result struct {
	job
	kind kind
	answer
	last bool                  // the job is done
	life protocol.ProbeOutcome // with last: what the whole job told of the peer's life

	about peer.ID // the suspect that the peer was asked about, empty for other exchanges
	yes   bool    // it has answered the peer
}

// pushed is a push that was taken.
type pushed struct {
	from         peer.ID
	newer        bool         // it brought a record that is newer than the one we had
	fine, coarse netip.Prefix // of the address that it came from, if that is public
	public       bool
}

// loopState is what only the loop's goroutine touches.
type loopState struct {
	node      *protocol.Node
	sized     protocol.Params // those that limits and workers are for
	crowd     crowd
	marks     map[uint64]*atomic.Bool // of what the bank handed out or may hand out, by key: taken or not
	queue     []job                   // of the open round, not yet given to a worker
	busy      map[peer.ID]bool        // peers that a worker is with
	planned   int                     // exchanges of the open round
	done      int                     // of those, finished in it
	answered  int                     // exchanges, of any round, that were answered in it
	changes   changes                 // of the sample, as subscribers know it
	vitals    []vital                 // of the last rounds, at most healthWindow, oldest first
	started   time.Time               // of the open round
	due       time.Time               // its end
	links     links
	envelope  *record.Envelope // the host's own signed record, nil if it makes none
	reach     network.Reachability
	bootstrap []peer.ID
	found     []peer.ID
	seeking   bool
	seekAt    uint64 // next round in which the discover function is asked, while others are known
	phase     int    // of the rounds in which somebody of the book is visited again
	sleep     sleep
}

// run is the loop: the one goroutine that owns the node. Nothing in it waits for another peer.
func (s *Service) run(ctx context.Context) {
	s.tick(time.Now())
	timer := time.NewTimer(time.Until(s.loop.due))
	defer timer.Stop()
	for {
		var (
			out  chan<- job
			head job
		)
		if len(s.loop.queue) > 0 && !s.leaving.Load() {
			out, head = s.jobs, s.loop.queue[0]
			head.began = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			s.tick(time.Now()) // what the channel gives is when the timer was due, not when it was heard
			timer.Reset(max(time.Until(s.loop.due), time.Millisecond))
		case out <- head:
			s.loop.queue = s.loop.queue[1:]
			s.loop.busy[head.id] = true
		case p := <-s.pushes:
			s.takePushed(p)
		case r := <-s.results:
			s.take(r)
		case found := <-s.seeds:
			s.takeSeeds(found)
		case e, ok := <-s.events():
			if !ok {
				return
			}
			s.takeEvent(e)
		}
	}
}

// tick ends the open round, begins the next and publishes. Work of the ended round that no worker has begun is dropped:
// it says nothing of anybody.
func (s *Service) tick(now time.Time) {
	l := &s.loop
	s.watchClocks(now)
	s.endCrowd()
	l.node.HandlePushOverflow(int(s.overflow.Swap(0)))
	pushers := l.node.Pushers()
	s.spend()
	actions := l.node.Tick()
	s.follow()
	s.tokens.tick(actions.Round)
	s.helping.tick()
	snap := s.compose(actions.Round - 1)
	snap.Pushers = pushers
	if !l.started.IsZero() {
		snap.Planned, snap.Took = l.due.Sub(l.started), now.Sub(l.started)
	}
	snap.Exchanges, snap.Done, snap.Answered = l.planned, l.done, l.answered
	s.examine(snap)
	s.tellChanges(snap, actions.Dead)
	s.plan(actions)

	// Rounds are due at fixed steps, so that a late tick does not delay the next; after a long sleep they start anew
	// instead of catching up in a burst.
	length := s.roundLength()
	if l.due.IsZero() || now.Sub(l.due) > s.cfg.interval {
		l.due = now
	}
	l.started, l.due = now, l.due.Add(length)

	s.publish(snap)
	s.traceRound()
	s.keep(now)
	l.links.tick(s, actions.Round)
	s.seek(actions)
	s.revisit(actions)
}

// examine judges the health of the closed round, and announces what is new and who misbehaved.
func (s *Service) examine(snap *Snapshot) {
	l := &s.loop
	offenders, count := s.offences.take(snap.Round)
	snap.Offenders, snap.Offences = len(offenders), count
	snap.TurnedAway = int(s.turnedAway.Swap(0))
	if len(l.vitals) == healthWindow {
		l.vitals = append(l.vitals[:0], l.vitals[1:]...)
	}
	l.vitals = append(l.vitals, vitalOf(snap))
	before := s.Snapshot().Health
	snap.Health = judgeHealth(l.vitals, before)

	for _, e := range offenders {
		s.announcer.lines.put(e)
		s.announcer.offenders.put(e)
	}
	if !snap.Health.Same(before) {
		log.Debugw("health", "round", snap.Round, "health", snap.Health)
		s.announcer.health.put(EvtHealthChanged{Prefix: s.cfg.prefix, Round: snap.Round, Old: before, New: snap.Health})
	}
}

func (s *Service) roundLength() time.Duration {
	j := s.cfg.jitter * (2*s.cfg.jitterRand.Float64() - 1)
	return s.cfg.interval + time.Duration(j*float64(s.cfg.interval))
}

// plan turns the node's actions into jobs. A peer that a worker is still with gets no second one.
func (s *Service) plan(a protocol.Actions) {
	l := &s.loop
	l.planned, l.done, l.answered, l.queue = 0, 0, 0, nil
	if s.leaving.Load() {
		return
	}
	index := make(map[peer.ID]int)
	jobOf := func(id peer.ID) *job {
		i, ok := index[id]
		if !ok {
			i = len(l.queue)
			index[id] = i
			l.queue = append(l.queue, job{id: id, round: a.Round})
		}
		return &l.queue[i]
	}
	add := func(k kind, ids []peer.ID) {
		for _, id := range ids {
			if j := jobOf(id); !j.do[k] { // a repeat of the paper preset is one exchange here
				j.do[k] = true
				l.planned++
			}
		}
	}
	add(pull, a.Pulls)
	if s.own.Load() != nil {
		add(push, a.Pushes)
	} else { // a peer that nobody could dial does not push, but the node counts on hearing of these
		add(probe, slices.DeleteFunc(slices.Clone(a.Pushes), func(id peer.ID) bool { return slices.Contains(a.Pulls, id) }))
	}
	add(probe, a.Probes)
	s.planAsks(jobOf, a.Indirect)
	l.queue = slices.DeleteFunc(l.queue, func(j job) bool { return l.busy[j.id] })
	// A round that is too short for all of it must not always lose the same kind.
	rand.Shuffle(len(l.queue), func(i, j int) { l.queue[i], l.queue[j] = l.queue[j], l.queue[i] })
}

// work is one worker.
func (s *Service) work(ctx context.Context) {
	for {
		var j job
		select {
		case <-ctx.Done():
			return
		case j = <-s.jobs:
		}
		last := kind(0)
		for k := range kinds {
			if j.do[k] {
				last = k
			}
		}
		var a answer
		life := protocol.NoEvidence
		for k := range kinds {
			if !j.do[k] {
				continue
			}
			if s.leaving.Load() && !a.unreached {
				a = answer{unreached: true} // no evidence
			}
			if !a.unreached {
				began := time.Now()
				a = s.net.exchange(s.tokens.in(ctx, j.round), k, j.id)
				s.cfg.tracers.exchanged(k, a.outcome, began)
				life = surer(life, a.outcome)
				// A peer that did not answer will not answer the next exchange either: it has had its time.
				a.unreached = a.unreached || a.outcome == protocol.Missed
			}
			select {
			case <-ctx.Done():
				return
			case s.results <- result{job: j, kind: k, answer: a, last: k == last && len(j.asks) == 0, life: life}:
			}
			if a.outcome == protocol.Leaving { // it has said all
				a = answer{outcome: protocol.Leaving, unreached: true}
			}
		}
		if !s.ask(ctx, j, a, life) {
			return
		}
	}
}

// surer returns which of two outcomes of one job says more. A job is one piece of evidence however many exchanges it had:
// a peer that is silent for a while must not miss twice because a round ended between its pull and its push.
func surer(a, b protocol.ProbeOutcome) protocol.ProbeOutcome {
	rank := func(o protocol.ProbeOutcome) int {
		return slices.Index([]protocol.ProbeOutcome{
			protocol.NoEvidence, protocol.Withheld, protocol.Missed, protocol.AliveUnproven, protocol.Alive, protocol.Leaving,
		}, o)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// answered reports whether an outcome is that of a peer that answered.
func answered(o protocol.ProbeOutcome) bool {
	return o == protocol.Alive || o == protocol.AliveUnproven || o == protocol.Leaving
}

// take gives the answer to one exchange to the node.
func (s *Service) take(r result) {
	l := &s.loop
	if r.last {
		delete(l.busy, r.id)
	}
	if r.life == protocol.Missed && s.excused(r) {
		r.life = protocol.NoEvidence
	}
	if r.round == s.Snapshot().Round+1 {
		l.done++
	}
	if answered(r.outcome) {
		l.answered++
	}
	if r.err != nil {
		log.Debugw("exchange failed", "kind", r.kind, "peer", r.id, "outcome", r.outcome, "err", r.err)
	}
	if r.conn != nil {
		l.links.used(r.conn, r.dialled, s.Snapshot().Round+1) // not r.round: a late exchange has used it just now
	}
	if r.conn != nil && (r.outcome == protocol.Alive || r.outcome == protocol.AliveUnproven) {
		s.book.locate(r.id, r.conn.RemoteMultiaddr())
	}
	if r.about != "" && r.round == s.Snapshot().Round+1 {
		l.node.HandleIndirect(r.about, r.yes)
	}
	if r.replied {
		if r.round != s.Snapshot().Round+1 {
			s.refuse(s.answerer(r), ReasonUnsolicited, nil) // it came after its round
		} else if err := l.node.HandlePullReply(r.id, r.ids); err != nil {
			s.refuseError(s.answerer(r), err)
		} else {
			for _, id := range r.newer {
				l.node.Appeal(id)
			}
		}
	}
	if !r.last {
		return
	}
	if r.life == protocol.Alive || r.life == protocol.AliveUnproven {
		s.book.touch(r.id)
	}
	if r.life == protocol.Leaving {
		l.changes.lost(r.id, ChangeLeft)
	}
	l.node.HandleProbeResult(r.id, r.life)
}

// answerer is who gave the answer r.
func (s *Service) answerer(r result) origin {
	from := origin{peer: r.id, protocol: s.protocols[r.kind]}
	if r.conn != nil {
		from.addr = r.conn.RemoteMultiaddr()
	}
	return from
}

func (s *Service) events() <-chan any {
	if s.sub == nil {
		return nil
	}
	return s.sub.Out()
}

// takeEvent keeps up with the host: our own addresses, records that identify brings, connections that end.
func (s *Service) takeEvent(e any) {
	switch e := e.(type) {
	case event.EvtLocalAddressesUpdated:
		s.takeOwn(e.SignedPeerRecord)
		s.loop.node.Retry() // a new network, perhaps
	case event.EvtLocalReachabilityChanged:
		s.loop.reach = e.Reachability
		s.takeOwn(s.loop.envelope)
	case event.EvtPeerIdentificationCompleted:
		// identify does not leave the remote's record in the peerstore. It is wanted for peers that never pushed to us,
		// such as seeds; a peer that did has told us what it wants passed on.
		if e.SignedPeerRecord == nil || e.Conn == nil || !slices.Contains(e.Protocols, s.protocols[probe]) || s.book.raw(e.Peer) != nil {
			return
		}
		raw, err := e.SignedPeerRecord.Marshal()
		if err != nil {
			return
		}
		addr := e.Conn.RemoteMultiaddr()
		if _, _, err := s.book.put(raw, fromFirstHand, e.Peer, connScope(addr)); err != nil {
			// Not by a protocol of ours: what libp2p takes is no misbehaviour, even if we have no use for it.
			s.refuseError(origin{peer: e.Peer, addr: addr}, err)
		}
	case event.EvtPeerConnectednessChanged:
		if e.Connectedness == network.NotConnected {
			s.loop.node.HandleDisconnect(e.Peer)
		}
	}
}
