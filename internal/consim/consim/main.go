// Command consim prints a table of simulated epochs of agreement: a row for each attack and faulty share, summed over runs.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/brahms-p2p/brahms-p2p/internal/consim"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	c := consim.Default()
	p := &c.Params
	attacks := flag.String("attack", strings.Join(consim.Attacks, ","), "what faulty peers do, separated by commas")
	faulty := flag.String("faulty", "0,.05,.1,.15,.2,.25,.3,.4", "shares of faulty peers, separated by commas")
	runs := flag.Int("runs", 5, "runs of each row, with seeds from -seed on")
	flag.IntVar(&c.Nodes, "nodes", c.Nodes, "peers, the faulty included")
	flag.IntVar(&c.Items, "items", c.Items, "items of correct peers")
	flag.IntVar(&c.Camps, "camps", c.Camps, "items that only a share of the correct peers learn in time")
	flag.Float64Var(&c.Share, "share", c.Share, "see -camps: of the first")
	flag.Float64Var(&c.ShareTo, "share-to", c.ShareTo, "of the last")
	flag.Float64Var(&c.Loss, "loss", c.Loss, "probability that an exchange fails")
	flag.StringVar(&c.Picks, "picks", c.Picks, strings.Join(consim.Picks, ", "))
	flag.IntVar(&c.Pool, "pool", c.Pool, "peers that each draws from with -picks pool")
	flag.Float64Var(&c.Eclipsed, "eclipsed", .05, "share of the correct peers that the attack eclipse is aimed at")
	flag.Float64Var(&c.By, "by", c.By, "share of faulty picks of an eclipsed peer")
	flag.Float64Var(&c.Late, "late", 0, "share of the correct peers that start -late-at rounds after the window")
	flag.IntVar(&c.LateAt, "late-at", 0, "see -late")
	flag.IntVar(&c.Rounds, "rounds", c.Rounds, "after the window, at most")
	flag.Uint64Var(&c.Seed, "seed", c.Seed, "of the first run")
	flag.IntVar(&p.Alpha, "alpha", p.Alpha, "quorum of a poll")
	flag.IntVar(&p.Beta, "beta", p.Beta, "polls in a row that decide")
	flag.IntVar(&p.Adopt, "adopt", p.Adopt, "polls in a row that say decided")
	flag.IntVar(&p.Drift, "drift", p.Drift, "polls without a quorum after which an item falls to out, 0: never")
	flag.IntVar(&p.Hold, "hold", p.Hold, "polls in a row for in after which an item does not fall")
	flag.Parse()
	var shares []float64
	for _, s := range strings.Split(*faulty, ",") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("-faulty %q: %w", s, err)
		}
		shares = append(shares, f)
	}
	fmt.Println("| attack | faulty | runs | closed | half | last | polls a node | bytes a round | disagree | dissent | sets | lost | camps in | stalled | refused | seconds |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, attack := range strings.Split(*attacks, ",") {
		for _, f := range shares {
			if err := row(c, attack, f, *runs); err != nil {
				return err
			}
		}
	}
	return nil
}

// row sums runs; the bytes are those that a node sends in a round in which it polls; half and last are the worst of them, and only of runs in which as many closed.
func row(c consim.Config, attack string, faulty float64, runs int) error {
	start := time.Now()
	c.Attack, c.Faulty = attack, faulty
	if attack != "eclipse" {
		c.Eclipsed = 0
	}
	var sum consim.Result
	for range runs {
		r, err := consim.Run(c)
		if err != nil {
			return err
		}
		c.Seed++
		sum.Nodes += r.Nodes
		sum.Closed += r.Closed
		sum.Stalled += r.Stalled
		sum.Half, sum.Last, sum.Sets = max(sum.Half, r.Half), max(sum.Last, r.Last), max(sum.Sets, r.Sets)
		sum.Polled += r.Polled
		sum.Sent += r.Sent
		sum.Disagree += r.Disagree
		sum.Dissent = max(sum.Dissent, r.Dissent)
		sum.Lost += r.Lost
		sum.CampsIn += r.CampsIn
		sum.Refused += r.Refused
	}
	fmt.Printf("| %s | %v | %d | %.4f | %d | %d | %.0f | %.0f | %d | %d | %d | %d | %d | %.4f | %d | %.0f |\n", attack, faulty, runs,
		float64(sum.Closed)/float64(sum.Nodes), sum.Half, sum.Last, float64(sum.Polled)/float64(sum.Nodes),
		float64(sum.Sent)*float64(c.Params.K)/float64(sum.Polled), sum.Disagree, sum.Dissent,
		sum.Sets, sum.Lost, sum.CampsIn, float64(sum.Stalled)/float64(sum.Nodes), sum.Refused, time.Since(start).Seconds())
	return nil
}
