package sim

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"strconv"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// A Setting is one thing that a user may say of a simulation, on the command line or in a file of scenarios. Its name is
// the same in both.
type Setting struct {
	Name    string
	Section string // of the help
	Usage   string // with the value's unit or meaning in back quotes
	Default string
	Value   any // of the type that the command line parses: int, float64, uint64, string or bool
}

// The sections of settings.
const (
	InNetwork = "NETWORK"
	InAttack  = "ATTACK"
	InRules   = "RULES OF BRAHMS"
)

// field is a setting with the field that it sets. Exactly one of config and param is set.
type field struct {
	name, section, usage string
	shown                string // the default as the help shows it, "" for the value of Default
	config               func(*Config) any
	param                func(*protocol.Params) any
}

var fields = []field{
	{name: "algorithm", section: InNetwork, usage: "`NAME` of what runs: brahms, or for comparison basalt, basalt-prefix or cyclon", config: func(c *Config) any { return &c.Algorithm }},
	{name: "nodes", section: InNetwork, usage: "`NUMBER` of nodes at the start, the faulty among them", config: func(c *Config) any { return &c.Nodes }},
	{name: "rounds", section: InNetwork, usage: "`LENGTH` of the simulation in rounds", config: func(c *Config) any { return &c.Rounds }},
	{name: "loss", section: InNetwork, usage: "`SHARE` of exchanges that fail", config: func(c *Config) any { return &c.Loss }},
	{name: "oneway", section: InNetwork, usage: "`SHARE` of ordered pairs of nodes of which the first cannot reach the second", config: func(c *Config) any { return &c.Oneway }},
	{name: "oneway-at", section: InNetwork, usage: "`ROUND` from which on that is so", config: func(c *Config) any { return &c.OnewayAt }},
	{name: "churn", section: InNetwork, usage: "`SHARE` of correct nodes that leave each round, by default without a word; as many newcomers come", config: func(c *Config) any { return &c.Churn }},
	{name: "goodbye", section: InNetwork, usage: "`ROUNDS` for which nodes that leave, by --churn or a churn-storm, answer that they do; 0: they go without a word", config: func(c *Config) any { return &c.Goodbye }},
	{name: "join", section: InNetwork, usage: "`NUMBER` of further newcomers, followed by newcomer_in_samples", config: func(c *Config) any { return &c.Join }},
	{name: "join-at", section: InNetwork, usage: "`ROUND` in which they come", config: func(c *Config) any { return &c.JoinAt }},
	{name: "grow", section: InNetwork, usage: "`NUMBER` of nodes that the network grows to; 0: it stays as it is", config: func(c *Config) any { return &c.Grow }},
	{name: "grow-at", section: InNetwork, usage: "`ROUND` in which that begins", config: func(c *Config) any { return &c.GrowAt }},
	{name: "grow-rounds", section: InNetwork, usage: "`ROUNDS` that it takes; 4*cbrt(nodes) rises evenly", config: func(c *Config) any { return &c.GrowRounds }},
	{name: "shrink-at", section: InNetwork, usage: "`ROUND` in which it begins to shrink back, in as many rounds; 0: never", config: func(c *Config) any { return &c.ShrinkAt }},
	{name: "sizes", section: InNetwork, usage: "measure what nodes take the network's size for (size_estimate), as is always done with --adapt and --grow", config: func(c *Config) any { return &c.Sizes }},
	{name: "prefixes", section: InNetwork, usage: "`NUMBER` of address prefixes (/24) that nodes are spread over, half of them in a quarter; 0: addresses are not simulated", config: func(c *Config) any { return &c.Prefixes }},
	{name: "jitter", section: InNetwork, usage: "`SHARE` of a round by which nodes' rounds shift against each other; 0 keeps them in step", config: func(c *Config) any { return &c.Jitter }},
	{name: "token-bits", section: InNetwork, usage: "`BITS` of work that a push costs: 2^bits attempts in the mean; 0 switches tokens off", config: func(c *Config) any { return &c.TokenBits }},
	{name: "token-budget", section: InNetwork, usage: "`ATTEMPTS` of a correct node in a round; it skips the pushes that they do not suffice for", shown: "what alpha*l1 pushes take in the mean", config: func(c *Config) any { return &c.TokenBudget }},
	{name: "picks", section: InNetwork, usage: "`PACE` at which each node takes ids out of its --bank, in ids a round", shown: "all that are ready", config: func(c *Config) any { return &c.Picks }},
	{name: "meter", section: InNetwork, usage: "count pushes by who sent them (push_share), as is always done with tokens", config: func(c *Config) any { return &c.Meter }},
	{name: "liveness", section: InNetwork, usage: "follow deaths, true and false ones (noticed_rounds, noticed_max, asks, false_deaths)", config: func(c *Config) any { return &c.Liveness }},
	{name: "seed", section: InNetwork, usage: "`NUMBER` that everything is drawn from", config: func(c *Config) any { return &c.Seed }},
	{name: "workers", section: InNetwork, usage: "`NUMBER` of goroutines, which changes nothing but the time", shown: "one a core", config: func(c *Config) any { return &c.Workers }},

	{name: "faulty", section: InAttack, usage: "`SHARE` of nodes that is faulty", config: func(c *Config) any { return &c.Faulty }},
	{name: "attack", section: InAttack, usage: "`NAME` of what the faulty do; see --attacks", shown: "balanced where there are faulty nodes, none otherwise", config: func(c *Config) any { return &c.Attack }},
	{name: "push-share", section: InAttack, usage: "`SHARE` of all pushes sent that the faulty send", shown: "as --faulty, with tokens all that --compute pays", config: func(c *Config) any { return &c.PushShare }},
	{name: "force", section: InAttack, usage: "flood: `TIMES` alpha*l1 pushes of each faulty node a round", config: func(c *Config) any { return &c.Force }},
	{name: "compute", section: InAttack, usage: "`TIMES` the --token-budget of a correct node for each faulty one, spent together as the attack likes", config: func(c *Config) any { return &c.Compute }},
	{name: "victims", section: InAttack, usage: "targeted, eclipse-join, neighbour, relay: `NUMBER` of victims", config: func(c *Config) any { return &c.Victims }},
	{name: "victim-pushes", section: InAttack, usage: "targeted: faulty `PUSHES` to each victim a round, beside the correct ones, as far as the budget goes", shown: "what the threshold leaves beside the correct ones", config: func(c *Config) any { return &c.VictimPushes }},
	{name: "sybils", section: InAttack, usage: "sybil: new faulty `IDS` a round", config: func(c *Config) any { return &c.Sybils }},
	{name: "subnets", section: InAttack, usage: "subnet, neighbour, relay: `NUMBER` of prefixes (/24) that the faulty share, up to 256 of them in one /16", config: func(c *Config) any { return &c.Subnets }},
	{name: "trust-claims", section: InAttack, usage: "negative control: what an id claims of its address is never confirmed", config: func(c *Config) any { return &c.TrustClaims }},
	{name: "start", section: InAttack, usage: "`ROUND` of the event of churn-storm, partition, eclipse-join, liar", shown: "a third of --rounds", config: func(c *Config) any { return &c.Start }},
	{name: "length", section: InAttack, usage: "`ROUNDS` of a partition (30), or that a flapping node is off (5)", shown: "of the attack", config: func(c *Config) any { return &c.Length }},
	{name: "share", section: InAttack, usage: "`SHARE` of correct nodes: flap 0.01 a round, churn-storm 0.5, liar 0.1; poisoned-start: of first views, 0.8", shown: "of the attack", config: func(c *Config) any { return &c.Share }},

	{name: "preset", section: InRules, usage: "rules and numbers by `NAME`: hardened, or paper as published", config: func(c *Config) any { return &c.Preset }},
	{name: "l1", section: InRules, usage: "`SLOTS` of the view", shown: "4*cbrt(nodes), at least 40", config: func(c *Config) any { return &c.L1 }},
	{name: "l2", section: InRules, usage: "`SLOTS` of the sample", shown: "as --l1", config: func(c *Config) any { return &c.L2 }},
	{name: "adapt", section: InRules, usage: "l1, and l2 unless it is given, follow the estimated size of the network, from --l1 (40) on", config: func(c *Config) any { return &c.Adapt }},
	{name: "adapt-min", section: InRules, usage: "`SLOTS` that they have at least; the default is 40 with --adapt", param: func(p *protocol.Params) any { return &p.AdaptMin }},
	{name: "adapt-max", section: InRules, usage: "`SLOTS` that they have at most; the default is 256 with --adapt", param: func(p *protocol.Params) any { return &p.AdaptMax }},
	{name: "alpha", section: InRules, usage: "`SHARE` of the view from pushes", param: func(p *protocol.Params) any { return &p.Alpha }},
	{name: "beta", section: InRules, usage: "`SHARE` of the view from pulls", param: func(p *protocol.Params) any { return &p.Beta }},
	{name: "gamma", section: InRules, usage: "`SHARE` of the view from the sample", param: func(p *protocol.Params) any { return &p.Gamma }},
	{name: "threshold", section: InRules, usage: "`TAU`: a round with more than tau*alpha*l1 pushes is overloaded; +Inf switches the rule off", param: func(p *protocol.Params) any { return &p.Threshold }},
	{name: "overload", section: InRules, usage: "what becomes of the view then, by `RULE`: keep, refill or drop", param: func(p *protocol.Params) any { return &p.Overload }},
	{name: "refresh", section: InRules, usage: "when the view is renewed, by `POLICY`: always, either or both", param: func(p *protocol.Params) any { return &p.Refresh }},
	{name: "tuples", section: InRules, usage: "draw from all that came, as the paper does", param: func(p *protocol.Params) any { return &p.Tuples }},
	{name: "direct", section: InRules, usage: "feed the sample without probing first, as the paper does", param: func(p *protocol.Params) any { return &p.Direct }},
	{name: "rekey", section: InRules, usage: "give a slot a fresh key when its id dies, as the paper does", param: func(p *protocol.Params) any { return &p.Rekey }},
	{name: "hash", section: InRules, usage: "`NAME` of the sampler's hash: aes, sip, sha256 or farm", param: func(p *protocol.Params) any { return &p.Hash }},
	{name: "diverse", section: InRules, usage: "`SLOTS` of the sample that rank ids by the prefix of their address first", param: func(p *protocol.Params) any { return &p.Diverse }},
	{name: "view-fine", section: InRules, usage: "most `SLOTS` of a view, from pushes and pulls, with ids of one /24; 0 is no bound", param: func(p *protocol.Params) any { return &p.ViewFine }},
	{name: "view-coarse", section: InRules, usage: "most such `SLOTS` with ids of one /16; 0 is no bound", param: func(p *protocol.Params) any { return &p.ViewCoarse }},
	{name: "maturity", section: InRules, usage: "`ROUNDS` until a slot counts", param: func(p *protocol.Params) any { return &p.Maturity }},
	{name: "probes", section: InRules, usage: "`NUMBER` of sampled ids probed a round", param: func(p *protocol.Params) any { return &p.Probes }},
	{name: "challenges", section: InRules, usage: "`NUMBER` of challengers probed a round", param: func(p *protocol.Params) any { return &p.Challenges }},
	{name: "misses", section: InRules, usage: "`ROUNDS` in which an id must miss to be dead", param: func(p *protocol.Params) any { return &p.Misses }},
	{name: "max-deaths", section: InRules, usage: "`NUMBER` of sampled ids that may die in a round", param: func(p *protocol.Params) any { return &p.MaxDeaths }},
	{name: "doubt-rounds", section: InRules, usage: "`ROUNDS` in a row that self-doubt may spare the dying", param: func(p *protocol.Params) any { return &p.DoubtRounds }},
	{name: "indirect", section: InRules, usage: "`NUMBER` of other sampled peers that are asked to probe a suspect before it dies; 0 switches that off", param: func(p *protocol.Params) any { return &p.Indirect }},
	{name: "max-postpone", section: InRules, usage: "`ROUNDS` in which what they hear may put off a death", param: func(p *protocol.Params) any { return &p.MaxPostpone }},
	{name: "tombstone", section: InRules, usage: "`ROUNDS` that a dead id is refused", param: func(p *protocol.Params) any { return &p.Tombstone }},
	{name: "unverified", section: InRules, usage: "`ROUNDS` that an id which never answered is refused", param: func(p *protocol.Params) any { return &p.Unverified }},
	{name: "filter", section: InRules, usage: "`IDS` that the sample remembers to have decided on, 0 for the default; it changes nothing but time and memory", param: func(p *protocol.Params) any { return &p.Filter }},
	{name: "bank", section: InRules, usage: "`SLOTS` beside the sample whose ids are handed out once each; 0 is none", param: func(p *protocol.Params) any { return &p.Bank }},
	{name: "bank-maturity", section: InRules, usage: "`ROUNDS` until what such a slot holds may be handed out", param: func(p *protocol.Params) any { return &p.BankMaturity }},
	{name: "bank-probes", section: InRules, usage: "most `PROBES` a round for the bank's sake alone; 0 is a quarter of --bank", param: func(p *protocol.Params) any { return &p.BankProbes }},
	{name: "bank-from-stream", section: InRules, usage: "negative control: emptied slots of the bank are not offered who answered lately", param: func(p *protocol.Params) any { return &p.Ablate.BankFromStream }},
	{name: "seed-every", section: InRules, usage: "`ROUNDS` between contacts to a seed", param: func(p *protocol.Params) any { return &p.SeedEvery }},
	{name: "alone-wait", section: InRules, usage: "most `ROUNDS` between two tries of a node that knows nobody", param: func(p *protocol.Params) any { return &p.AloneWait }},
	{name: "seeds-in-turn", section: InRules, usage: "negative control: seeds that did not answer are asked again in their turn only", param: func(p *protocol.Params) any { return &p.Ablate.SeedsInTurn }},
	{name: "settle-displaced", section: InRules, usage: "negative control: displaced challengers count as decided", param: func(p *protocol.Params) any { return &p.Ablate.SettleDisplaced }},
	{name: "count-repeats", section: InRules, usage: "negative control: every push of a sender counts, not one a round", param: func(p *protocol.Params) any { return &p.Ablate.CountRepeats }},
	{name: "starve-on-overload", section: InRules, usage: "negative control: pushes of an overloaded round do not feed the sample", param: func(p *protocol.Params) any { return &p.Ablate.StarveOnOverload }},
}

