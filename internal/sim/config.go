package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// The algorithms that a simulation can run.
const (
	Brahms = "brahms" // what this project ships
	Basalt = "basalt" // BASALT (Auvolat et al., Middleware 2023), the rival
	// BasaltPrefix is BASALT with its hierarchical ranking: by prefix first, as in diverse slots.
	BasaltPrefix = "basalt-prefix"
	Cyclon       = "cyclon" // a shuffle in the manner of Cyclon, without any defence
)

// Algorithms lists the values of Config.Algorithm.
func Algorithms() []string { return []string{Brahms, Basalt, BasaltPrefix, Cyclon} }

// Bounds that only stop slips of the keyboard.
const (
	MaxNodes  = 1_000_000
	MaxRounds = 1_000_000
	MaxRuns   = 10_000
	// MaxFaultyPushes bounds the pushes of all faulty nodes in a round: each takes 16 bytes.
	MaxFaultyPushes = 1 << 27
)

// Config says what to simulate. Start from Default: the zero value is invalid. Shares lie between 0 and 1; rounds are
// counted from 1.
type Config struct {
	Algorithm string
	Preset    string // parameters of Brahms by name: protocol.Presets
	Nodes     int    // at the start, correct and faulty, 2 to MaxNodes
	Rounds    int    // 1 to MaxRounds
	L1, L2    int    // sizes of view and sample; 0 takes protocol.Size(Nodes), and L1
	// Override sets single parameters of Brahms, by the names and in the notation of Settings.
	Override map[string]string

	Faulty       float64 // share of Nodes that is faulty; round(Faulty*Nodes) are
	Attack       string  // by name: Attacks; "" is "none" without faulty nodes, else "balanced"
	PushShare    float64 // share of all pushes sent that faulty nodes send; -1 takes Faulty
	Force        float64 // flood: pushes of a faulty node, in those of a correct one
	Start        int     // round in which the attack's event happens: newcomers of eclipse-join, the storm, the cut
	Length       int     // partition: rounds until the halves meet again; flap: rounds that a node is off
	Share        float64 // flap: correct nodes that go off each round; churn-storm: that leave; poisoned-start: faulty ids in first views; liar: that die
	Victims      int     // targeted and eclipse-join: number of victims
	VictimPushes int     // targeted: faulty pushes that each victim gets a round; -1 takes the threshold
	Sybils       int     // sybil: new faulty ids a round
	Compute      float64 // attempts at tokens of a faulty node in a round, in budgets of a correct one: 0 to MaxCompute

	TokenBits   int // a push costs 2^TokenBits attempts in the mean, 0 to MaxTokenBits; 0 is nothing
	TokenBudget int // attempts of a correct node in a round, up to MaxTokenBudget; 0 is what alpha*l1 pushes take in the mean

	Prefixes    int  // prefixes of addresses that correct nodes are spread over (addresses.go); 0 is none: nobody has an address
	Subnets     int  // subnet, neighbour, relay: prefixes of the operator of all faulty nodes
	TrustClaims bool // negative control: what an id claims of its address is never confirmed

	Adapt bool // l1 and l2 follow the estimated size of the network, from L1 (0: protocol.MinSize) on
	// Sizes is whether to measure what nodes take the network's size for, as is always done with Adapt and Grow.
	Sizes      bool
	Grow       int // nodes that the network grows to from Nodes on, by correct ones that join; 0 is none
	GrowAt     int // round in which it begins
	GrowRounds int // rounds that it takes
	ShrinkAt   int // round in which it begins to shrink back, in as many rounds, by correct nodes that leave without a word; 0 is never

	Picks float64 // ids that each node takes out of its bank (protocol.Params.Bank) in a round; -1 takes all that are ready

	Loss   float64 // share of exchanges that fail
	Oneway float64 // share of ordered pairs of nodes of which the first cannot reach the second, from OnewayAt on
	// OnewayAt is the first round of which that is true.
	OnewayAt int
	Churn    float64 // share of correct nodes that leave each round, and as many newcomers
	// Goodbye is for how many rounds nodes that leave, by churn or in a churn-storm, answer that they do. 0: they go without
	// a word.
	Goodbye int
	Join    int     // further newcomers, whom newcomer_in_samples follows
	JoinAt  int     // round in which they come
	Jitter  float64 // 0: all rounds in step; otherwise how far a node's round may shift against its last, as a share of it

	Seed    uint64
	Workers int // goroutines; 0 is one a core. It changes nothing but the time.
	// Meter is whether to count pushes by who sent them: the word push_share. With tokens it is always counted.
	Meter bool
	// Liveness is whether to follow deaths, true and false ones: the words noticed_rounds, noticed_max, asks and false_deaths.
	Liveness bool
	// Perfect is whether to compute the words that need the truth: perfect, t50, t90, t99. It costs a hash of every id for
	// every measured node.
	Perfect bool
	// EachRound, unless nil, is called after each round.
	EachRound func(Round)
}

