package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/brahms-p2p/brahms-p2p/view"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Errors of HandlePullReply. The driver counts the reply as refused; nothing of it was used.
var (
	ErrUnsolicited = errors.New("protocol: pull reply from a peer that was not asked in this round, or answered already")
	ErrOversized   = errors.New("protocol: pull reply names more ids than a reply may")
)

// A Node is one participant's protocol state. It is not safe for concurrent use.
type Node struct {
	self   peer.ID
	p      Params // of the open round
	base   Params // as given to New: sizes that adapt keep its proportions
	shares view.Shares
	rng    *rand.Rand
	aside  *rand.Rand           // of the choice of helpers
	where  func(peer.ID) Prefix // nil where nobody has a prefix

	round   uint64
	resized uint64 // round that the last change of sizes closed
	view    []peer.ID
	sample  *sampler.Group
	bank    *sampler.Bank // nil for none: bank.go
	life    ledger        // who lives, who is suspect, who is dead: life.go

	seeds    []peer.ID
	seedAt   int // next seed in turn
	metAt    int // and next of those who answered once
	solitude solitude
	unmet    unmet
	revisits []peer.ID // for the next round: Revisit

	in       inbox // what the open round brought
	asked    map[peer.ID]int
	vouching map[peer.ID]int // helpers that were asked about a suspect and have not answered
	probing  map[peer.ID]bool
	status   Status
	lastLens []int // sorted lengths of the replies of the last round that had any

	seen map[peer.ID]bool // scratch

	// Of a restored node: export.go.
	unheard bool // nobody has answered since
	waking  int  // sampled ids that are probed in a round while some wait
}

// inbox is what a round brought.
type inbox struct {
	pushers  []peer.ID         // distinct unless Params.Tuples
	pushed   map[peer.ID]uint8 // pushes of a sender, 2 for more
	carried  []peer.ID         // second pushes of a sender, counted in the next round
	repeats  int
	overflow int
	replies  []reply
	probes   int
	vacated  bool // slots were cleared since an id said that it is leaving, or moved
	spent    bool // slots of the bank were emptied
}

type reply struct {
	from peer.ID
	ids  []peer.ID
	k    int // how often its sender was drawn
}

// New returns a node that knows the peers of bootstrap, which are its first view and its seeds. It fails if self is
// empty, p is invalid (Params.Validate) or rng is nil. rng must be seeded from a secret where the node runs on an open
// network: the sampler's keys are drawn from it.
func New(self peer.ID, p Params, bootstrap []peer.ID, rng *rand.Rand) (*Node, error) {
	return NewAt(self, p, bootstrap, rng, nil)
}

// A Prefix is where an id is in the network: what Params.Diverse, ViewFine and ViewCoarse go by.
type Prefix = sampler.Prefix

// NewAt is New for a driver that knows where ids are. where(id) is the prefix at which an exchange of ours with id
// succeeded last, before there was one what is claimed of id, and the zero Prefix if it has none. It is called while the
// node works, so it must be quick and must not call the node. It may change its answer at any time; the new prefix of an id
// must be in it when the driver calls HandleProbeResult with the outcome that confirms it. Equal answers give equal nodes.
func NewAt(self peer.ID, p Params, bootstrap []peer.ID, rng *rand.Rand, where func(peer.ID) Prefix) (*Node, error) {
	n, err := assemble(self, p, rng, where, nil)
	if err != nil {
		return nil, err
	}
	n.SetSeeds(bootstrap)
	n.view = view.Choose(rng, view.Distinct(n.seeds), p.L1) // line 3: V <- V0
	n.offer(n.view, sampler.Namer{})                        // updateSample(V0)
	return n, nil
}

