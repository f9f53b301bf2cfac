package swarm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// countingTracer counts the rounds that it is told of.
type countingTracer struct{ rounds func() }

func (countingTracer) Exchanged(brahmshost.Exchange, protocol.ProbeOutcome, time.Duration) {}
func (countingTracer) Served(brahmshost.Exchange, time.Duration)                           {}
func (countingTracer) Refused(brahmshost.Reason, uint64)                                   {}
func (c countingTracer) RoundEnded(*brahmshost.Status)                                     { c.rounds() }

// TestConsole: a swarm that is watched shows what it is, loses who is killed by hand, and is judged without holding that
// against it; it goes on after that, and every tracer is ended.
func TestConsole(t *testing.T) {
	cfg := Default()
	cfg.Peers, cfg.Rounds, cfg.Interval, cfg.Seed = 5, 12, 50*time.Millisecond, 3
	cfg.Console = NewConsole()
	var mu sync.Mutex
	traced, rounds := make(map[int]int), 0
	cfg.Tracer = func(number int) (brahmshost.Tracer, func(), error) {
		mu.Lock()
		defer mu.Unlock()
		traced[number]++
		return countingTracer{func() { mu.Lock(); rounds++; mu.Unlock() }}, func() { mu.Lock(); traced[number]--; mu.Unlock() }, nil
	}
	judged := make(chan *Summary, 1)
	cfg.Linger = func(s *Summary) { judged <- s }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := Run(ctx, cfg); done <- err }()

	c := cfg.Console
	p, err := c.Picture(ctx) // waits until all are up
	if err != nil || len(p.Peers) != 5 || p.Rounds != 12 {
		t.Fatalf("the picture is %+v, %v", p, err)
	}
	for _, number := range []int{-1, 5} {
		if err := c.Kill(ctx, number); !errors.Is(err, ErrNoPeer) {
			t.Errorf("killing peer %d: %v", number, err)
		}
	}
	for p.Round < 4 { // they know each other by then
		if p, err = c.Picture(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for number := range 3 {
		// The last one dies in the last round, so that samples still name it when the swarm is judged.
		for number == 2 && p.Round < cfg.Rounds-1 {
			if p, err = c.Picture(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Kill(ctx, number); err != nil {
			t.Fatalf("killing peer %d: %v", number, err)
		}
	}
	for number, want := range []string{"dead", "dead", "dead", "the run needs", "the run needs"} {
		if err := c.Kill(ctx, number); !errors.Is(err, ErrNoPeer) {
			t.Errorf("killing peer %d, of which %s: %v", number, want, err)
		}
	}
	p, err = c.Picture(ctx)
	if err != nil || !p.Peers[0].Dead || p.Peers[0].Service || p.Peers[3].Dead || !p.Peers[3].Service || p.Summary.DeadInSamples == 0 {
		t.Errorf("after three deaths: %+v, %v", p, err)
	}

	var s *Summary
	select {
	case s = <-judged:
	case err := <-done:
		t.Fatal(err)
	}
	if s.Components != 1 {
		t.Errorf("the two that are left are in %d components", s.Components)
	}
	if s.DeadInSamples != 0 {
		t.Errorf("%d slots of samples are held against the swarm", s.DeadInSamples)
	}
	for p.Round <= cfg.Rounds {
		if p, err = c.Picture(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the end of a swarm that was judged: %v", err)
	}
	if _, err := c.Picture(t.Context()); !errors.Is(err, ErrOver) {
		t.Errorf("a picture after the end: %v", err)
	}
	if err := c.Kill(t.Context(), 4); !errors.Is(err, ErrOver) {
		t.Errorf("a kill after the end: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(traced) != 5 || rounds < 20 {
		t.Errorf("%d tracers heard of %d rounds", len(traced), rounds)
	}
	for number, open := range traced {
		if open > 0 { // close may be called again
			t.Errorf("the tracer of peer %d was not ended", number)
		}
	}
}
