package protocol

import (
	"fmt"
	"math"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/brahms-p2p/brahms-p2p/view"
)

// OverloadRule says what becomes of the view in a round that brought more pushes than the threshold allows.
type OverloadRule string

// The overload rules. Each cuts the push share of the view only: accepted pushes feed the sample all the same, or a
// newcomer would never be learned under flood.
const (
	// OverloadKeep leaves the whole view as it is, as the paper does. A flood then stops all renewal.
	OverloadKeep OverloadRule = "keep"
	// OverloadRefill fills the push share from the sample.
	OverloadRefill OverloadRule = "refill"
	// OverloadDrop leaves the push share empty: the view is shorter by it for that round.
	OverloadDrop OverloadRule = "drop"
)

// RefreshPolicy says which messages a round must have brought for the view to be renewed. The three are those of the
// original project.
type RefreshPolicy string

// The refresh policies.
const (
	// RefreshAlways renews in every round that was not overloaded.
	RefreshAlways RefreshPolicy = "always"
	// RefreshEither renews if a push or a pull reply came.
	RefreshEither RefreshPolicy = "either"
	// RefreshBoth renews only if both came, as the paper does (line 35).
	RefreshBoth RefreshPolicy = "both"
)

// Params are the numbers and rules of a node. All nodes of a network must agree on Alpha and should agree on the other
// weights and the order of L1: a node that pushes more than its share overloads the rest. The zero value is invalid;
// start from Hardened or Paper.
type Params struct {
	// L1 is the length of the view, 3 to MaxL1. L2 is the number of samplers, 1 to sampler.MaxL2. Both must grow as
	// c*cbrt(n) with the network's size n; c=1 collapses, c=4 is safe (Size).
	L1, L2 int

	// AdaptMin and AdaptMax let L2, and L1 as far as MaxL1 allows, follow 4*cbrt of the size that the network is estimated
	// to have, between these bounds (size.go): 3 to MaxL1 and AdaptMin to sampler.MaxL2. L1 and L2 are what the node starts
	// with then, equal and within the bounds, and what grows with them keeps its proportion to them. With KeepSample L2 stays
	// as it is and L1 alone follows, up to MaxL1. With AdaptMax 0, as in the presets, sizes stay.
	AdaptMin, AdaptMax int
	KeepSample         bool

	// Alpha, Beta and Gamma are the shares of the view that come from pushes, pulls and history. Each is in [0, 1] and
	// they sum to 1.
	Alpha, Beta, Gamma float64

	// Threshold is tau: a round is overloaded when it brought more than tau*alpha*max(l1, q) pushes, q
	// being the lower quartile of the lengths of the last round's pull replies.
	// It is positive; +Inf switches the rule off.
	Threshold float64
	Overload  OverloadRule
	Refresh   RefreshPolicy

	// Tuples counts and draws as the paper does: a sender's repeats count, pushed and pulled ids are drawn with
	// multiplicity and replacement, a repeated draw is a repeated message. Otherwise one message fills one slot.
	Tuples bool

	// Direct feeds the sample without probing first (sampler.Config.Direct), Rekey gives a cleared slot a fresh key
	// (sampler.Config.Rekey). The paper does both.
	Direct, Rekey bool
	Hash          sampler.Kind

	// Filter is the number of ids that the sample's filter remembers (sampler.Config.FilterSize), 0 to 1<<24; 0 is the
	// sampler's default. Fewer cost time, since ids that were forgotten are hashed again, and change no decision.
	Filter int

	// Diverse is how many of the L2 slots rank ids by the prefix of their address before the id, 0 to L2
	// (sampler.Config.Diverse). There are none under Direct, where nobody confirms prefixes, nor where the driver knows
	// no prefixes (NewAt).
	Diverse int
	// ViewFine and ViewCoarse bound how many of the view's slots from pushes and pulls name ids of one fine prefix, and of
	// one coarse one (Prefix), 0 to MaxL1; 0 is no bound. What does not fit is filled from the sample. They do nothing
	// under Tuples.
	ViewFine, ViewCoarse int

	// Maturity is the number of rounds that a slot must have been fed before it counts, 0 or more.
	Maturity int

	// Probes is the number of distinct sampled ids that are probed again each round, Challenges the number of distinct
	// challengers, both 1 or more.
	Probes, Challenges int

	// Misses is the number of distinct rounds in which an id must have failed to answer to be dead, 1 or more.
	Misses int
	// MaxDeaths bounds the distinct sampled ids that die in one round, 1 or more.
	MaxDeaths int
	// DoubtRounds is how many rounds in a row self-doubt may spare the dying while any exchange of the node's own
	// succeeds, 0 to switch self-doubt off.
	DoubtRounds int

	// Indirect is how many other sampled peers are asked to probe a suspect whom one more miss would kill, 0 to
	// MaxIndirect; 0 switches indirect probes off.
	Indirect int
	// MaxPostpone is in how many rounds at most what they hear puts off the death of an id since it answered us last, 0 or
	// more.
	MaxPostpone int

	// Tombstone is for how many rounds an id that was verified once and died is refused; Unverified the same for an id
	// that never answered. Both double each time the id fails again before it answers. 0 to 1<<20; 0 refuses nobody.
	Tombstone, Unverified int

	// Bank is the number of slots whose ids are handed out once each (Node.Picks), 0 to MaxL2; 0 is none. There can be none
	// under Direct: what is handed out must have answered. BankMaturity is the number of rounds that such a slot must have
	// been fed since it was handed out or cleared, 0 or more. BankProbes bounds the ids that are probed in a round for the
	// bank's sake alone, 0 to MaxL2; 0 is a quarter of Bank, 2 at least.
	Bank, BankMaturity, BankProbes int

	// SeedEvery is the number of rounds after which one seed is contacted again although all seems well, 1 or more: an
	// eclipsed node cannot tell that it is.
	SeedEvery int
	// AloneWait is the most rounds, 1 or more, that a node which knows nobody waits between two tries to reach its seeds
	// and those who answered it once, and any node between two tries of seeds that did not answer. It begins with one and
	// doubles.
	AloneWait int

	// Ablate switches defences off, to measure what each is worth. Presets leave it zero.
	Ablate Ablation
}