// Default returns the simulation that the command line starts from.
func Default() Config {
	return Config{
		Algorithm: Brahms, Preset: "hardened", Nodes: 1000, Rounds: 150,
		PushShare: -1, Force: 10, VictimPushes: -1, Victims: 1, Sybils: 10, Compute: 1, Subnets: 1, Start: -1, Length: -1, Share: -1,
		Picks: -1, JoinAt: 1, OnewayAt: 1, GrowAt: 1, GrowRounds: 100, Seed: 1, Perfect: true,
	}
}

// Params returns the parameters of Brahms that c asks for, or the first error in what names them.
func (c Config) Params() (protocol.Params, error) {
	l1 := c.L1
	if l1 == 0 {
		l1 = protocol.Size(c.Nodes)
		if c.Adapt {
			l1 = protocol.MinSize
		}
	}
	p, err := protocol.Preset(c.Preset, l1)
	if err != nil {
		return p, err
	}
	if c.L2 != 0 {
		view := p
		if p, err = protocol.Preset(c.Preset, c.L2); err != nil { // the budgets follow the sample's size
			return p, err
		}
		p.L1, p.L2, p.ViewFine, p.ViewCoarse = view.L1, c.L2, view.ViewFine, view.ViewCoarse
	}
	p.Filter = filterSize(c.most())
	if c.Adapt {
		p = adapting(p, c.L2 != 0)
	}
	for _, name := range slices.Sorted(keys(c.Override)) {
		if err := setParam(&p, name, c.Override[name]); err != nil {
			return p, err
		}
	}
	return p, p.Validate()
}

// filterSize is how many ids a node's filter may remember: the sampler's default, in very large networks as many as let all
// filters together stay within a gigabyte. It changes nothing but time and memory.
func filterSize(nodes int) int {
	const budget, entry = 1 << 30, 8
	if size := budget / entry / nodes; size < 8192 {
		return size
	}
	return 0
}

// faulty is the number of faulty nodes at the start.
func (c Config) faulty() int { return int(math.Round(c.Faulty * float64(c.Nodes))) }

// attack is the name of the attack that c asks for.
func (c Config) attack() string {
	switch {
	case c.Attack != "":
		return c.Attack
	case c.faulty() > 0:
		return "balanced"
	}
	return "none"
}

// plannedPushes is about how many pushes the faulty nodes send in a round.
func (c Config) plannedPushes() float64 {
	p, err := c.Params()
	if err != nil || c.faulty() == 0 {
		return 0
	}
	fanout := float64(p.Shares().Push)
	pushes := c.pushShare() / (1 - c.pushShare()) * fanout * float64(c.Nodes)
	switch {
	case c.attack() == "flood":
		return c.Force * fanout * float64(c.faulty())
	case c.TokenBits > 0 && c.PushShare < 0:
		return c.affordable(p)
	}
	return pushes
}

