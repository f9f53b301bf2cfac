package protocol

import (
	"cmp"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/view"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Sizes of what a node remembers about lives. Each table is bounded whatever the network does (D26).
const (
	doubtWindow  = 8    // first probes that self-doubt looks at
	metSize      = 256  // ids that answered lately and are offered to slots that death cleared
	healthMemory = 16   // rounds after which an id that is neither among those nor in the sample is forgotten: see meet
	tombSize     = 4096 // tombstones of each kind; the oldest gives way
	maxAppeals   = 8    // tombstoned ids that are probed in one round because something new was heard of them
	firstAppeal  = 4    // rounds until an id may appeal a second time; doubled each time
	maxWait      = 1024 // rounds, the cap of all doubling
	firstRest    = 2    // rounds for which a stranger is refused that could not be asked; doubled each time, up to Params.Unverified
)

// ledger is what a node knows of the lives of others. A miss is one failed real attempt; an id with a miss is suspect,
// with Params.Misses of them in distinct rounds it is dead.
type ledger struct {
	p        Params
	health   map[peer.ID]health
	once     graveyard // ids that had been verified
	never    graveyard // ids that never answered; apart, so that phantoms crowd out phantoms only
	met      ring
	missed   []peer.ID // ids with a miss in the open round, in order of arrival
	appeals  []peer.ID
	answered int    // exchanges of ours that succeeded in the open round
	silent   uint32 // the round after the last in which none did

	firsts   [doubtWindow]bool // a failed first probe, in turn
	firstAt  int
	doubting bool
	doubtRun int // rounds of doubt in a row while exchanges succeeded

	dead      []peer.ID // sampled ids that died at the end of the last closed round
	postponed int       // and those that would have
}

// health is small, since a node keeps some hundreds: rounds that do not fit 32 bits are centuries away.
type health struct {
	asked    uint32 // last round in which it was probed or gave evidence
	judged   uint32 // the round after the last that entered the window of first probes
	lastMiss uint32 // round
	answered uint32 // last round in which it answered
	misses   uint32
	since    uint32 // round of the first of them
	// vouched is the round after the last in which a helper heard of it, postponed in how many rounds that put off its
	// death since it answered last.
	vouched, postponed uint32

	verified bool // answered once
	proven   bool // answered a dial of ours
	seated   bool // failed as a challenger
	met      bool // stands in ledger.met
}

func newLedger(p Params) ledger {
	return ledger{p: p, health: make(map[peer.ID]health), once: newGraveyard(), never: newGraveyard()}
}

// of returns what is known of id; the caller stores what it changes.
func (l *ledger) of(id peer.ID) health {
	h, ok := l.health[id]
	if !ok {
		h.verified = l.once.known(id)
	}
	return h
}

// forget drops what is known of id, except its place in met.
func (l *ledger) forget(id peer.ID) {
	if l.health[id].met {
		l.health[id] = health{met: true, verified: l.once.known(id)}
		return
	}
	delete(l.health, id)
}

func (l *ledger) suspect(id peer.ID) bool { return l.health[id].misses > 0 }

func (l *ledger) verified(id peer.ID) bool { return l.health[id].verified }

func (l *ledger) proven(id peer.ID) bool { return l.health[id].proven }

func (l *ledger) buried(id peer.ID, round uint64) bool {
	return l.once.holds(id, round) || l.never.holds(id, round)
}

func (l *ledger) remembered() int { return len(l.once.tombs) + len(l.never.tombs) }

// first notes the first probe of a sampled id that was not suspect, once a round and id.
func (l *ledger) first(h *health, round uint64, failed bool) {
	if h.misses > 0 || h.judged == uint32(round+1) {
		return
	}
	h.judged = uint32(round + 1)
	l.firsts[l.firstAt%doubtWindow] = failed
	l.firstAt++
}

// doubt decides whether the round's misses may be the node's own fault (D17): more than half of the last first probes
// failed. It spares the dying for at most Params.DoubtRounds rounds in a row while any exchange succeeds, and for as
// long as none does: a node that reaches nobody cannot tell a dead network from a broken uplink.
func (l *ledger) doubt() bool {
	failed := 0
	for _, f := range l.firsts {
		if f {
			failed++
		}
	}
	switch {
	case l.p.DoubtRounds == 0:
		return false
	case 2*failed <= doubtWindow:
		l.doubtRun = 0
		return false
	case l.answered == 0:
		return true
	case l.doubtRun < l.p.DoubtRounds:
		l.doubtRun++
		return true
	}
	return false
}

// HandleProbeResult takes what an exchange with id told of its life: a probe, or a push or pull, which is a real attempt
// as good as a probe (D14). Late results count like any other. NoEvidence changes nothing.
func (n *Node) HandleProbeResult(id peer.ID, o ProbeOutcome) {
	if id == n.self || id == "" || o == NoEvidence {
		return
	}
	if n.probing[id] {
		delete(n.probing, id)
		if o != Missed {
			n.in.probes++
		}
	}
	held := n.sample.Holds(id) > 0
	round := uint32(n.round)
	h := n.life.of(id)
	h.asked = round
	switch o {
	case Alive, AliveUnproven:
		n.life.answered++
		if held {
			n.life.first(&h, n.round, false)
		}
		h.misses, h.verified, h.seated, h.postponed, h.answered = 0, true, false, 0, round
		h.proven = h.proven || o == Alive
		if !h.met {
			h.met = true
			n.meet(id)
		}
		n.life.health[id] = h
		n.life.once.remove(id)
		n.life.never.remove(id)
		n.unheard = false
		n.sample.Answered(id)
		if !n.p.Direct {
			n.in.vacated = n.sample.Confirm(id) > 0 || n.in.vacated
			if n.bank != nil {
				n.in.spent = n.bank.Confirm(id) > 0 || n.in.spent
			}
		}
	case Missed:
		n.unmet.fail(id)
		if held {
			n.life.first(&h, n.round, true)
		}
		if h.misses == 0 || h.lastMiss != round { // one miss a round, however many exchanges were lost in it
			if h.misses++; h.misses == 1 {
				h.since = round
			}
			h.lastMiss = round
			h.seated = n.seated(id)
			n.life.missed = append(n.life.missed, id)
			n.sample.Refuse(id)
			if n.bank != nil {
				n.bank.Refuse(id)
			}
		}
		n.life.health[id] = h
	case Leaving:
		// D24: it said so itself: no death, and nothing to doubt.
		n.life.answered++
		n.in.vacated = n.sample.Clear(id) > 0 || n.in.vacated
		n.unbank(id)
		n.life.once.depart(id, n.round, n.p.Tombstone)
		n.life.forget(id)
	case Withheld:
		if held && int(h.misses) >= n.p.Misses && h.postponed == 0 && h.since >= n.life.silent {
			n.due(id, h)
			return
		}
		n.rest(id, h)
	}
}

// due brings a sampled id before bury again that missed often enough and was spared by MaxDeaths or self-doubt (D32). The
// driver bounds how often an address is dialled in vain, so a death that was put off must not need one more dial: where
// half of a network died at once, samples would name the dead until there is room to dial them again. Not so if there was
// a round since its first miss in which nobody answered: then it may be our uplink that spent the dials.
func (n *Node) due(id peer.ID, h health) {
	if round := uint32(n.round); h.lastMiss != round {
		h.lastMiss = round
		n.life.missed = append(n.life.missed, id)
	}
	n.life.health[id] = h
}

// rest refuses a stranger that could not be asked, because too many dials of its addresses have failed already, for some
// rounds (D31). It is no death, and nothing is held against an id that ever answered. But a stranger whose probe brings
// nothing must not keep its seat, nor come back to it in the next round: phantoms that all claim one address would shadow
// correct ids for as long as that address is held back. News of it buys a probe, as for the dead.
func (n *Node) rest(id peer.ID, h health) {
	if h.verified {
		return
	}
	n.sample.Refuse(id)
	n.life.never.buryUpTo(id, n.round, min(firstRest, n.p.Unverified), n.p.Unverified)
}

// meet adds id to those that answered lately. Who gives way to it is forgotten, unless it holds a slot or missed. Of an id
// outside the sample the rules ask little more than whether it ever answered: how it is refused if it misses now, and
// whether a node that heard nothing in a round is alone. To be taken for a stranger again costs it some rounds of
// refusal, and the node a turn of its seeds. A miss outside the sample is remembered for healthMemory rounds, since a
// second one is death.
func (n *Node) meet(id peer.ID) {
	gone := n.life.met.add(id)
	h, ok := n.life.health[gone]
	if !ok {
		return
	}
	if h.misses == 0 && n.holds(gone) == 0 {
		delete(n.life.health, gone)
		return
	}
	h.met = false
	n.life.health[gone] = h
}

// HandleDisconnect tells that the last connection to id is gone. An id that was only ever reached over a connection of
// its own dialling is probed next, ahead of all others: now a dial can show whether it is reachable.
func (n *Node) HandleDisconnect(id peer.ID) {
	if h := n.life.health[id]; h.verified && !h.proven && n.sample.Holds(id) > 0 {
		h.asked = 0
		n.life.health[id] = h
	}
}

// Appeal tells that something new was heard of id: a strictly newer record, or a push of its own. If id is taken for
// dead this buys it one probe (D19), and the next only after a time that doubles: an attacker has old records and pushes
// enough. Nothing but an answer to that probe lifts the tombstone.
func (n *Node) Appeal(id peer.ID) {
	waiting := len(n.life.appeals)
	if waiting >= maxAppeals || slices.Contains(n.life.appeals, id) {
		return
	}
	// Ids that never answered cost nothing to make: they get half of the places at most.
	if n.life.once.appeal(id, n.round) || waiting < maxAppeals/2 && n.life.never.appeal(id, n.round) {
		n.life.appeals = append(n.life.appeals, id)
	}
}

// bury decides at the end of a round who of those that missed in it is dead, and returns the number of sampled ids that
// died. At most Params.MaxDeaths of them do (D18): the others must miss again, so a storm of misses that is our own fault
// costs a bounded part of the sample.
func (n *Node) bury() int {
	l := &n.life
	l.doubting = l.doubt()
	if l.answered == 0 {
		l.silent = uint32(n.round + 1)
	}
	l.dead, l.postponed = nil, 0
	deaths, enough := 0, uint32(n.p.Misses)
	for _, id := range l.missed {
		h := l.health[id]
		if h.misses == 0 || l.doubting {
			continue // it answered after all, or nobody dies in this round
		}
		switch {
		case n.sample.Holds(id) > 0:
			if h.misses < enough || deaths >= n.p.MaxDeaths {
				continue
			}
			if n.postpones(id, h) {
				l.postponed++
				continue
			}
			deaths++
			l.dead = append(l.dead, id)
			n.sample.Clear(id)
			l.once.bury(id, n.round, n.p.Tombstone, true)
		case l.answered == 0:
			continue // nobody answered: no reason to think worse of one than of another
		case h.verified && (h.misses >= enough || h.seated && l.once.known(id)):
			l.once.bury(id, n.round, n.p.Tombstone, true)
		case !h.verified && (h.misses >= enough || l.never.known(id) || h.seated):
			l.never.bury(id, n.round, n.p.Unverified, true)
		default:
			continue
		}
		l.forget(id)
		n.unbank(id)
	}
	l.missed, l.answered = l.missed[:0], 0
	if n.round%healthMemory == 0 {
		for id, h := range l.health {
			if !h.met && uint64(max(h.asked, h.lastMiss))+healthMemory < n.round && n.holds(id) == 0 {
				delete(l.health, id)
			}
		}
	}
	return deaths
}

// planProbes chooses whom to probe in the round that begins: sampled ids that are suspect, ahead of the rotation and
// beside its budget; Params.Probes of the others, those first whose last evidence is oldest; challengers; appeals.
//
// The order by age of evidence, random where equal (D15), is a round-robin in which every exchange counts as a turn: an
// id is asked again at the latest after ceil(distinct/probes) rounds. (A reshuffled round-robin as in SWIM takes twice
// that in the worst case: first in one lap, last in the next.)
func (n *Node) planProbes(a Actions) []peer.ID {
	clear(n.seen)
	for _, ids := range [][]peer.ID{a.Pushes, a.Pulls} {
		for _, id := range ids {
			n.seen[id] = true
		}
	}
	var probes []peer.ID
	add := func(id peer.ID) bool {
		if n.seen[id] {
			return false // the push or pull will tell
		}
		n.seen[id] = true
		probes = append(probes, id)
		return true
	}

	type member struct {
		id peer.ID
		health
	}
	members := make([]member, 0, n.sample.Len())
	for _, id := range view.Choose(n.rng, n.sample.Members(), n.sample.Len()) {
		members = append(members, member{id, n.life.of(id)})
	}
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(a.asked, b.asked) })
	suspects, others := 2*n.p.Probes, n.p.Probes
	if n.sample.Waiting() > 0 {
		others = max(others, n.waking)
	}
	for _, m := range members {
		budget := &others
		if m.misses > 0 {
			budget = &suspects
		}
		if *budget--; *budget >= 0 && add(m.id) {
			m.asked = uint32(n.round)
			n.life.health[m.id] = m.health
		}
	}
	for _, id := range n.sample.Challengers(n.p.Challenges, n.round, n.rng.Shuffle) {
		add(id)
	}
	for _, id := range n.life.appeals {
		add(id)
	}
	n.life.appeals = n.life.appeals[:0]
	n.planBank(add)
	return probes
}