// Ablation switches single defences off for the negative controls of tests and simulations.
type Ablation struct {
	SettleDisplaced  bool // challengers that lost their seat unprobed count as decided
	StarveOnOverload bool // pushes of an overloaded round do not feed the sample
	CountRepeats     bool // every push of a sender counts, as under Tuples, not one a round
	BankFromStream   bool // emptied slots of the bank are not offered the ids that answered lately
	SeedsInTurn      bool // seeds that did not answer are asked again in their turn only
}

// Bounds on parameters and on what a round may bring (D26).
const (
	MaxL1 = 256 // a pull answer lists at most 256 entries: spec/brahms.md, limits

	// MaxReply bounds the ids of one pull reply, counted with repeats.
	MaxReply = 256

	// MaxPushers bounds the distinct pushers that a node remembers in one round. It lies far above any threshold
	// (256*alpha*tau), so what comes after is overload in any case: it is counted and not kept.
	MaxPushers = 4096

	maxRounds = 1 << 20 // of any time in rounds
)

// Size returns the length l1 = l2 = max(40, 4*cbrt(n)) for a network of n nodes, within MaxL1 (D1). Measured at n=1000,
// f=.2: with l = cbrt(n) the sample ends .53 faulty, with 2*cbrt(n) .21, with this .20 (docs/paper-map.md).
func Size(n int) int { return max(MinSize, cubicSize(float64(n), MaxL1)) }

// MinSize is the length that no network is too small for: shorter views lose to attackers by chance.
const MinSize = 40

// Hardened returns the default parameters, for views and samples of l slots. Where it departs from the paper, the row of
// docs/paper-map.md says why and what was measured.
func Hardened(l int) Params {
	return Params{
		L1: l, L2: l,
		Alpha: .40, Beta: .30, Gamma: .30, // D8
		Threshold: 1.25, Overload: OverloadRefill, Refresh: RefreshAlways, // D10, D9, D11
		Hash:     sampler.AES,
		Diverse:  l / 4,                                 // D27
		ViewFine: max(1, l/20), ViewCoarse: max(2, l/8), // D28
		Maturity:    30,
		Probes:      max(1, l/5),
		Challenges:  max(1, l/2),
		Misses:      2, // D16
		MaxDeaths:   max(1, l/10),
		DoubtRounds: 3,
		Indirect:    6, MaxPostpone: 12, // D30: docs/liveness.md
		Tombstone:  8,
		Unverified: 16,
		SeedEvery:  20,
		AloneWait:  60, // 10 minutes of rounds of 10 s: guess

		BankMaturity: 30,
	}
}

// Paper returns the parameters of the paper, for views and samples of l slots: the reference for figures, not for use on
// an open network.
func Paper(l int) Params {
	return Params{
		L1: l, L2: l,
		Alpha: .45, Beta: .45, Gamma: .10,
		Threshold: 1, Overload: OverloadKeep, Refresh: RefreshBoth,
		Tuples: true, Direct: true, Rekey: true,
		Hash:       sampler.AES,
		Probes:     max(1, l/5),
		Challenges: 1,
		Misses:     1,
		MaxDeaths:  l,
		SeedEvery:  1 << 20,
		AloneWait:  1,
	}
}

// Presets lists the names that Preset takes.
func Presets() []string { return []string{"hardened", "paper"} }

// Preset returns the named parameters for views and samples of l slots.
func Preset(name string, l int) (Params, error) {
	switch strings.ToLower(name) {
	case "hardened":
		return Hardened(l), nil
	case "paper":
		return Paper(l), nil
	}
	return Params{}, fmt.Errorf("protocol: preset=%q must be one of %v", name, Presets())
}

