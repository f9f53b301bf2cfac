package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// TestServices: what is recorded of real services on one registerer is what each of them counts itself.
func TestServices(t *testing.T) {
	reg := prometheus.NewRegistry()
	peers := network(t, reg, 4, 50*time.Millisecond)
	peers[0].wait(20)
	for _, p := range peers {
		p.svc.Close()
	}
	got := values(t, reg)
	all := 0.0
	for i, p := range peers {
		s := p.svc.Status()
		at := func(name string, labels ...string) float64 {
			// Labels are sorted by name: "exchange", "outcome" and "reason" around "peer".
			key := name
			for _, l := range labels {
				key += " " + l
			}
			v, ok := got[key]
			if !ok {
				t.Fatalf("no series %q", key)
			}
			return v
		}
		me := fmt.Sprint(i)
		served, rounds, exchanged, took := 0.0, 0.0, 0.0, 0.0
		for _, e := range brahmshost.Exchanges() {
			served += at("serve_duration_seconds", e.String(), me)
			took += at("exchange_duration_seconds", e.String(), me)
			for _, o := range exchangeOutcomes {
				exchanged += at("exchanges_total", e.String(), o.String(), me)
			}
		}
		for _, o := range viewOutcomes {
			rounds += at("rounds_total", o.String(), me)
		}
		for _, r := range brahmshost.Reasons() {
			if v := at("refused_total", me, string(r.Reason)); v != float64(s.Refused[r.Reason]) {
				t.Errorf("peer %d refused %d for %s, recorded are %v", i, s.Refused[r.Reason], r.Reason, v)
			}
		}
		if served != float64(s.Served) || rounds != float64(s.Round) || exchanged != took || exchanged == 0 {
			t.Errorf("peer %d served %d in %d rounds, recorded are %v in %v; %v exchanges, %v times", i, s.Served, s.Round, served, rounds, exchanged, took)
		}
		if at("round", me) != float64(s.Round) || at("sample_distinct", me) != float64(s.Node.SampleDistinct) || at("view_distinct", me) != float64(s.Node.ViewDistinct) {
			t.Errorf("peer %d: the gauges are not those of its last round", i)
		}
		all += at("sample_distinct", me)
	}
	if all != 4*3 {
		t.Errorf("samples hold %v peers together, want each the three others", all)
	}
}
