package consim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// Where the peers of a poll come from.
const (
	FromSample = "sample" // drawn anew for each poll; Config.Faulty of them are faulty
	FromView   = "view"   // drawn anew for each poll; ViewFaulty(Config.Faulty) of them are faulty
	FixedPicks = "fixed"  // drawn as from the sample, once for a node
	FromPool   = "pool"   // drawn anew for each poll from Config.Pool peers of the node, which were drawn once as from the sample
)

// PoolSize is how many peers a sample of the default size has: what who has no bank of fresh picks draws from again and
// again, while nobody dies and nobody better is found.
const PoolSize = 40

// Picks are the names of where the peers of a poll come from.
var Picks = []string{FromSample, FromView, FixedPicks, FromPool}

// Attacks are the names of what faulty peers do, in the order of tables.
var Attacks = []string{"silent", "contrary", "equivocating", "eclipse", "replay", "drip", "turncoat"}

// A Config is one run.
type Config struct {
	Nodes    int     // all, the round(Faulty*Nodes) faulty ones included
	Faulty   float64 // 0 to 0.9
	Attack   string  // one of Attacks
	Items    int     // proposed by correct nodes at the start of the epoch
	Camps    int     // of faulty nodes, which show each at the end of the window to a share of the correct nodes, at random
	Share    float64 // that share for the first camp
	ShareTo  float64 // and for the last; those between are evenly spaced
	Loss     float64 // probability that an exchange fails, each on its own
	Picks    string  // one of Picks
	Pool     int     // see FromPool
	Eclipsed float64 // share of the correct nodes whose picks are faulty with probability By
	By       float64
	Late     float64 // share of the correct nodes that start LateAt rounds after the window
	LateAt   int
	Rounds   int // after the window; the run ends when all correct nodes have closed the epoch or after these
	Seed     uint64
	Params   machine.Params
}

// Default returns a run of 1,000 nodes without faulty ones.
func Default() Config {
	return Config{
		Nodes: 1000, Attack: "silent", Items: 4, Camps: 4, Share: .5, ShareTo: .8, Picks: FromSample, Pool: PoolSize, By: .6,
		Rounds: 400, Seed: 1, Params: machine.Default(),
	}
}

// Validate returns an error that names the first field out of its range.
func (c Config) Validate() error {
	shares := map[string]float64{"Share": c.Share, "ShareTo": c.ShareTo, "Loss": c.Loss, "Eclipsed": c.Eclipsed, "By": c.By, "Late": c.Late}
	for _, name := range []string{"Share", "ShareTo", "Loss", "Eclipsed", "By", "Late"} {
		if v := shares[name]; !(v >= 0 && v <= 1) {
			return fmt.Errorf("consim: %s is %v, must be 0 to 1", name, v)
		}
	}
	switch {
	case c.Nodes < 5 || c.Nodes > 100_000:
		return fmt.Errorf("consim: Nodes is %d, must be 5 to 100000", c.Nodes)
	case !(c.Faulty >= 0 && c.Faulty <= .9):
		return fmt.Errorf("consim: Faulty is %v, must be 0 to 0.9", c.Faulty)
	case !slices.Contains(Attacks, c.Attack):
		return fmt.Errorf("consim: Attack is %q, must be one of %s", c.Attack, strings.Join(Attacks, ", "))
	case !slices.Contains(Picks, c.Picks):
		return fmt.Errorf("consim: Picks is %q, must be one of %s", c.Picks, strings.Join(Picks, ", "))
	case c.Pool < 1:
		return fmt.Errorf("consim: Pool is %d, must be at least 1", c.Pool)
	case c.Items < 0 || c.Camps < 0 || c.Items+c.Camps > machine.MaxItems:
		return fmt.Errorf("consim: Items and Camps are %d and %d, must be at least 0 and at most %d together", c.Items, c.Camps, machine.MaxItems)
	case c.Rounds < 1:
		return fmt.Errorf("consim: Rounds is %d, must be at least 1", c.Rounds)
	}
	return c.Params.Validate()
}

// ViewFaulty is the share of faulty ids in views while the share f of the peers is faulty, as measured with hardened
// rules (docs/simulation.md, "The paper's rules and the hardened ones"), straight lines between.
func ViewFaulty(f float64) float64 {
	at := []float64{0, .169, .323, .478, .613} // at 0, .1, .2, .3, .4
	i := min(int(f*10), len(at)-2)
	return min(1, at[i]+(at[i+1]-at[i])*(f*10-float64(i)))
}