// Settings lists all settings, by section.
func Settings() []Setting {
	d := Default()
	p := protocol.Hardened(protocol.Size(d.Nodes))
	var out []Setting
	for _, f := range fields {
		s := Setting{Name: f.name, Section: f.section, Usage: f.usage, Default: f.shown}
		if f.param != nil {
			s.Value = value(f.param(&p))
			s.Default = "of the preset"
		} else {
			s.Value = value(f.config(&d))
		}
		out = append(out, s)
	}
	return out
}

// Set sets the setting of the given name from text. It fails if there is no such setting or text is not of its type;
// whether the value is in range is for Validate to say. A call that fails changes nothing.
func (c *Config) Set(name, text string) error {
	for _, f := range fields {
		if f.name != name {
			continue
		}
		if f.param == nil {
			changed := *c
			if err := assign(f.config(&changed), name, text); err != nil {
				return err
			}
			*c = changed
			return nil
		}
		var scratch protocol.Params
		if err := setParam(&scratch, name, text); err != nil {
			return err
		}
		c.Override = maps.Clone(c.Override)
		if c.Override == nil {
			c.Override = map[string]string{}
		}
		c.Override[name] = text
		return nil
	}
	return fmt.Errorf("sim: there is no setting %q", name)
}

func setParam(p *protocol.Params, name, text string) error {
	for _, f := range fields {
		if f.name == name && f.param != nil {
			return assign(f.param(p), name, text)
		}
	}
	return fmt.Errorf("sim: there is no parameter %q", name)
}