// Validate reports the first field that breaks a rule, by name, value and rule.
func (c Config) Validate() error {
	if !slices.Contains(Algorithms(), c.Algorithm) {
		return fmt.Errorf("sim: algorithm=%q must be one of %s", c.Algorithm, strings.Join(Algorithms(), ", "))
	}
	for _, v := range []struct {
		name            string
		value, min, max int
	}{
		{"nodes", c.Nodes, 2, MaxNodes},
		{"rounds", c.Rounds, 1, MaxRounds},
		{"start", c.Start, -1, MaxRounds},
		{"length", c.Length, -1, MaxRounds},
		{"victims", c.Victims, 0, MaxNodes},
		{"victim-pushes", c.VictimPushes, -1, 1 << 20},
		{"sybils", c.Sybils, 0, MaxNodes},
		{"prefixes", c.Prefixes, 0, MaxNodes},
		{"subnets", c.Subnets, 1, MaxNodes},
		{"goodbye", c.Goodbye, 0, MaxRounds},
		{"join", c.Join, 0, MaxNodes},
		{"join-at", c.JoinAt, 1, MaxRounds},
		{"oneway-at", c.OnewayAt, 1, MaxRounds},
		{"workers", c.Workers, 0, 1 << 16},
	} {
		if v.value < v.min || v.value > v.max {
			return fmt.Errorf("sim: %s=%d must be between %d and %d", v.name, v.value, v.min, v.max)
		}
	}
	for _, v := range []struct {
		name     string
		value    float64
		min, max float64 // max itself is out
	}{
		{"faulty", c.Faulty, 0, 1},
		{"push-share", c.PushShare, -1, 1},
		{"force", c.Force, 0, 1e4},
		{"share", c.Share, -1, closed1},
		{"picks", c.Picks, -1, 1e4},
		{"loss", c.Loss, 0, 1},
		{"oneway", c.Oneway, 0, 1},
		{"churn", c.Churn, 0, 1},
		{"jitter", c.Jitter, 0, 1},
	} {
		if !(v.value >= 0 && v.value < v.max) && v.value != v.min {
			unset := ""
			if v.min < 0 {
				unset = ", or -1 for the default"
			}
			return fmt.Errorf("sim: %s=%v must be at least 0 and %s%s", v.name, v.value, upTo(v.max), unset)
		}
	}
	if c.Start == 0 || c.Start > c.Rounds {
		return fmt.Errorf("sim: start=%d must be between 1 and rounds=%d, or -1 for the default", c.Start, c.Rounds)
	}
	if c.Length == 0 {
		return fmt.Errorf("sim: length=0 must be 1 or more, or -1 for the default")
	}
	if c.Join > 0 && c.JoinAt > c.Rounds {
		return fmt.Errorf("sim: join-at=%d must not be after the last of rounds=%d", c.JoinAt, c.Rounds)
	}
	if c.Nodes-c.faulty() < 2 {
		return fmt.Errorf("sim: faulty=%v of nodes=%d leaves %d correct nodes, at least 2 must be", c.Faulty, c.Nodes, c.Nodes-c.faulty())
	}
	if c.Victims >= c.Nodes-c.faulty() {
		return fmt.Errorf("sim: victims=%d must be fewer than the %d correct nodes", c.Victims, c.Nodes-c.faulty())
	}
	if err := c.validateTokens(); err != nil {
		return err
	}
	if err := c.validateSizes(); err != nil {
		return err
	}
	name := c.attack()
	kind, ok := attacks[name]
	if !ok {
		return fmt.Errorf("sim: attack=%q must be one of %s", name, strings.Join(Attacks(), ", "))
	}
	if kind.needsFaulty && c.faulty() == 0 {
		return fmt.Errorf("sim: attack=%s needs faulty nodes, faulty=%v of nodes=%d is none", name, c.Faulty, c.Nodes)
	}
	if kind.needsPrefixes && c.Prefixes == 0 {
		return fmt.Errorf("sim: prefixes=0 must be 1 or more under attack=%s", name)
	}
	if pushes := c.plannedPushes(); pushes > MaxFaultyPushes {
		return fmt.Errorf("sim: push-share, force, victim-pushes or compute ask for %.3g pushes of faulty nodes a round, at most %d are possible", pushes, MaxFaultyPushes)
	}
	if slices.Contains([]string{"targeted", "eclipse-join", "neighbour", "relay"}, name) && c.Victims == 0 {
		return fmt.Errorf("sim: victims=0 must be 1 or more under attack=%s", name)
	}
	if c.Algorithm != Brahms && c.L2 != 0 && c.L2 != c.L1 {
		return fmt.Errorf("sim: l2=%d must be that of l1=%d: algorithm=%s has views only", c.L2, c.L1, c.Algorithm)
	}
	if c.PushShare > 0 && c.faulty() == 0 {
		return fmt.Errorf("sim: push-share=%v needs faulty nodes, faulty=%v of nodes=%d is none", c.PushShare, c.Faulty, c.Nodes)
	}
	if len(c.Override) > 0 && c.Algorithm != Brahms {
		return fmt.Errorf("sim: %s is a parameter of brahms, algorithm=%s has none of it", slices.Sorted(keys(c.Override))[0], c.Algorithm)
	}
	_, err := c.Params()
	return err
}

// closed1 bounds shares that may be 1.
const closed1 = 1 + 1e-9

func upTo(bound float64) string {
	if bound == closed1 {
		return "at most 1"
	}
	return fmt.Sprintf("below %v", bound)
}
