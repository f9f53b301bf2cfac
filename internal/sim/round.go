package sim

import (
	"fmt"
	"math"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// parts is into how many parts a round is divided under jitter. The nodes of one part tick together, then all exchanges
// that they ordered happen.
const parts = 8

// An exchange is a message of a correct node and its answer.
type exchange struct {
	kind kind
	from *member
	to   *member // nil if id is a phantom
	id   peer.ID
}

type kind uint8

const (
	pushing kind = iota
	pulling
	probing
)

// step runs one round: what befalls nodes from outside, then the round itself, all at once or in parts.
func (w *world) step() {
	w.round++
	w.churn()
	w.attack.begin(w)
	w.mint.open()
	w.pushes = w.attack.plan(w, w.pushes[:0])
	w.stamp()
	if w.cfg.Jitter == 0 {
		w.part(w.correct, 0, len(w.pushes))
	} else {
		w.jittered()
	}
	w.attack.observe(w)
	w.sent = 0
	for _, n := range w.correct {
		w.sent += len(w.members[n].acts.Pushes)
	}
}

// churn lets nodes leave and newcomers come.
func (w *world) churn() {
	if w.cfg.Churn > 0 {
		// Rounded at random, so that small networks churn at the given rate too.
		count := int(float64(w.cfg.Churn*float64(len(w.correct))) + w.rng.Float64())
		gone := w.pick(min(count, len(w.correct)-1))
		w.depart(gone)
		for range gone {
			w.arrive()
		}
	}
	if w.cfg.Join > 0 && w.round == w.cfg.JoinAt {
		for range w.cfg.Join {
			w.newcomers = append(w.newcomers, w.arrive().number)
		}
	}
	w.grow()
}

// jittered runs the parts of a round one after the other. A node keeps its place in the round, give or take the jitter,
// so that a neighbour's messages of two rounds can fall into one of its own, and none into another.
func (w *world) jittered() {
	var numbers [parts][]int
	for _, n := range w.correct {
		m := w.members[n]
		// Rounded at random, so that a jitter of less than a part shifts too.
		shift := int(math.Floor(float64(w.cfg.Jitter*parts*(m.net.Float64()-.5)) + m.net.Float64()))
		k := min(max(m.place+shift, 0), parts-1)
		numbers[k] = append(numbers[k], n)
	}
	for i := range numbers {
		w.part(numbers[i], i*len(w.pushes)/parts, (i+1)*len(w.pushes)/parts)
	}
}

// part lets the given correct nodes tick and does the work that they ordered, with the pushes of faulty nodes from one
// place in world.pushes up to another.
func (w *world) part(numbers []int, from, to int) {
	w.each(numbers, w.tick)
	w.route(numbers, from, to)
	w.each(w.correct, w.receive)
	w.each(numbers, w.converse)
}

// tick opens a node's round, publishes its view and sends its pushes.
func (w *world) tick(m *member) {
	m.acts = m.node.Tick()
	m.falsely = w.falselyDead(m.acts.Dead)
	m.view = m.node.View()
	m.load = m.node.Carries()
	m.contacted, m.sent = m.contacted[:0], m.sent[:0]
	m.desk.open(w.mint)
	m.meter.open(w)
	for _, id := range m.acts.Pushes {
		x := exchange{kind: pushing, from: m, to: w.member(id), id: id}
		// Whoever answers is alive; the push itself is work.
		if w.meet(x) && m.desk.pays(w.mint) && x.to != nil && !x.to.faulty && x.to.up {
			m.sent = append(m.sent, x.to.number)
		}
	}
}

// route puts the pushes that arrive into the receivers' inboxes, those of correct nodes first: their order changes
// nothing, as long as it is always the same.
func (w *world) route(numbers []int, first, end int) {
	for _, n := range numbers {
		for _, to := range w.members[n].sent {
			if w.admits(n, to) {
				w.members[to].inbox = append(w.members[to].inbox, n)
			}
		}
	}
	for i, p := range w.pushes[first:end] {
		from, to := w.members[p.from], w.members[p.to]
		if to.up && !w.lost(to) && !w.attack.cuts(w, from, to) && w.reaches(from, to) && w.admitsFaulty(first+i) {
			to.inbox = append(to.inbox, p.from)
		}
	}
}

// receive hands a node the pushes of its inbox.
func (w *world) receive(m *member) {
	for _, n := range m.inbox {
		from := w.members[n]
		load := from.load
		if from.faulty && w.cfg.Algorithm != Brahms {
			load = w.attack.load(w, from, m)
		}
		m.node.HandlePush(from.id, load)
		m.meter.count(w, n)
	}
	m.inbox = m.inbox[:0]
}

// converse does a node's pulls and probes, after the answers to earlier probes that are due.
func (w *world) converse(m *member) {
	waiting := m.late[:0]
	for _, l := range m.late {
		if l.round > w.round {
			waiting = append(waiting, l)
			continue
		}
		w.confirm(m, l.id, l.outcome)
		m.node.HandleProbeResult(l.id, l.outcome)
	}
	m.late = waiting
	for _, id := range m.acts.Pulls {
		w.meet(exchange{kind: pulling, from: m, to: w.member(id), id: id})
	}
	for _, id := range m.acts.Probes {
		w.meet(exchange{kind: probing, from: m, to: w.member(id), id: id})
	}
	w.askOthers(m)
}

// meet carries out an exchange, tells the node what it told of the other's life, and reports whether it succeeded.
func (w *world) meet(x exchange) bool {
	node := x.from.node
	o := protocol.Missed
	correct := x.to != nil && !x.to.faulty
	switch {
	case w.lost(x.from) || x.to != nil && (w.attack.cuts(w, x.from, x.to) || !w.reaches(x.from, x.to)):
	case correct && x.to.up:
		o = protocol.Alive
	case correct && x.to.parted >= w.round:
		o = protocol.Leaving
	case !correct:
		if w.attack.watches() {
			x.from.contacted = append(x.from.contacted, x)
		}
		var delay int
		if o, delay = w.attack.answer(w, x); delay > 0 {
			x.from.late = append(x.from.late, late{round: w.round + delay, id: x.id, outcome: o})
			return false
		}
	}
	if x.kind == pulling && (o == protocol.Alive || o == protocol.AliveUnproven || o == protocol.Leaving) {
		ids := w.reply(x)
		if err := node.HandlePullReply(x.id, ids); err != nil {
			panic(fmt.Sprintf("sim: internal error: round %d, reply of %d ids: %v", w.round, len(ids), err))
		}
	}
	w.confirm(x.from, x.id, o)
	node.HandleProbeResult(x.id, o)
	return o != protocol.Missed
}

func (w *world) reply(x exchange) []peer.ID {
	if x.to != nil && !x.to.faulty {
		return x.to.view
	}
	return w.attack.reply(w, x)
}

// lost draws whether an exchange of m fails on the way.
func (w *world) lost(m *member) bool { return w.cfg.Loss > 0 && m.net.Float64() < w.cfg.Loss }
