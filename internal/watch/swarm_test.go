package watch

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

// watched runs a swarm of eight, two of them faulty, that goes on until it is ended, and serves its page.
func watched(t *testing.T) (s *Server, w *Swarm, end func()) {
	t.Helper()
	cfg := swarm.Default()
	cfg.Peers, cfg.Rounds, cfg.Interval, cfg.Faulty, cfg.Attack = 8, 10, 50*time.Millisecond, .25, "balanced"
	cfg.Console = swarm.NewConsole()
	judged := make(chan *swarm.Summary, 1)
	cfg.Linger = func(s *swarm.Summary) { judged <- s }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := swarm.Run(ctx, cfg); done <- err }()
	end = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the swarm that was judged ended with %v", err)
		}
	}
	select {
	case sum := <-judged:
		if sum.Peers != 8 || sum.Faulty != 2 {
			t.Errorf("it was judged as %d peers, %d faulty", sum.Peers, sum.Faulty)
		}
	case err := <-done:
		t.Fatal(err)
	}
	w = &Swarm{Console: cfg.Console, Metrics: prometheus.NewRegistry(), Version: "v0"}
	return serve(t, w.Handler()), w, end
}

func stateOfSwarm(t *testing.T, s *Server) SwarmState {
	t.Helper()
	code, text, _ := call(t, s, "GET", "/debug/brahms")
	var state SwarmState
	if err := json.Unmarshal([]byte(text), &state); code != 200 || err != nil {
		t.Fatalf("%d %q: %v", code, text, err)
	}
	return state
}

func TestSwarm(t *testing.T) {
	s, w, end := watched(t)
	state := stateOfSwarm(t, s)
	if state.Live != 6 || state.Faulty != 2 || state.Dead != 0 || len(state.Peers) != 8 || state.Attack != "balanced" || state.Rounds != 10 {
		t.Errorf("the swarm is %+v", state)
	}
	inSample, inView, faulty := make([]int, 8), make([]int, 8), -1
	for i, p := range state.Peers {
		if p.Faulty {
			faulty = i
		}
		if p.Service == p.Faulty { // the adversary runs those
			t.Errorf("peer %d, faulty %v, has a service: %v", i, p.Faulty, p.Service)
		}
		for _, j := range p.Sample {
			if j >= 0 && j != i {
				inSample[j]++
			}
		}
		for _, j := range p.View {
			if j >= 0 && j != i {
				inView[j]++
			}
		}
	}
	sum := 0
	for i, p := range state.Peers {
		if p.InSample != inSample[i] || p.InView != inView[i] {
			t.Errorf("peer %d is %d times in samples and %d in views, by its figures %d and %d", i, inSample[i], inView[i], p.InSample, p.InView)
		}
		sum += p.InSample
	}
	if sum == 0 || state.InSampleMean != float64(sum)/8 {
		t.Errorf("in the mean %v, of %d", state.InSampleMean, sum)
	}

	_, page, h := call(t, s, "GET", "/")
	m := regexp.MustCompile(`<meta name="token" content="([A-Z2-7]{26})">`).FindStringSubmatch(page)
	if m == nil || m[1] != w.token || h.Get("Content-Security-Policy") != swarmPage.policy {
		t.Fatalf("the page has no token, or the policy %q", h.Get("Content-Security-Policy"))
	}
	victim := 0
	for state.Peers[victim].Faulty {
		victim++
	}
	number := string(rune('0' + victim))
	for _, c := range []struct {
		about, query string
		headers      []string
		want         int
	}{
		{"no token", number, nil, 403},
		{"a wrong token", number, []string{tokenHeader, strings.Repeat("A", 26)}, 403},
		{"another site that has the token", number, []string{tokenHeader, w.token, "Sec-Fetch-Site", "cross-site"}, 403},
		{"another origin that has the token", number, []string{tokenHeader, w.token, "Origin", "http://evil.example"}, 403},
		{"no number", "x", []string{tokenHeader, w.token}, 400},
		{"no peer", "99", []string{tokenHeader, w.token}, 409},
		{"a negative number", "-1", []string{tokenHeader, w.token}, 409},
		{"a faulty peer", string(rune('0' + faulty)), []string{tokenHeader, w.token}, 409},
	} {
		if code, text, _ := call(t, s, "POST", "/kill?peer="+c.query, c.headers...); code != c.want {
			t.Errorf("%s: %d %q, want %d", c.about, code, text, c.want)
		}
	}
	if code, _, _ := call(t, s, "GET", "/kill?peer="+number, tokenHeader, w.token); code != 405 {
		t.Errorf("GET /kill: %d, want 405", code)
	}
	if state := stateOfSwarm(t, s); state.Dead != 0 {
		t.Errorf("%d died of what was refused", state.Dead)
	}
	if code, text, _ := call(t, s, "POST", "/kill?peer="+number, tokenHeader, w.token, "Sec-Fetch-Site", "same-origin"); code != 204 {
		t.Fatalf("the page itself: %d %q", code, text)
	}
	after := stateOfSwarm(t, s)
	if after.Live != 5 || after.Dead != 1 || !after.Peers[victim].Dead || after.Peers[victim].Service || after.DeadInSample+after.DeadInViews == 0 {
		t.Errorf("after the kill %d live, %d dead, samples name it %d and views %d times", after.Live, after.Dead, after.DeadInSample, after.DeadInViews)
	}
	eventually(t, func() bool { s := stateOfSwarm(t, s); return s.DeadInSample == 0 && s.Round > after.Round }, "samples forget the dead")
	if code, text, _ := call(t, s, "POST", "/kill?peer="+number, tokenHeader, w.token); code != 409 || !strings.Contains(text, "is dead") {
		t.Errorf("a second kill: %d %q", code, text)
	}

	end()
	eventually(t, func() bool {
		code, text, _ := call(t, s, "GET", "/readyz")
		return code == 503 && strings.Contains(text, "is over")
	}, "the swarm is over") // the last picture is shown for a moment
	if code, _, _ := call(t, s, "POST", "/kill?peer="+number, tokenHeader, w.token); code != 503 {
		t.Errorf("a kill after the end: %d", code)
	}
}
