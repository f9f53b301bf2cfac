package plots

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// A Run is a simulation that is over, with all its rounds.
type Run struct {
	Result *sim.Result
	Rounds []sim.Round
}

// Write draws one simulation, or several runs of it that differ in their seed, into dir: who is represented
// (representation), how the sample converges (convergence; where that was judged), how often nodes stand in views
// (in-degree), and what becomes of victims (victims; where there are any). It returns the names of the files.
func Write(dir string, runs []Run) ([]string, error) {
	if len(runs) == 0 {
		return nil, fmt.Errorf("plots: there is no run to draw")
	}
	for _, r := range runs {
		if len(r.Rounds) == 0 || len(r.Rounds) != len(runs[0].Rounds) {
			return nil, fmt.Errorf("plots: run of seed %d has %d rounds, want as many as the first and at least one", r.Result.Seed, len(r.Rounds))
		}
	}
	var files []string
	for _, f := range []struct {
		name string
		make func([]Run) (Figure, bool)
	}{{"representation", representation}, {"convergence", convergence}, {"in-degree", inDegree}, {"victims", victims}} {
		figure, ok := f.make(runs)
		if !ok {
			continue
		}
		some, err := Draw(filepath.Join(dir, f.name), figure)
		files = append(files, some...)
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

// Over returns how a figure of rounds went: the mean over the runs, and between the least and the most where there are
// several.
func Over(label string, runs []Run, value func(sim.Round) float64) Series {
	s := Series{Label: label}
	for k := range runs[0].Rounds {
		sum, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
		for _, r := range runs {
			v := value(r.Rounds[k])
			sum, lo, hi = sum+v, min(lo, v), max(hi, v)
		}
		s.X = append(s.X, float64(runs[0].Rounds[k].Round))
		s.Y = append(s.Y, sum/float64(len(runs)))
		if len(runs) > 1 {
			s.Low, s.High = append(s.Low, lo), append(s.High, hi)
		}
	}
	return s
}

// Configuration says in words what was simulated.
func Configuration(runs []Run) string {
	r := runs[0].Result
	name := r.Algorithm
	if r.Algorithm == sim.Brahms {
		name = fmt.Sprintf("Brahms, %s", r.Preset)
	}
	words := []string{
		fmt.Sprintf("%s: %d nodes", name, r.Nodes), sizes(r),
	}
	switch {
	case r.Faulty > 0 && r.Attack != "none":
		words = append(words, fmt.Sprintf("%s faulty, attack %s", percent(share(r)), r.Attack))
	case r.Attack != "none":
		words = append(words, "attack "+r.Attack)
	case r.Faulty == 0:
		words = append(words, "nobody faulty")
	default:
		words = append(words, fmt.Sprintf("%s faulty, no attack", percent(share(r))))
	}
	if n := len(runs); n > 1 {
		words = append(words, fmt.Sprintf("mean and range of %d runs", n))
	}
	return strings.Join(words, ", ")
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// short is a number as legends have it.
func short(x float64) string { return fmt.Sprintf("%.3g", x) }

func sizes(r *sim.Result) string {
	if r.L1 == r.L2 || r.Algorithm != sim.Brahms {
		return fmt.Sprintf("l1 = %d", r.L1)
	}
	return fmt.Sprintf("l1 = %d, l2 = %d", r.L1, r.L2)
}

// Ceiling is where an axis of shares may end that shows these series: at 1, or at .5 or .25 if all lie clearly below.
func Ceiling(series ...Series) float64 {
	most := 0.0
	for _, s := range series {
		for _, ys := range [][]float64{s.Y, s.High} {
			for _, y := range ys {
				if isFinite(y) {
					most = max(most, y)
				}
			}
		}
	}
	for _, end := range []float64{.25, .5} {
		if most < .92*end {
			return end
		}
	}
	return 1.02
}

// Rounds is the label of an axis of rounds.
const Rounds = "time (rounds)"

// references are the theory of views, where there is one, and the share of faulty nodes.
func references(r *sim.Result) []Reference {
	if r.Faulty == 0 {
		return nil
	}
	var out []Reference
	if r.Theory != 0 {
		out = append(out, Reference{Label: "theory of views (" + short(r.Theory) + ")", Y: r.Theory})
	}
	return append(out, Reference{Label: "faulty nodes (" + short(share(r)) + ")", Y: share(r)})
}

func representation(runs []Run) (Figure, bool) {
	views := Over("in views", runs, func(r sim.Round) float64 { return r.ViewFaulty })
	samples := Over("in samples", runs, func(r sim.Round) float64 { return r.SampleFaulty })
	return Figure{
		Title: "How far faulty nodes are represented", Subtitle: Configuration(runs),
		X: Rounds, Y: "share of faulty ids", YMax: Ceiling(views, samples),
		Series:     []Series{views, samples},
		References: references(runs[0].Result),
	}, true
}

func convergence(runs []Run) (Figure, bool) {
	perfect := Over("perfect slots", runs, func(r sim.Round) float64 { return r.Perfect })
	return Figure{
		Title: "How samples converge to what they should hold", Subtitle: Configuration(runs),
		X: Rounds, Y: "share of sample slots", YMax: 1.02,
		Series: []Series{perfect, Over("filled slots", runs, func(r sim.Round) float64 { return r.Filled })},
		Marks:  milestones(perfect),
	}, slices.ContainsFunc(runs, func(r Run) bool { return r.Result.PerfectNodes > 0 })
}

// milestones are where the line first gets to 50, 90 and 99 %.
func milestones(s Series) []Mark {
	var out []Mark
	for _, t := range []int{50, 90, 99} {
		for k, v := range s.Y {
			if v >= float64(t)/100 {
				out = append(out, Mark{Label: fmt.Sprintf("t%d = %g", t, s.X[k]), X: s.X[k], Y: v})
				break
			}
		}
	}
	return out
}

func victims(runs []Run) (Figure, bool) {
	s := Over("in views of the victims", runs, func(r sim.Round) float64 { return r.VictimView })
	attacked := 0.0
	for _, v := range s.Y {
		attacked += v
	}
	all := Over("in views of all correct nodes", runs, func(r sim.Round) float64 { return r.ViewFaulty })
	return Figure{
		Title: "What becomes of the victims", Subtitle: Configuration(runs),
		X: Rounds, Y: "share of faulty ids", YMax: Ceiling(s, all),
		Series:     []Series{s, all},
		References: references(runs[0].Result),
	}, attacked > 0
}

func share(r *sim.Result) float64 { return float64(r.Faulty) / float64(r.Nodes) }