// Validate reports the first parameter that breaks a rule, by name, value and rule.
func (p Params) Validate() error {
	for _, v := range []struct {
		name     string
		value    int
		min, max int
	}{
		{"l1", p.L1, 3, MaxL1},
		{"l2", p.L2, 1, sampler.MaxL2},
		{"filter", p.Filter, 0, 1 << 24},
		{"diverse", p.Diverse, 0, sampler.MaxL2},
		{"view fine", p.ViewFine, 0, MaxL1},
		{"view coarse", p.ViewCoarse, 0, MaxL1},
		{"maturity", p.Maturity, 0, maxRounds},
		{"probes", p.Probes, 1, sampler.MaxL2},
		{"challenges", p.Challenges, 1, sampler.MaxL2},
		{"misses", p.Misses, 1, maxRounds},
		{"max deaths", p.MaxDeaths, 1, sampler.MaxL2},
		{"doubt rounds", p.DoubtRounds, 0, maxRounds},
		{"indirect", p.Indirect, 0, MaxIndirect},
		{"max postpone", p.MaxPostpone, 0, maxRounds},
		{"tombstone", p.Tombstone, 0, maxRounds},
		{"unverified", p.Unverified, 0, maxRounds},
		{"seed every", p.SeedEvery, 1, maxRounds},
		{"alone wait", p.AloneWait, 1, maxRounds},
		{"bank", p.Bank, 0, sampler.MaxL2},
		{"bank maturity", p.BankMaturity, 0, maxRounds},
		{"bank probes", p.BankProbes, 0, sampler.MaxL2},
	} {
		if v.value < v.min || v.value > v.max {
			return fmt.Errorf("protocol: %s=%d must be between %d and %d", v.name, v.value, v.min, v.max)
		}
	}
	if err := p.validateAdapt(); err != nil {
		return err
	}
	if p.Bank > 0 && p.Direct {
		return fmt.Errorf("protocol: bank=%d must be 0 where ids are fed directly: what it hands out must have answered", p.Bank)
	}
	if p.Diverse > p.L2 {
		return fmt.Errorf("protocol: diverse=%d must be at most l2=%d", p.Diverse, p.L2)
	}
	for _, v := range []struct {
		name  string
		value float64
	}{{"alpha", p.Alpha}, {"beta", p.Beta}, {"gamma", p.Gamma}} {
		if !(v.value >= 0 && v.value <= 1) { // NaN is not within either
			return fmt.Errorf("protocol: %s=%v must be between 0 and 1", v.name, v.value)
		}
	}
	// Compared with a tolerance: .3+.6+.1 is not 1 in floating point.
	if sum := p.Alpha + p.Beta + p.Gamma; math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("protocol: alpha+beta+gamma=%v+%v+%v=%v must be 1", p.Alpha, p.Beta, p.Gamma, sum)
	}
	if !(p.Threshold > 0) {
		return fmt.Errorf("protocol: threshold=%v must be positive", p.Threshold)
	}
	switch p.Overload {
	case OverloadKeep, OverloadRefill, OverloadDrop:
	default:
		return fmt.Errorf("protocol: overload=%q must be one of keep, refill, drop", p.Overload)
	}
	switch p.Refresh {
	case RefreshAlways, RefreshEither, RefreshBoth:
	default:
		return fmt.Errorf("protocol: refresh=%q must be one of always, either, both", p.Refresh)
	}
	for _, k := range sampler.Kinds() {
		if p.Hash == k {
			return nil
		}
	}
	return fmt.Errorf("protocol: hash=%q must be one of %v", p.Hash, sampler.Kinds())
}

// validateAdapt is the part of Validate about sizes that follow the network.
func (p Params) validateAdapt() error {
	name, most := "l2", sampler.MaxL2
	if p.KeepSample {
		name, most = "l1", MaxL1
	}
	switch {
	case p.AdaptMin == 0 && p.AdaptMax == 0:
		return nil
	case p.AdaptMin < 3 || p.AdaptMin > MaxL1:
		return fmt.Errorf("protocol: adapt min=%d must be between 3 and %d", p.AdaptMin, MaxL1)
	case p.AdaptMax < p.AdaptMin || p.AdaptMax > most:
		return fmt.Errorf("protocol: adapt max=%d must be between adapt min=%d and %d", p.AdaptMax, p.AdaptMin, most)
	case p.size() < p.AdaptMin || p.size() > p.AdaptMax:
		return fmt.Errorf("protocol: %s=%d must be between adapt min=%d and adapt max=%d", name, p.size(), p.AdaptMin, p.AdaptMax)
	case !p.KeepSample && p.L1 != min(p.L2, MaxL1):
		return fmt.Errorf("protocol: l1=%d must be that of l2=%d, at most %d, where sizes adapt", p.L1, p.L2, MaxL1)
	}
	return nil
}

// Shares returns how the slots of the view divide.
func (p Params) Shares() view.Shares { return view.Split(p.L1, p.Alpha, p.Beta, p.Gamma) }

// MaxL2 bounds L2, and Hash names a hash for Params.Hash: drivers need not know the sampler.
const MaxL2 = sampler.MaxL2

// Hash is the kind of keyed hash with the given name; Params.Validate tells whether it exists.
func Hash(name string) sampler.Kind { return sampler.Kind(name) }
