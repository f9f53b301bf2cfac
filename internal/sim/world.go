package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A world is all nodes of a simulation with what passes between them.
//
// Work that touches one node only is spread over cores (each); all else is done by one goroutine. What a node draws comes
// from generators of its own, so the order in which cores get to it changes nothing.
type world struct {
	cfg    Config
	params protocol.Params // of Brahms; the baselines take the sizes
	rng    *rand.Rand      // of what concerns the whole world: churn, the adversary
	attack attack
	round  int // the open round, from 1

	members []*member
	correct []int // members that are up and correct, in order of their numbers
	faulty  []int // members that are faulty; they never leave

	fanout int    // pushes of a correct node a round
	sent   int    // pushes of all correct nodes in the last round
	pushes []push // of the faulty nodes in the open round

	newcomers []int             // those of Config.Join
	addresses []protocol.Prefix // those that correct nodes are spread over
	truth     *truth
	vigil     *vigil // nil where nobody looks
	mint      *mint  // nil without tokens
	till      *till  // nil without a bank
}

// A member is a node, correct or faulty. Its number is its place in world.members and stands in its id.
type member struct {
	id     peer.ID
	number int
	faulty bool
	up     bool
	since  int // round in which it came up last, 0 for the start
	parted int // round up to which it answers that it leaves, 0 for who does not

	node  participant // nil if faulty or gone for ever
	net   *rand.Rand  // what the network does to its exchanges
	aside *rand.Rand  // and to those of others in its stead
	addr  addresses   // where it is, and what it knows of where others are
	place int         // part of the round in which it ticks, without jitter

	view  []peer.ID        // published by its last Tick
	load  []peer.ID        // what its pushes carry beside its id
	acts  protocol.Actions // its work of the round
	sent  []int            // correct members that its pushes of the round reach
	inbox []int            // members whose pushes arrived
	late  []late           // answers to probes that are still on their way

	contacted []exchange // of the round, with faulty nodes and phantoms: what the adversary sees of it

	falsely int64 // sampled nodes that it declared dead in its last Tick although they were up

	desk  *desk  // nil if faulty, and without tokens
	meter *meter // nil if faulty, and where nobody looks
}

// A push is one message of a faulty node.
type push struct{ from, to int }

// late is an answer that arrives in a later round.
type late struct {
	round   int
	id      peer.ID
	outcome protocol.ProbeOutcome
}

// A participant is the algorithm that a correct node runs. All of it is called by one goroutine at a time.
type participant interface {
	Tick() protocol.Actions
	// Carries returns what the pushes of the round carry beside the sender's id.
	Carries() []peer.ID
	HandlePush(from peer.ID, carried []peer.ID)
	HandlePullReply(from peer.ID, ids []peer.ID) error
	HandleProbeResult(id peer.ID, o protocol.ProbeOutcome)
	View() []peer.ID
	// Sample returns the ids that a user would get, with repeats.
	Sample() []peer.ID
}

// brahms is a protocol.Node as a participant.
type brahms struct{ *protocol.Node }

func (b brahms) Carries() []peer.ID                   { return nil }
func (b brahms) HandlePush(from peer.ID, _ []peer.ID) { b.Node.HandlePush(from) }

// seeded returns a generator for the given use of the given member. It is cheap to make and small.
func (w *world) seeded(use byte, number int) *rand.Rand {
	return rand.New(rand.NewPCG(mix(w.cfg.Seed)^mix(uint64(use)<<56), mix(uint64(number)+1)))
}

// secret returns the generator of a node, from which it draws its keys too.
func (w *world) secret(number int) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], w.cfg.Seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(number))
	copy(seed[16:], "brahms/sim/node")
	return rand.New(rand.NewChaCha8(seed))
}

func newWorld(cfg Config) (*world, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &world{cfg: cfg}
	w.params, _ = cfg.Params() // validated
	w.rng = w.seeded('w', 0)
	w.fanout = w.params.Shares().Push
	if cfg.Algorithm != Brahms {
		w.fanout = 1
	}
	w.mint = newMint(w)
	w.vigil = newVigil(cfg)
	w.till = newTill(w)
	w.attack = attacks[cfg.attack()].make(w)
	w.addresses = makeAddresses(cfg.Prefixes)
	correct := cfg.Nodes - cfg.faulty()
	for i := range cfg.Nodes {
		w.enter(i >= correct)
	}
	w.each(w.correct, func(m *member) { m.node = w.start(m, w.attack.contacts(w, m)) })
	w.sent = w.fanout * len(w.correct)
	if cfg.Perfect && cfg.Algorithm == Brahms {
		w.truth = newTruth(w)
	}
	return w, nil
}

// enter adds a member that is up. A correct one has no node yet.
func (w *world) enter(faulty bool) *member {
	n := len(w.members)
	m := &member{id: makeID(memberID, uint64(n)), number: n, faulty: faulty, up: true, since: w.round, net: w.seeded('n', n)}
	m.place = m.net.IntN(parts)
	if w.cfg.Loss > 0 {
		m.aside = w.seeded('i', n)
	}
	if w.cfg.Prefixes > 0 {
		m.addr.own = w.attack.address(w, m, w.seeded('a', n))
	}
	w.members = append(w.members, m)
	if faulty {
		w.faulty = append(w.faulty, n)
	} else {
		w.correct = append(w.correct, n)
		m.desk, m.meter = w.newDesk(n), w.newMeter()
	}
	w.truth.entered(n)
	return m
}