// ring holds the last metSize ids that were added; ledger.health says who is in it.
type ring struct {
	ids  []peer.ID
	next int
}

// add returns the id that gave way, empty if there was room.
func (r *ring) add(id peer.ID) (gone peer.ID) {
	if len(r.ids) < metSize {
		r.ids = append(r.ids, id)
		return ""
	}
	gone = r.ids[r.next]
	r.ids[r.next] = id
	r.next = (r.next + 1) % metSize
	return gone
}

// graveyard is a bounded table of tombstones (D19). The oldest gives way to a new one.
type graveyard struct {
	tombs map[peer.ID]tomb
	order []peer.ID // a ring, by burial; removed ids leave a stale entry behind
	next  int
}

type tomb struct {
	until      uint32 // first round in which the id is not refused
	wait       uint32 // for how long it was refused
	appealAt   uint32 // first round in which it may appeal
	appealWait uint32
	leftAt     uint32 // round in which it said that it leaves, plus one; 0: it died
}

func newGraveyard() graveyard { return graveyard{tombs: make(map[peer.ID]tomb)} }

// holds reports whether id is refused in the given round.
func (g *graveyard) holds(id peer.ID, round uint64) bool {
	return round < uint64(g.tombs[id].until)
}

func (g *graveyard) known(id peer.ID) bool { _, ok := g.tombs[id]; return ok }

