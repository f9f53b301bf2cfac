package swarm

import (
	"fmt"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// Attacks lists what faulty peers can do, None of it first: the baseline of the others.
func Attacks() []string {
	names := slices.DeleteFunc(attack.Names(), func(name string) bool { return name == attack.None })
	return append([]string{attack.None}, names...)
}

// AboutAttack says in one line what the attack of that name does.
func AboutAttack(name string) string { return attack.About(name) }

// AgreeAttacks lists what faulty peers can do to the agreement, None of it first.
func AgreeAttacks() []string { return attack.Dissents() }

// AboutAgreeAttack says in one line what the attack on the agreement of that name does.
func AboutAgreeAttack(name string) string { return attack.AboutDissent(name) }

// What a swarm of 62 peers, a fifth of them faulty, must hold after 60 rounds of 300 ms. In the samples of 50 correct peers
// with 40 slots each the share of faulty ids has a standard deviation of .01 or more, since slots of one peer agree.
const (
	MaxSampleFaulty = .28 // where the faulty are a fifth
	MaxMemoryRatio  = 1.3 // of what the baseline takes, for attacks on resources
	MinDoneRatio    = .95 // of what the baseline reaches, likewise
)

// MinBaselineDone is the least share of exchanges that must end in their round without an attack. Where fewer do it is the
// machine that is judged: faulty peers need not keep up with rounds, and so gain by every push and pull that is lost.
const MinBaselineDone = .4

// TooSlow says why s, of a run without an attack, is no baseline; "" if it is one.
func (s *Summary) TooSlow() string {
	if s.ExchangesDone >= MinBaselineDone {
		return ""
	}
	return fmt.Sprintf("the machine is too slow: without an attack %.3f of the exchanges end in their round, at least %v must", s.ExchangesDone, MinBaselineDone)
}

// exhausting are the attacks on resources.
var exhausting = []string{"garbage", "slow", "greedy"}

// Shortfalls says in what s, of a run under attack, falls short of the bounds that hold on any machine.
func (s *Summary) Shortfalls() (short []string) {
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			short = append(short, fmt.Sprintf(format, args...))
		}
	}
	bad(s.IsolatedBoth == 0, "isolated_both %d", s.IsolatedBoth)
	bad(s.Eclipsed == 0, "eclipsed %d", s.Eclipsed)
	bad(s.SampleFaulty <= MaxSampleFaulty, "sample_faulty %.3f above %v", s.SampleFaulty, MaxSampleFaulty)
	bad(s.PhantomsInSamples == 0, "phantoms_in_samples %d", s.PhantomsInSamples)
	return short
}

// TooDear says in what runs of an attack on resources cost more than they may, by the medians of what each run comes to
// beside one without an attack: where a swarm takes
// all of a machine, two equal runs differ by a fifth. Other attacks are not judged.
func TooDear(attack string, runs []Ratios) (Ratios, []string) {
	r := medianRatios(runs)
	if !slices.Contains(exhausting, attack) {
		return r, nil
	}
	var short []string
	if r.Memory > MaxMemoryRatio {
		short = append(short, fmt.Sprintf("memory %.2f times that without an attack", r.Memory))
	}
	if r.OnTime < MinDoneRatio {
		short = append(short, fmt.Sprintf("rounds_on_time %.3f of that without an attack", r.OnTime))
	}
	if r.Done < MinDoneRatio {
		short = append(short, fmt.Sprintf("exchanges_done %.3f of that without an attack", r.Done))
	}
	return r, short
}

func medianRatios(runs []Ratios) Ratios {
	median := func(of func(Ratios) float64) float64 {
		var all []float64
		for _, r := range runs {
			all = append(all, of(r))
		}
		slices.Sort(all)
		n := len(all)
		if n == 0 {
			return 0
		}
		return (all[(n-1)/2] + all[n/2]) / 2
	}
	return Ratios{
		Memory: median(func(r Ratios) float64 { return r.Memory }),
		OnTime: median(func(r Ratios) float64 { return r.OnTime }),
		Done:   median(func(r Ratios) float64 { return r.Done }),
	}
}

// Ratios compare the costs of a run with those of another.
type Ratios struct {
	Memory float64 `json:"memory"`         // of rss_mb_max
	OnTime float64 `json:"rounds_on_time"` // of what its name says
	Done   float64 `json:"exchanges_done"` // likewise
}

// RatiosTo returns the ratios of s to other, 0 where other has nothing.
func (s *Summary) RatiosTo(other *Summary) Ratios {
	per := func(a, b float64) float64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	return Ratios{
		Memory: per(s.RSSMBMax, other.RSSMBMax), OnTime: per(s.RoundsOnTime, other.RoundsOnTime),
		Done: per(s.ExchangesDone, other.ExchangesDone),
	}
}