// start returns the algorithm of a correct member that knows contacts.
func (w *world) start(m *member, contacts []peer.ID) participant {
	switch w.cfg.Algorithm {
	case Basalt:
		return newBasalt(m.id, w.params.L1, contacts, w.secret(m.number), nil)
	case BasaltPrefix:
		return newBasalt(m.id, w.params.L1, contacts, w.secret(m.number), w.truly)
	case Cyclon:
		return newCyclon(m.id, w.params.L1, contacts, w.secret(m.number))
	}
	node, err := protocol.NewAt(m.id, w.params, contacts, w.secret(m.number), w.where(m))
	if err != nil {
		panic("sim: internal error: " + err.Error()) // the parameters were validated
	}
	return brahms{node}
}

// anyContacts returns l1 distinct uniform ids of members that are up, other than m: its first contacts.
func (w *world) anyContacts(m *member) []peer.ID {
	return w.drawFrom(m, w.params.L1, w.correct, w.faulty)
}

// draw returns count distinct uniform ids of the given members other than m, at most all.
func (w *world) draw(m *member, numbers []int, count int) []peer.ID {
	return w.drawFrom(m, count, numbers, nil)
}

func (w *world) drawFrom(m *member, count int, a, b []int) []peer.ID {
	at := func(k int) int {
		if k < len(a) {
			return a[k]
		}
		return b[k-len(a)]
	}
	total := len(a) + len(b)
	out := make([]peer.ID, 0, min(count, total))
	add := func(n int) {
		if n != m.number && len(out) < count {
			out = append(out, w.members[n].id)
		}
	}
	if 2*count >= total { // most of them: shuffle all
		for _, k := range m.net.Perm(total) {
			add(at(k))
		}
		return out
	}
	seen := make(map[int]bool, count)
	for len(out) < count {
		if n := at(m.net.IntN(total)); !seen[n] {
			seen[n] = true
			add(n)
		}
	}
	return out
}

// arrive adds a correct node that joins now and returns it.
func (w *world) arrive() *member {
	m := w.enter(false)
	m.node = w.start(m, w.attack.contacts(w, m))
	return m
}

// leave takes correct members out for ever, without a word.
func (w *world) leave(numbers []int) {
	w.off(numbers)
	w.vigil.left(numbers, w.round)
	for _, n := range numbers {
		m := w.members[n]
		*m = member{id: m.id, number: n, since: m.since, addr: addresses{own: m.addr.own}}
	}
}

// depart lets correct members leave as Config.Goodbye says: those that take their leave answer for a while, with the view
// that they published last.
func (w *world) depart(numbers []int) {
	if w.cfg.Goodbye == 0 {
		w.leave(numbers)
		return
	}
	views := make([][]peer.ID, len(numbers))
	for i, n := range numbers {
		views[i] = w.members[n].view
	}
	w.leave(numbers)
	for i, n := range numbers {
		w.members[n].view, w.members[n].parted = views[i], w.round+w.cfg.Goodbye-1
	}
}

// off takes correct members off the network; on brings them back as they were.
func (w *world) off(numbers []int) {
	for _, n := range numbers {
		w.members[n].up = false
	}
	w.correct = slices.DeleteFunc(w.correct, func(n int) bool { return !w.members[n].up })
}

func (w *world) on(numbers []int) {
	for _, n := range numbers {
		m := w.members[n]
		m.up, m.since = true, w.round
		w.correct = append(w.correct, n)
		w.truth.entered(n)
	}
	slices.Sort(w.correct)
}

// pick returns count distinct correct members that are up, at most all of them.
func (w *world) pick(count int) []int {
	pool := slices.Clone(w.correct)
	count = min(count, len(pool))
	for i := range count {
		j := i + w.rng.IntN(len(pool)-i)
		pool[i], pool[j] = pool[j], pool[i]
	}
	return pool[:count]
}

// member returns the member that id names, nil for a phantom.
func (w *world) member(id peer.ID) *member {
	n, ok := memberNumber(id)
	if !ok || n >= len(w.members) {
		return nil
	}
	return w.members[n]
}

// block is how many members a core takes at a time: few enough that cores end together.
const block = 16

// each calls do for the members of the given numbers, on all cores. do may change its member only, and read what
// nobody changes meanwhile.
func (w *world) each(numbers []int, do func(*member)) {
	w.eachOn(numbers, func(_ int, m *member) { do(m) })
}

// eachOn is each for a do that also wants to know its worker, counted from 0, which it has for itself.
func (w *world) eachOn(numbers []int, do func(worker int, m *member)) {
	workers := min(w.workers(), (len(numbers)+block-1)/block)
	if workers <= 1 {
		for _, n := range numbers {
			do(0, w.members[n])
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for {
				to := int(next.Add(block))
				if to-block >= len(numbers) {
					return
				}
				for _, n := range numbers[to-block : min(to, len(numbers))] {
					do(worker, w.members[n])
				}
			}
		})
	}
	wg.Wait()
}

func (w *world) workers() int {
	if w.cfg.Workers > 0 {
		return w.cfg.Workers
	}
	return runtime.GOMAXPROCS(0)
}