// assemble makes a node that knows nobody but the sample of from, if that is not nil.
func assemble(self peer.ID, p Params, rng *rand.Rand, where func(peer.ID) Prefix, from *sampler.State) (*Node, error) {
	if self == "" {
		return nil, errors.New("protocol: self must not be empty")
	}
	if rng == nil {
		return nil, errors.New("protocol: rng must not be nil")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	diverse := p.Diverse
	if p.Direct {
		diverse = 0
	}
	cfg := sampler.Config{
		L2: p.L2, Hash: p.Hash, Self: self,
		Maturity: p.Maturity, Direct: p.Direct, Rekey: p.Rekey, FilterSize: p.Filter,
		Diverse: diverse, Prefix: where,
		SettleDisplaced: p.Ablate.SettleDisplaced,
	}
	var group *sampler.Group
	var secret [32]byte
	var err error
	if from != nil {
		cfg.Secret = from.Secret // for what else is made from it
		group, err = sampler.RestoreGroup(cfg, *from)
	} else {
		cfg.Secret = drawSecret(rng)
		secret = cfg.Secret
		group, err = sampler.NewGroup(cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("protocol: %w", err)
	}
	if from != nil && p.Bank > 0 {
		secret = drawSecret(rng) // under the old one the bank would hand out the same ids again
	}
	bank, err := newBank(p, self, secret, where)
	if err != nil {
		return nil, fmt.Errorf("protocol: %w", err)
	}
	return &Node{
		self: self, p: p, base: p, shares: p.Shares(), rng: rng, where: where, sample: group, bank: bank, life: newLedger(p),
		asked: make(map[peer.ID]int), probing: make(map[peer.ID]bool), seen: make(map[peer.ID]bool),
		aside: newAside(cfg.Secret), vouching: make(map[peer.ID]int),
		in: inbox{pushed: make(map[peer.ID]uint8)},
	}, nil
}

// Params returns the parameters of the open round: those given to New, with the sizes that they have come to.
func (n *Node) Params() Params { return n.p }

func drawSecret(rng *rand.Rand) (secret [32]byte) {
	for i := 0; i < len(secret); i += 8 {
		binary.LittleEndian.PutUint64(secret[i:], rng.Uint64())
	}
	return secret
}

// open starts the next round's inbox with the pushes carried over from the last. It uses the room of the last one again.
func (n *Node) open() {
	last := n.in
	clear(last.pushed)
	clear(last.replies) // holds nobody's ids any longer
	n.in = inbox{pushers: last.pushers[:0], pushed: last.pushed, carried: last.carried[:0], replies: last.replies[:0]}
	for _, id := range last.carried { // distinct, so none is carried on
		n.takePush(id)
	}
}

// Tick closes the open round and opens the next: the body of the paper's loop (lines 20 to 37). It returns the work of
// the round that it opened. The first call closes a round in which nothing happened.
func (n *Node) Tick() Actions {
	deaths := n.bury()
	n.sample.Expire(n.round)
	if n.bank != nil {
		n.bank.Expire(n.round)
	}
	outcome := n.renew()
	if n.alone() {
		outcome = Alone // D4: no error, and the seeds are due
	}
	n.feed(deaths > 0 || n.in.vacated)
	n.sample.EndRound()
	if n.bank != nil {
		n.bank.EndRound()
	}

	n.meetSeeds()
	n.conclude(outcome, deaths)
	n.adapt()
	n.round++
	n.open()
	return n.plan(outcome)
}

// alone reports whether the node knows nobody: nothing came in the round, and nobody in view or sample has ever answered.
// A view of first contacts that nobody has heard of is no company.
func (n *Node) alone() bool {
	switch {
	case len(n.view) == 0:
		return true
	case len(n.in.pushers) > 0 || len(n.in.replies) > 0:
		return false
	case n.unheard:
		return true // whom an earlier life knew is no company either
	case len(n.sample.Members()) > 0:
		return false
	}
	return !slices.ContainsFunc(n.view, n.life.verified)
}

// renew makes the new view from what the round brought (lines 35 and 36). It draws the history before the round's ids
// reach the sample, as the paper does.
func (n *Node) renew() Outcome {
	n.view = view.Without(n.view, n.refuses) // D22: dead ids leave at every Tick, renewed or not
	pushers := view.Without(n.in.pushers, n.refuses)
	pulled := n.pulled()
	history := view.Without(n.sample.Sample(), n.refuses)

	hasPush, hasPull := len(n.in.pushers) > 0, len(n.in.replies) > 0
	shares, outcome := n.shares, Renewed
	switch {
	case n.overloaded():
		switch n.p.Overload {
		case OverloadKeep:
			return KeptOverload
		case OverloadRefill: // D9
			shares.History += shares.Push
		}
		shares.Push, outcome = 0, Refilled
	case n.p.Refresh == RefreshBoth && !hasPush:
		return KeptNoPush
	case n.p.Refresh == RefreshBoth && !hasPull:
		return KeptNoPull
	case n.p.Refresh == RefreshEither && !hasPush && !hasPull:
		return KeptNoPush
	}

	if min(len(pushers), shares.Push)+len(pulled)+len(history) == 0 && len(n.view) > 0 {
		if outcome == Refilled {
			return KeptOverload
		}
		return KeptNoPush // nothing to renew from
	}
	if n.p.Tuples {
		n.view = view.Tuple(n.rng, shares, pushers, pulled, history)
	} else {
		n.view = view.Fill(n.rng, shares, pushers, pulled, history, n.view, n.caps())
	}
	return outcome
}

// caps returns who is admitted to the view by a push or a pull (D28): at most Params.ViewFine ids of one fine prefix and
// Params.ViewCoarse of one coarse one, counted over both kinds. Ids without a prefix are not counted: on an open network
// the driver takes none from others, and elsewhere all are.
func (n *Node) caps() func(peer.ID) bool {
	if n.where == nil || n.p.ViewFine+n.p.ViewCoarse == 0 {
		return nil
	}
	fine, coarse := make(map[string]int), make(map[string]int)
	return func(id peer.ID) bool {
		p := n.where(id)
		if p.Fine == "" {
			return true
		}
		if n.p.ViewFine > 0 && fine[p.Fine] >= n.p.ViewFine || n.p.ViewCoarse > 0 && coarse[p.Coarse] >= n.p.ViewCoarse {
			return false
		}
		fine[p.Fine]++
		coarse[p.Coarse]++
		return true
	}
}

// pulled returns the ids that the round's replies put up for the view: all of each reply under Params.Tuples, otherwise
// one uniform id of each reply, k if its sender was drawn k times (D3). Self and dead ids are left out before the draw.
func (n *Node) pulled() []peer.ID {
	var out []peer.ID
	for _, r := range n.in.replies {
		if n.p.Tuples {
			out = append(out, view.Without(r.ids, n.refuses)...)
			continue
		}
		out = append(out, view.DrawBut(n.rng, r.ids, r.k, n.refuses)...)
	}
	return out
}

// feed offers the ids that the round brought to the sample (line 37): what was pushed and pulled, renewed or not. D20: after
// deaths, departures and moves the ids that the node knows to have answered are offered again, since the cleared slots forgot
// who had lost to the dead.
func (n *Node) feed(cleared bool) {
	if !(n.p.Ablate.StarveOnOverload && n.overloaded()) {
		for _, id := range n.in.pushers {
			if n.life.buried(id, n.round) {
				if !n.life.once.left(id) { // it pushed, and then said that it leaves
					n.Appeal(id)
				}
				continue
			}
			n.offer([]peer.ID{id}, sampler.Namer{ID: id, Pushed: true})
		}
	}
	for _, r := range n.in.replies {
		n.offer(r.ids, sampler.Namer{ID: r.from})
	}
	if cleared {
		n.offerAgain()
	}
	if n.in.spent {
		n.restock()
	}
}

// offerAgain offers the ids that the node knows to have answered to the slots that have not decided on them.
func (n *Node) offerAgain() {
	if n.p.Direct {
		return // the paper feeds a new sampler from the stream alone
	}
	n.offer(n.sample.Members(), sampler.Namer{})
	n.offer(n.view, sampler.Namer{})
	n.offer(n.life.met.ids, sampler.Namer{})
}

// offer feeds ids to the sample and the bank.
func (n *Node) offer(ids []peer.ID, namer sampler.Namer) {
	n.sample.Feed(ids, namer, n.judge)
	if n.bank != nil {
		n.bank.Feed(ids, namer, n.judgePick)
	}
}

// judge says how the sample takes id: not at all if it is known to be dead. An id that holds a slot, has answered in this
// life and is not suspect is trusted: it needs no second probe for a second slot (D13).
func (n *Node) judge(id peer.ID) sampler.Verdict {
	switch {
	case n.refuses(id):
		return sampler.Refused
	case n.sample.Holds(id) > 0 && !n.life.suspect(id) && !n.sample.Waits(id):
		return sampler.Trusted
	}
	return sampler.Unknown
}

// refuses reports whether id may not enter the view or the sample: the node itself, and the dead (D22).
func (n *Node) refuses(id peer.ID) bool {
	return id == n.self || id == "" || n.life.buried(id, n.round)
}

// pushCount is the number of pushes that the round brought for the overload test. Pushes that were dropped unread count:
// a queue that drops silently hides the flood that filled it.
func (n *Node) pushCount() int { return len(n.in.pushers) + n.in.overflow }

// overloaded compares with a tolerance: .29*100 is less than 29 in floating point.
func (n *Node) overloaded() bool { return float64(n.pushCount()) > n.threshold()+1e-9 }

// threshold is tau*alpha*max(l1, lower quartile of the reply lengths) (D10). It lets a newcomer with a short view in a
// network of long ones bear the pushes that are normal there. Not the median: at f=.3 half of a view is faulty, and liars
// who answer with 256 ids would switch the rule off.
func (n *Node) threshold() float64 {
	length := n.p.L1
	if !n.p.Tuples && len(n.lastLens) > 0 {
		length = max(length, n.lastLens[len(n.lastLens)/4])
	}
	return n.p.Threshold * n.p.Alpha * float64(length)
}

// plan draws the peers of the round that begins (lines 21 to 26).
func (n *Node) plan(outcome Outcome) Actions {
	a := Actions{Round: n.round, Outcome: outcome, Dead: n.life.dead}
	a.Pushes = view.Draw(n.rng, n.view, n.shares.Push)
	a.Pulls = view.Draw(n.rng, n.view, n.shares.Pull)
	if !n.p.Tuples {
		// D4: in a small network everybody is asked once. Draws with replacement would leave some unasked for rounds.
		if max(n.status.ViewDistinct, n.status.SampleDistinct) <= n.shares.Push { // spares large ones the union
			if known := n.known(); len(known) <= n.shares.Push {
				a.Pushes, a.Pulls = known, known
			}
		}
	}
	due, try := n.seedsDue(outcome)
	a.Trying = try
	if outcome == Alone && !try {
		a.Pushes, a.Pulls = nil, nil // nobody in the view has ever answered either
	}
	due, n.revisits = append(due, n.revisits...), nil
	for _, id := range due {
		if !slices.Contains(a.Pushes, id) {
			a.Pushes = append(slices.Clip(a.Pushes), id)
		}
		if !slices.Contains(a.Pulls, id) {
			a.Pulls = append(slices.Clip(a.Pulls), id)
		}
	}
	clear(n.asked)
	for _, id := range a.Pulls {
		n.asked[id]++
	}
	if !n.p.Tuples {
		// D5: a distinct id is contacted once a round and kind; a pull keeps its multiplicity in the slots it fills.
		a.Pushes, a.Pulls = n.distinct(a.Pushes), n.distinct(a.Pulls)
	}
	a.Probes = n.planProbes(a)
	a.Indirect = n.planIndirect()
	clear(n.probing)
	for _, id := range a.Probes {
		n.probing[id] = true
	}
	return a
}

// distinct returns the distinct ids of ids in the order of their first occurrence.
func (n *Node) distinct(ids []peer.ID) []peer.ID {
	clear(n.seen)
	out := make([]peer.ID, 0, len(ids))
	for _, id := range ids {
		if !n.seen[id] {
			n.seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// count returns the number of distinct ids among ids.
func (n *Node) count(ids []peer.ID) int {
	clear(n.seen)
	for _, id := range ids {
		n.seen[id] = true
	}
	return len(n.seen)
}

// known returns the distinct ids of view and sample.
func (n *Node) known() []peer.ID {
	return n.distinct(append(slices.Clone(n.view), n.sample.Members()...))
}

// InUse returns the ids that the node works with, with repeats: those of view and sample and those that would enter it.
// The driver keeps what it knows of them.
func (n *Node) InUse() []peer.ID {
	return slices.Concat(n.view, n.sample.Members(), n.sample.Seats(), n.bankInUse())
}

// HandlePush takes a push from the authenticated sender from; what the message says of its origin is the driver's to
// check. One push a sender and round counts: a second, which jitter makes, is carried to the next round, and more are
// only counted as repeats (D2). Under Params.Tuples each counts, and under Ablation.CountRepeats.
func (n *Node) HandlePush(from peer.ID) {
	n.life.once.welcome(from, n.round) // D24: who said that it leaves takes that back
	n.takePush(from)
}

func (n *Node) takePush(from peer.ID) {
	switch {
	case from == n.self || from == "":
	case len(n.in.pushers) >= MaxPushers:
		n.in.overflow++
	case n.p.Tuples || n.p.Ablate.CountRepeats || n.in.pushed[from] == 0:
		n.in.pushed[from] = 1
		n.in.pushers = append(n.in.pushers, from)
	case n.in.pushed[from] == 1:
		n.in.pushed[from] = 2
		n.in.carried = append(n.in.carried, from)
	default:
		n.in.repeats++
	}
}

// Pushers returns a copy of who has pushed in the open round, in the order in which it counts them.
func (n *Node) Pushers() []peer.ID { return slices.Clone(n.in.pushers) }

// HandlePushOverflow adds count pushes that the driver had to drop unread. They count against the threshold.
func (n *Node) HandlePushOverflow(count int) {
	if count > 0 {
		n.in.overflow += count
	}
}

// HandlePullReply takes the answer of the authenticated peer from, with repeats, in any order. It is used once for each
// time that from was asked in the open round; otherwise it fails with ErrUnsolicited, and with ErrOversized if it names
// more than MaxReply ids. ids is kept until the round ends and then let go; the caller must not change it meanwhile, and
// may share it.
func (n *Node) HandlePullReply(from peer.ID, ids []peer.ID) error {
	k := n.asked[from]
	if k == 0 {
		return ErrUnsolicited
	}
	if len(ids) > MaxReply {
		return fmt.Errorf("%w: %d, at most %d", ErrOversized, len(ids), MaxReply)
	}
	if n.p.Tuples {
		n.asked[from] = k - 1 // each repeat was a request of its own
	} else {
		n.asked[from] = 0
	}
	n.in.replies = append(n.in.replies, reply{from: from, ids: ids, k: k})
	return nil
}

// View returns a copy of the view: what pull requests are answered with.
func (n *Node) View() []peer.ID { return slices.Clone(n.view) }

// Sample returns the ids of the slots that count, one entry a slot (sampler.Group.Sample).
func (n *Node) Sample() []peer.ID { return n.sample.Sample() }

// Slots returns all slots of the sample.
func (n *Node) Slots() []Sampled {
	slots := n.sample.Slots()
	out := make([]Sampled, len(slots))
	for i, s := range slots {
		out[i] = Sampled{ID: s.ID, Mature: s.Mature, Diverse: s.Diverse, Proven: n.life.proven(s.ID), Waiting: s.Waiting, Hash: s.Hash, Key: s.Key}
	}
	return out
}

// Filled returns the number of slots of the sample that hold an id, those that do not count yet among them.
func (n *Node) Filled() int { return n.sample.Filled() }

// Hashes returns the hash of id under each slot's current key, in the order of Slots, in the storage of out if that is
// large enough. It does not count as feeding. It is for tests and simulations that compare a sample with the truth: who
// learns hashes can grind ids that win slots, so they must never leave the process.
func (n *Node) Hashes(out []uint64, id peer.ID) []uint64 { return n.sample.Hashes(out, id) }

// Status returns the summary made by the last Tick.
func (n *Node) Status() Status { return n.status }

// conclude sums up the closed round and forgets what it brought.
func (n *Node) conclude(outcome Outcome, deaths int) {
	s := Status{
		Round: n.round + 1, Outcome: outcome,
		Pushes: len(n.in.pushers), PushRepeats: n.in.repeats, PushOverflow: n.in.overflow,
		Threshold: int(min(n.threshold()+1e-9, MaxPushers)),
		Pulls:     len(n.in.replies), Probes: n.in.probes, Deaths: deaths, Postponed: n.life.postponed,
		Overloaded: n.overloaded(), Doubting: n.life.doubting,
		Tombstones: n.life.remembered(), Size: n.sample.Estimate(),
	}
	n.status = s
	n.tally()

	if len(n.in.replies) > 0 {
		n.lastLens = n.lastLens[:0]
		for _, r := range n.in.replies {
			n.lastLens = append(n.lastLens, len(r.ids))
		}
		slices.Sort(n.lastLens)
	}
}

// tally counts for the status what stands in view and sample.
func (n *Node) tally() {
	s := n.status
	s.L1, s.L2, s.Waiting = n.p.L1, n.p.L2, n.sample.Waiting()
	s.ViewLen, s.ViewDistinct = len(n.view), n.count(n.view)
	s.SampleFilled, s.SampleMature, s.SampleDistinct, s.SampleProven, s.Suspects, s.Young = 0, 0, 0, 0, 0, true
	for i := range n.sample.Len() {
		slot := n.sample.Slot(i)
		if slot.ID == "" {
			continue
		}
		s.SampleFilled++
		if slot.Mature && !slot.Waiting {
			s.SampleMature++
			s.Young = false
		}
	}
	for _, id := range n.sample.Members() {
		s.SampleDistinct++
		h := n.life.health[id]
		if h.proven {
			s.SampleProven++
		}
		if h.misses > 0 {
			s.Suspects++
		}
	}
	n.concludeBank(&s)
	n.status = s
}
