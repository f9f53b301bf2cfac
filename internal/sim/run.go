package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"os"
	"runtime/debug"
	"time"

	"github.com/brahms-p2p/brahms-p2p/internal/usage"
)

// Run simulates what cfg says. It fails if cfg is invalid (Config.Validate), before anything starts, and with the cause
// of ctx if that ends first.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	began, cpu := time.Now(), usage.CPUTime()
	// Nearly all that a simulation holds lives as long as it does: a third of the usual growth between collections costs
	// little time. Whoever sets GOGC has the say.
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(35))
	}
	w, err := newWorld(cfg)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Algorithm: cfg.Algorithm, Preset: cfg.Preset, Attack: cfg.attack(), Nodes: cfg.Nodes, Rounds: cfg.Rounds,
		L1: w.params.L1, L2: w.params.L2, Seed: cfg.Seed,
		Settings: cfg.changed(),
		T50:      -1, T90: -1, T99: -1, VictimIsolated: -1,
		Theory: round6(cfg.theory(w.params)),
	}
	digest := sha256.New()
	var last, late sums // of the last round, and of the second half
	var pushes traffic  // of the second half
	for range cfg.Rounds {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		w.step()
		last = w.measure()
		now := w.traffic()
		w.vigil.look(w)
		w.till.open(w, w.round > cfg.Rounds/2)
		if w.round > cfg.Rounds/2 {
			late.add(last)
			pushes.add(now)
		}
		blind := last // whether perfect is measured changes no digest
		blind.perfect, blind.judged, blind.judgedNodes = 0, 0, 0
		if err := binary.Write(digest, binary.LittleEndian, blind); err != nil {
			panic("sim: internal error: " + err.Error()) // a struct of integers
		}
		if w.mint != nil { // without tokens a digest is what it was before there were any
			if err := binary.Write(digest, binary.LittleEndian, now); err != nil {
				panic("sim: internal error: " + err.Error())
			}
		}
		r.note(w.round, last)
		if cfg.EachRound != nil {
			round := last.round(w.round)
			w.sizes().note(&round)
			cfg.EachRound(round)
		}
	}
	r.conclude(w, last, late)
	r.concludePushes(w, pushes)
	r.concludeLiveness(w.vigil)
	r.concludePicks(w)
	w.digest(digest)
	r.Digest = hex.EncodeToString(digest.Sum(nil)[:16])
	r.Seconds, r.CPUSeconds, r.PeakMB = round3(time.Since(began).Seconds()), round3((usage.CPUTime() - cpu).Seconds()), usage.PeakMB()
	return r, nil
}

// note takes down what happened first in this round.
func (r *Result) note(round int, s sums) {
	for _, t := range []struct {
		at      *int
		percent int64
	}{{&r.T50, 50}, {&r.T90, 90}, {&r.T99, 99}} {
		if *t.at < 0 && s.judged > 0 && 100*s.perfect >= t.percent*s.judged {
			*t.at = round
		}
	}
	if r.VictimIsolated < 0 && s.victimIsolated > 0 {
		r.VictimIsolated = round
	}
}

// conclude fills in what the last round and the second half came to.
func (r *Result) conclude(w *world, last, late sums) {
	r.Correct, r.Faulty = len(w.correct), len(w.faulty)
	r.ViewFaulty, r.SampleFaulty = round6(last.view.viewFaulty()), round6(last.sample.sampleFaulty())
	r.Perfect, r.PerfectNodes = round6(ratio(last.perfect, last.judged)), int(last.judgedNodes)
	r.Filled = round6(ratio(last.filled, last.slots))
	r.Blocked, r.Over = round6(ratio(late.kept, late.nodes)), round6(ratio(late.overloaded, late.nodes))
	r.Isolated, r.IsolatedBoth = int(last.isolated), int(last.isolatedBoth)
	r.IsolatedRounds, r.IsolatedBothRnds = int(late.isolated), int(late.isolatedBoth)
	r.PhantomInViews, r.PhantomInSamples = int(last.view[isPhantom]), int(last.sample[isPhantom])
	r.DeadInViews, r.DeadInSamples = int(last.view[isDead]), int(last.sample[isDead])
	r.ViewSlots, r.SampleSlots = int(last.view.total()), int(last.sample.total())
	r.VictimView, r.VictimSample = round6(late.victim.viewFaulty()), round6(late.victimSample.sampleFaulty())
	r.Messages, r.Probes = round6(ratio(late.messages, late.nodes)), round6(ratio(late.probes, late.nodes))

	g := w.graph()
	var largest int
	r.Components, largest = g.components()
	r.Eclipsed, r.Forgotten = len(w.correct)-largest, g.forgotten()
	r.InDegrees = w.inDegrees()
	r.InDegree = spread(r.InDegrees)
	if len(w.newcomers) > 0 {
		s := spread(w.holders(w.newcomers))
		r.Newcomer = &s
	}
	r.concludeAddresses(w)
	r.concludeSizes(w)
}

// inDegrees are the view entries that name each correct node that is up, those of others only.
func (w *world) inDegrees() []int {
	degree := make([]int, len(w.members))
	for _, n := range w.correct {
		for _, id := range w.members[n].view {
			if x := w.member(id); x != nil && x.number != n {
				degree[x.number]++
			}
		}
	}
	out := make([]int, 0, len(w.correct))
	for _, n := range w.correct {
		out = append(out, degree[n])
	}
	return out
}

// digest adds the state of every correct node to h.
func (w *world) digest(h hash.Hash) {
	for _, n := range w.correct {
		m := w.members[n]
		h.Write([]byte(m.id))
		for _, id := range m.view {
			h.Write([]byte(id))
		}
		h.Write([]byte{0})
		for _, id := range m.slots() {
			h.Write([]byte(id))
		}
		h.Write([]byte{0})
	}
}

func round3(x float64) float64 { return float64(int64(x*1000+.5)) / 1000 }