func (g *graveyard) remove(id peer.ID) { delete(g.tombs, id) }

// bury refuses id for wait rounds, or with double set, where it failed again and has not answered since, for twice as
// long as the last time. A standing tombstone is not extended. wait 0 refuses nobody.
func (g *graveyard) bury(id peer.ID, round uint64, wait int, double bool) {
	most := wait
	if double {
		most = maxWait
	}
	g.buryUpTo(id, round, wait, most)
}

// buryUpTo is bury with double set, but for at most most rounds, wait or more.
func (g *graveyard) buryUpTo(id peer.ID, round uint64, wait, most int) {
	if wait == 0 || g.holds(id, round) {
		return
	}
	t, known := g.tombs[id]
	switch {
	case known:
		t.wait = min(max(uint32(wait), 2*t.wait), uint32(most))
	default:
		t = tomb{wait: uint32(wait), appealWait: firstAppeal}
		if len(g.order) < tombSize {
			g.order = append(g.order, id)
			break
		}
		delete(g.tombs, g.order[g.next])
		g.order[g.next] = id
		g.next = (g.next + 1) % tombSize
	}
	t.until, t.leftAt = uint32(round)+t.wait, 0
	g.tombs[id] = t
}

// depart refuses id, which said that it leaves, for wait rounds, so that gossip does not bring it back. Of a grave that is
// there already it makes one of a leaver, and does not extend it.
func (g *graveyard) depart(id peer.ID, round uint64, wait int) {
	g.bury(id, round, wait, false)
	if t, known := g.tombs[id]; known {
		t.leftAt = uint32(round) + 1
		g.tombs[id] = t
	}
}

// left reports whether id is refused, or was, because it said that it leaves.
func (g *graveyard) left(id peer.ID) bool { return g.tombs[id].leftAt > 0 }

// welcome tells that id pushed. If it had said in an earlier round that it leaves, it is back: that was its own word, and
// so is this. A push of the same round may have been sent before.
func (g *graveyard) welcome(id peer.ID, round uint64) {
	if t := g.tombs[id]; t.leftAt > 0 && uint64(t.leftAt) <= round {
		g.remove(id)
	}
}

// appeal reports whether id, which must be refused now, may be probed all the same, and puts its next appeal off.
func (g *graveyard) appeal(id peer.ID, round uint64) bool {
	t := g.tombs[id]
	if round >= uint64(t.until) || round < uint64(t.appealAt) {
		return false
	}
	t.appealAt = uint32(round) + t.appealWait
	t.appealWait = min(2*t.appealWait, maxWait)
	g.tombs[id] = t
	return true
}
