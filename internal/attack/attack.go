package attack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
)

// None is the attack of faulty peers that behave. There is nothing to run for it here: they are correct peers by another
// name.
const None = "none"

// Mixed is the attack of faulty peers of which each does what another attack does, all attacks in turn by their names.
const Mixed = "mixed"

// An attack is what each faulty peer of a run does. Its methods are called by many goroutines at once.
type attack interface {
	// round is called once a round of f's own, and may take all of it: most attacks push here.
	round(ctx context.Context, f *faulty, n int)
	// reply returns the framed answer to a pull.
	reply(f *faulty) []byte
	// send writes the framed answer to a pull.
	send(ctx context.Context, f *faulty, st network.Stream, answer []byte) error
}

// A restless attack does more than push and answer.
type restless interface {
	// op prepares one further operation of f. It is called from one goroutine a peer, as often as the rate allows, and
	// must not wait: what it returns is run in a goroutine of its own, nil is nothing.
	op(f *faulty) func(ctx context.Context)
}

type kindOfAttack struct {
	about string                    // one line for the help
	makes []func(*Adversary) attack // one, but for Mixed
}

// attacks holds all attacks by name. It is filled when the package is initialised and not changed afterwards.
var attacks = map[string]kindOfAttack{None: {about: "faulty peers behave: the baseline"}}

func register(name, about string, make func(*Adversary) attack) struct{} {
	if _, ok := attacks[name]; ok {
		panic(fmt.Sprintf("attack: internal error: two attacks are called %q", name))
	}
	attacks[name] = kindOfAttack{about: about, makes: []func(*Adversary) attack{make}}
	return struct{}{}
}

func init() { // after all have registered
	mixed := kindOfAttack{about: "each faulty peer does what another attack does, all of them in turn"}
	for _, name := range Names() {
		mixed.makes = append(mixed.makes, attacks[name].makes...)
	}
	attacks[Mixed] = mixed
}

// NeedsVictim reports whether somebody who does not speak the protocol must be there for the attack to point at.
func NeedsVictim(name string) bool { return name == DialCannon || name == Mixed }

// Names lists all attacks, None among them, in order.
func Names() []string { return slices.Sorted(maps.Keys(attacks)) }

// About says in one line what the attack of that name does.
func About(name string) string { return attacks[name].about }

// Check returns an error that names value and rule if there is no such attack.
func Check(name string) error {
	if _, ok := attacks[name]; !ok {
		return fmt.Errorf("attack=%q must be one of %s", name, strings.Join(Names(), ", "))
	}
	return nil
}
