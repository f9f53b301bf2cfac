package sim

import (
	"math"
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

var _ = register("none", "faulty nodes behave, as far as they are there: the baseline", false,
	func(*world) attack { return &none{} })

var _ = register("balanced", "pushes spread evenly over all correct nodes, pull replies of faulty ids only: the attack that poisons most views", true,
	func(*world) attack { return &balanced{} })

// balanced is the attack that most others are made from. Faulty nodes together send the share Config.PushShare of all
// pushes, dealt evenly over the correct nodes, each faulty node to distinct ones; they answer pulls with l1 faulty ids.
// Where pushes have tokens and no share is configured, they send as many as they can pay for.
type balanced struct {
	turn int // the next faulty node to push
}

func (b *balanced) address(w *world, _ *member, rng *rand.Rand) protocol.Prefix {
	return w.anyAddress(rng)
}

func (b *balanced) contacts(w *world, m *member) []peer.ID { return w.anyContacts(m) }

func (b *balanced) begin(*world) {}

func (b *balanced) plan(w *world, to []push) []push {
	return b.deal(w, to, w.pick(len(w.correct)), w.budget())
}

// budget is the number of pushes that the faulty nodes send in a round: the configured share, as far as they can pay for
// it, or where there are tokens and no configured share all that they can pay for.
func (w *world) budget() int {
	if w.mint != nil && w.cfg.PushShare < 0 {
		return w.afford(w.pairs(len(w.correct)))
	}
	return w.afford(w.ration())
}

// ration is the number of pushes that make up the configured share of all that are sent in a round, judged by the last:
// correct nodes send fewer than alpha*l1 where they send one push to each distinct target.
func (w *world) ration() int {
	p := w.cfg.pushShare()
	return int(math.Round(p / (1 - p) * float64(w.sent)))
}

// pushShare is p.
func (c Config) pushShare() float64 {
	if c.PushShare >= 0 {
		return c.PushShare
	}
	return float64(c.faulty()) / float64(c.Nodes)
}

// deal appends count pushes to the targets in turn, from the faulty nodes in turn. A target gets two of one faulty node
// only when it gets more than there are faulty nodes.
func (b *balanced) deal(w *world, to []push, targets []int, count int) []push {
	if len(w.faulty) == 0 || len(targets) == 0 {
		return to
	}
	for k := range count {
		// A target's senders are neighbours in w.faulty, one for each lap over the targets, so they are distinct.
		from := w.faulty[(b.turn+k%len(targets)+k/len(targets))%len(w.faulty)]
		to = append(to, push{from: from, to: targets[k%len(targets)]})
	}
	b.turn += count
	return to
}

func (b *balanced) load(w *world, _, to *member) []peer.ID { return w.faultyIDs(to, w.params.L1) }

func (b *balanced) answer(_ *world, x exchange) (protocol.ProbeOutcome, int) {
	if x.to == nil {
		return protocol.Missed, 0
	}
	return protocol.Alive, 0
}

func (b *balanced) reply(w *world, x exchange) []peer.ID {
	return w.faultyIDs(x.from, w.length(x.from))
}

func (b *balanced) cuts(*world, *member, *member) bool { return false }

func (b *balanced) watches() bool { return false }

func (b *balanced) observe(*world) {}

func (b *balanced) dialable(*world, *member) bool { return true }

func (b *balanced) victims() []int { return nil }

// faultyIDs draws count ids of faulty members for the correct member m.
func (w *world) faultyIDs(m *member, count int) []peer.ID {
	out := make([]peer.ID, count)
	for i := range out {
		out[i] = w.members[w.faulty[m.net.IntN(len(w.faulty))]].id
	}
	return out
}

// none is the baseline: what is called faulty pushes as much as the others and answers pulls with random ids of all
// nodes.
type none struct{ balanced }

func (n *none) plan(w *world, to []push) []push {
	return n.deal(w, to, w.pick(len(w.correct)), w.afford(w.ration()))
}

func (n *none) load(w *world, _, to *member) []peer.ID { return w.anyContacts(to) }

func (n *none) reply(w *world, x exchange) []peer.ID { return w.anyContacts(x.from) }