// assign parses text into what to points to.
func assign(to any, name, text string) (err error) {
	kind := ""
	switch to := to.(type) {
	case *int:
		kind = "a whole number"
		*to, err = strconv.Atoi(text)
	case *uint64:
		kind = "a whole number, 0 or more"
		*to, err = strconv.ParseUint(text, 10, 64)
	case *float64:
		kind = "a number"
		*to, err = strconv.ParseFloat(text, 64)
	case *bool:
		kind = "true or false"
		*to, err = strconv.ParseBool(text)
	case *string:
		*to = text
	default: // a named string: a rule, a policy, a hash
		reflect.ValueOf(to).Elem().SetString(text)
	}
	if err != nil {
		return fmt.Errorf("sim: %s=%q must be %s", name, text, kind)
	}
	return nil
}

// value returns what from points to, as one of the types that Setting.Value may have.
func value(from any) any {
	switch from := from.(type) {
	case *int:
		return *from
	case *uint64:
		return *from
	case *float64:
		return *from
	case *bool:
		return *from
	case *string:
		return *from
	}
	return ""
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// changed lists the settings of c that differ from Default and that a Result has no field for, by name.
func (c Config) changed() map[string]string {
	d := Default()
	out := maps.Clone(c.Override)
	for _, f := range fields {
		switch f.name {
		case "algorithm", "preset", "attack", "nodes", "rounds", "l1", "l2", "seed", "workers":
			continue
		}
		if f.config == nil {
			continue
		}
		if is, was := value(f.config(&c)), value(f.config(&d)); is != was {
			if out == nil {
				out = map[string]string{}
			}
			out[f.name] = fmt.Sprint(is)
		}
	}
	return out
}
