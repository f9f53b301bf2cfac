package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// An attack is what the faulty nodes do together. By the threat model (docs/threat-model.md) it knows all ids and who is
// up, the published view of every correct node, and every message that reaches a faulty node or phantom; it does not know
// keys, samples, or what passes between correct nodes.
//
// begin, plan and observe are called by one goroutine, once a round. The others are called by many at once: they must not
// change the attack or the world, and draw from the generator of the correct node in question (member.net).
//
// A new attack is one file: a type that embeds balanced, the methods that differ, and a call of register.
type attack interface {
	// address is where a member that enters is. It draws from the generator that it is given.
	address(w *world, m *member, rng *rand.Rand) protocol.Prefix
	// contacts returns the first contacts of a correct node.
	contacts(w *world, m *member) []peer.ID
	// begin is called before anybody ticks; what befalls correct nodes (storms, flapping) happens here.
	begin(w *world)
	// plan appends the pushes of the faulty nodes in the round.
	plan(w *world, to []push) []push
	// load is what the push of a faulty node carries where the algorithm has pushes carry views (the baselines).
	load(w *world, from, to *member) []peer.ID
	// answer says what becomes of an exchange with a faulty node or a phantom, and in how many rounds, 0 for now.
	answer(w *world, x exchange) (protocol.ProbeOutcome, int)
	// reply is what a faulty node answers a pull with, at most protocol.MaxReply ids.
	reply(w *world, x exchange) []peer.ID
	// cuts reports whether nothing passes between a and b.
	cuts(w *world, a, b *member) bool
	// watches reports whether observe wants to know who contacted faulty nodes (member.contacted).
	watches() bool
	// observe is called when the round is over.
	observe(w *world)
	// dialable reports whether a faulty member answers probes at large, and so belongs into a uniform sample.
	dialable(w *world, m *member) bool
	// victims are the correct members that the attack aims at.
	victims() []int
}

type attackKind struct {
	about       string // one line for the help
	needsFaulty bool
	make        func(*world) attack

	needsPrefixes bool // Config.Prefixes must be set
}

// attacks holds all attacks by name. It is filled by the initialisation of the files attack_NAME.go and not changed
// afterwards.
var attacks = map[string]attackKind{}

func register(name, about string, needsFaulty bool, make func(*world) attack) struct{} {
	if _, ok := attacks[name]; ok {
		panic(fmt.Sprintf("sim: internal error: two attacks are called %q", name))
	}
	attacks[name] = attackKind{about: about, needsFaulty: needsFaulty, make: make}
	return struct{}{}
}

// Attacks lists the names of all attacks.
func Attacks() []string { return slices.Sorted(keys(attacks)) }

// AboutAttack says in one line what the attack of that name does.
func AboutAttack(name string) string { return attacks[name].about }

// start is the round in which the attack's event happens.
func (c Config) start() int {
	if c.Start >= 0 {
		return c.Start
	}
	return max(1, c.Rounds/3)
}

// share is Config.Share, or what the attack takes by default.
func (c Config) share(otherwise float64) float64 {
	if c.Share >= 0 {
		return c.Share
	}
	return otherwise
}

// length is Config.Length, or what the attack takes by default.
func (c Config) length(otherwise int) int {
	if c.Length >= 0 {
		return c.Length
	}
	return otherwise
}
