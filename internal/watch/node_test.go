package watch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

const testRound = 50 * time.Millisecond

// eventually waits until cond holds, and fails the test if that takes longer than a defect would.
func eventually(t *testing.T, cond func() bool, about string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(30 * time.Second); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not come true: %s", about)
		}
	}
}

// newNode starts a service on loopback that is watched.
func newNode(t *testing.T, known ...corehost.Host) (*Node, corehost.Host) {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	history := NewHistory()
	// A minute has hundreds of rounds here: what is dialled in vain at the start would not be dialled again in the test.
	opts := []brahmshost.Option{
		brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(testRound), brahmshost.WithTracer(history),
		brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}),
	}
	for _, k := range known {
		opts = append(opts, brahmshost.WithBootstrap(peer.AddrInfo{ID: k.ID(), Addrs: k.Addrs()}))
	}
	svc, err := brahmshost.New(h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	return &Node{Service: svc, History: history, Metrics: prometheus.NewRegistry(), Interval: testRound, Version: "v0", Started: time.Now()}, h
}

// TestReadiness: a peer is ready while it has verified peers in its sample and is not alone, and says why where it is not.
func TestReadiness(t *testing.T) {
	one, host := newNode(t)
	s := serve(t, one.Handler())
	eventually(t, func() bool { return one.Service.Snapshot().Round > 1 }, "rounds end")
	if code, text, _ := call(t, s, "GET", "/readyz"); code != 503 || !strings.Contains(text, "not ready: alone: of 0 ids") || !strings.Contains(text, "not ready: the sample is empty") {
		t.Errorf("alone: %d %q", code, text)
	}
	if code, text, _ := call(t, s, "GET", "/healthz"); code != 200 || text != "ok\n" {
		t.Errorf("healthz: %d %q", code, text)
	}
	two, _ := newNode(t, host)
	eventually(t, func() bool { code, _, _ := call(t, s, "GET", "/readyz"); return code == 200 }, "the first peer is ready")
	two.Service.Close()
	eventually(t, func() bool {
		code, text, _ := call(t, s, "GET", "/readyz")
		return code == 503 && (strings.Contains(text, "alone: ") || strings.Contains(text, "isolated: "))
	}, "it is not ready once the other has died")
	one.Service.Close()
	if code, text, _ := call(t, s, "GET", "/readyz"); code != 503 || !strings.Contains(text, "not ready: the service is closed or leaving") {
		t.Errorf("closed: %d %q", code, text)
	}
}

// TestStateOfANode: the JSON says what the service says.
func TestStateOfANode(t *testing.T) {
	one, host := newNode(t)
	two, _ := newNode(t, host)
	three, _ := newNode(t, host)
	s := serve(t, one.Handler())
	eventually(t, func() bool { return len(one.Service.Sample()) == 2 && len(one.History.past().points) > 5 }, "three peers meet")
	for _, n := range []*Node{two, three, one} { // the last one's state stands still from now on
		n.Service.Close()
	}
	code, text, h := call(t, s, "GET", "/debug/brahms")
	if code != 200 || h.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", code, h)
	}
	var got NodeState
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := one.Service.Status()
	if got.ID != want.ID || got.Round != want.Round || got.Outcome != want.Node.Outcome.String() || got.Ready || got.Version != "v0" || got.Interval != .05 {
		t.Errorf("got %s", text)
	}
	if got.Sample.Distinct != 2 || got.Sample.Slots != len(want.Slots) || got.View.Distinct != want.Node.ViewDistinct || got.Pushes.Threshold != want.Node.Threshold {
		t.Errorf("sample %+v, view %+v, pushes %+v", got.Sample, got.View, got.Pushes)
	}
	slots, view := 0, 0
	for _, p := range got.Peers {
		slots, view = slots+p.Sample, view+p.View
		if p.Network != "loopback" || p.Prefix != "127.0.0.1" || len(p.Addrs) == 0 || p.Sample > 0 && p.SampleSince == 0 || p.View > 0 && p.ViewSince == 0 {
			t.Errorf("peer %+v", p)
		}
	}
	if len(got.Peers) != 2 || slots != want.Node.SampleFilled || view != len(want.View) || slots == 0 {
		t.Errorf("%d peers in %d slots of the sample and %d of the view", len(got.Peers), slots, view)
	}
	if len(got.Networks) != 1 || got.Networks[0].Peers != 2 || got.Networks[0].Sample != 2 {
		t.Errorf("networks %+v", got.Networks)
	}
	n := len(got.History)
	if n == 0 || got.History[n-1].Round != want.Round || got.History[n-1].Pushes != want.Node.Pushes+want.Node.PushOverflow {
		t.Errorf("history ends %+v", got.History[n-1])
	}
	added := 0
	for _, c := range got.Changes {
		added += len(c.Added) - len(c.Removed)
	}
	if added != 2 {
		t.Errorf("the changes come to %d peers", added)
	}
}

// TestRefusals: reasons that occurred are listed with what they mean, the most frequent first.
func TestRefusals(t *testing.T) {
	got := refusals(map[brahmshost.Reason]uint64{brahmshost.ReasonBadFrame: 3, brahmshost.ReasonStreamFailed: 9})
	if len(got) != 2 || got[0].Reason != brahmshost.ReasonStreamFailed || got[0].Misbehaviour || got[1].Count != 3 || !got[1].Misbehaviour || got[1].Meaning == "" {
		t.Errorf("%+v", got)
	}
	if len(refusals(nil)) != 0 {
		t.Error("nothing was refused")
	}
}

// TestRoutes: what is not there is not there, and nothing is changed by a peer's page.
func TestRoutes(t *testing.T) {
	n, _ := newNode(t)
	s := serve(t, n.Handler())
	for path, want := range map[string]int{
		"/": 200, "/debug/metrics/prometheus": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/cmdline": 200,
		"/index.html": 404, "/debug": 404, "/metrics": 404, "/page/node.js": 404, "/kill": 404,
	} {
		if code, text, _ := call(t, s, "GET", path); code != want {
			t.Errorf("GET %s: %d %.80q, want %d", path, code, text, want)
		}
	}
	for _, path := range []string{"/", "/debug/brahms", "/readyz", "/debug/pprof/profile"} {
		if code, _, _ := call(t, s, "POST", path); code != 405 {
			t.Errorf("POST %s: %d, want 405", path, code)
		}
	}
	_, text, h := call(t, s, "GET", "/")
	if h.Get("Content-Security-Policy") != nodePage.policy || !strings.Contains(text, "<title>Brahms peer</title>") {
		t.Errorf("the page has the policy %q", h.Get("Content-Security-Policy"))
	}
}
