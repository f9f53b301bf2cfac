package watch

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

// A Swarm is what Handler serves of a whole swarm.
type Swarm struct {
	Console *swarm.Console
	Metrics prometheus.Gatherer
	Version string

	token string // of this run of the program; whoever has the page has it

	mu    sync.Mutex // one picture at a time
	last  *SwarmState
	taken time.Time
}

// askTimeout is how long the swarm may take to answer: it answers nobody while its peers start.
const askTimeout = 5 * time.Second

// pictureAge is for how long a picture is shown to further clients.
const pictureAge = 200 * time.Millisecond

// tokenHeader names the header with the token of the page, without which nothing can be changed.
const tokenHeader = "Brahms-Token"

// Handler serves /healthz, /readyz, /debug/brahms, /debug/metrics/prometheus, /debug/pprof/, the live page, and POST
// /kill?peer=NUMBER for requests of that page.
func (s *Swarm) Handler() http.Handler {
	s.token = rand.Text()
	mux := routes(s.Metrics)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.State(r.Context()); err != nil {
			plain(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
			return
		}
		plain(w, http.StatusOK, "ready\n")
	})
	mux.HandleFunc("GET /debug/brahms", func(w http.ResponseWriter, r *http.Request) {
		state, err := s.State(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, state)
	})
	mux.HandleFunc("POST /kill", s.kill)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { swarmPage.serveWith(w, s.token) })
	return mux
}

// kill kills the peer that the query names.
func (s *Swarm) kill(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(s.token)) != 1 {
		http.Error(w, "the token of the page is missing or of an earlier run: load the page again", http.StatusForbidden)
		return
	}
	number, err := strconv.Atoi(r.URL.Query().Get("peer"))
	if err != nil {
		http.Error(w, "peer must be the number of a peer", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	switch err := s.Console.Kill(ctx, number); {
	case errors.Is(err, swarm.ErrNoPeer):
		http.Error(w, err.Error(), http.StatusConflict)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.mu.Lock()
	s.last = nil // who asks next sees the death
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// SwarmState is the answer of /debug/brahms.
type SwarmState struct {
	Version  string  `json:"version"`
	Round    int     `json:"round"`    // that are over
	Rounds   int     `json:"rounds"`   // after which the swarm is judged
	Interval float64 `json:"interval"` // seconds
	Attack   string  `json:"attack"`
	Seed     uint64  `json:"seed"`

	Live   int `json:"live"`   // correct peers
	Faulty int `json:"faulty"` // live faulty ones
	Dead   int `json:"dead"`

	Components   int      `json:"components"`
	Eclipsed     int      `json:"eclipsed"`
	Isolated     int      `json:"isolated"`
	ViewFaulty   float64  `json:"view_faulty"`
	SampleFaulty float64  `json:"sample_faulty"`
	SampleFilled float64  `json:"sample_filled"`
	SampleChi2P  *float64 `json:"sample_chi2_p"` // null while too little is sampled
	ViewChi2P    *float64 `json:"view_chi2_p"`
	DeadInViews  int      `json:"dead_in_views"`
	DeadInSample int      `json:"dead_in_samples"`

	// InSampleMean is how often a live peer would stand in the samples of others if all were equally likely.
	InSampleMean float64     `json:"in_sample_mean"`
	Bins         []SwarmBin  `json:"bins"`
	Peers        []SwarmPeer `json:"peers"` // the index is the number
}

// A SwarmBin is a bin of the histogram of how often a peer is sampled.
type SwarmBin struct {
	From    int     `json:"from"`
	To      int     `json:"to"`
	Peers   int     `json:"peers"`
	Uniform float64 `json:"uniform"` // expected if every slot drew a peer at random
}

// A SwarmPeer is one peer of the swarm.
type SwarmPeer struct {
	ID       peer.ID           `json:"id"`
	Faulty   bool              `json:"faulty"`
	Dead     bool              `json:"dead"`
	Service  bool              `json:"service"` // it runs the service
	Round    uint64            `json:"round"`
	View     []int             `json:"view"` // numbers of peers, one a slot; -1 is an id that no peer has
	Sample   []int             `json:"sample"`
	InView   int               `json:"in_view"` // slots of correct peers that hold it
	InSample int               `json:"in_sample"`
	Health   brahmshost.Health `json:"health"`
}

// State returns the state of the swarm. It takes one picture at a time, however many ask.
func (s *Swarm) State(ctx context.Context) (*SwarmState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && time.Since(s.taken) < pictureAge {
		return s.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p, err := s.Console.Picture(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.New("the peers are still starting")
	}
	if err != nil {
		return nil, err
	}
	s.last, s.taken = stateOf(p, s.Version), time.Now()
	return s.last, nil
}

func stateOf(p *swarm.Picture, version string) *SwarmState {
	sum := p.Summary
	out := &SwarmState{
		Version: version, Round: p.Round, Rounds: p.Rounds, Interval: seconds(p.Interval), Attack: p.Attack, Seed: p.Seed,
		Components: sum.Components, Eclipsed: sum.Eclipsed, Isolated: sum.Isolated, ViewFaulty: sum.ViewFaulty,
		SampleFaulty: sum.SampleFaulty, SampleFilled: sum.SampleFilled, SampleChi2P: sum.SampleChi2P, ViewChi2P: sum.ViewChi2P,
		DeadInViews: sum.DeadInViews, DeadInSample: sum.DeadInSamples, Bins: []SwarmBin{},
	}
	sampled := 0
	for _, m := range p.Peers {
		switch {
		case m.Dead:
			out.Dead++
		case m.Faulty:
			out.Faulty++
		default:
			out.Live++
		}
		if !m.Dead {
			sampled += m.InSample
		}
		out.Peers = append(out.Peers, SwarmPeer{
			ID: m.ID, Faulty: m.Faulty, Dead: m.Dead, Service: m.Service, Round: m.Round, View: m.View, Sample: m.Sample,
			InView: m.InView, InSample: m.InSample, Health: append(brahmshost.Health{}, m.Health...),
		})
	}
	if n := out.Live + out.Faulty; n > 0 {
		out.InSampleMean = float64(sampled) / float64(n)
	}
	for _, b := range p.Bins {
		out.Bins = append(out.Bins, SwarmBin{From: b.From, To: b.To, Peers: b.Peers, Uniform: b.Uniform})
	}
	return out
}
