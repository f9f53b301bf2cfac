package metrics

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

func TestConsensusIsRecorded(t *testing.T) {
	reg := prometheus.NewRegistry()
	tracer, err := NewConsensus(reg, nil)
	if err != nil {
		t.Fatal(err)
	}
	tracer.Exchanged(consensus.ExchangePoll, consensus.Answered, time.Millisecond)
	tracer.Exchanged(consensus.ExchangePoll, consensus.Late, time.Second)
	tracer.Exchanged(consensus.ExchangeFetch, consensus.Failed, time.Second)
	tracer.Served(consensus.ExchangePoll, time.Millisecond)
	tracer.Refused(consensus.ReasonForged)
	status := consensus.Status{
		Round: 3, Epoch: 9, Trouble: consensus.TooFew, Picked: 20, PickedFresh: 4, PassedOver: 3, Answered: 17, EventsDropped: 2,
		Epochs: []machine.Status{{Epoch: 7, Phase: machine.Closed, Items: 3}, {Epoch: 8, Phase: machine.Stalled, Items: 2}, {Epoch: 9, Phase: machine.TooFew}},
		State:  consensus.StateStatus{Writes: 5, Failures: 1},
	}
	tracer.RoundOpened(&status)
	status.Trouble, status.Picked = consensus.NoTrouble, 30
	status.Epochs = []machine.Status{{Epoch: 8, Phase: machine.Closed, Items: 2}, {Epoch: 9, Phase: machine.Polling}, {Epoch: 10, Phase: machine.Open}}
	tracer.RoundOpened(&status)
	tracer.RoundOpened(&status)
	got := values(t, reg)
	for key, want := range map[string]float64{
		"exchanges_total poll answered": 1, "exchanges_total poll late": 1, "exchanges_total fetch failed": 1, "exchanges_total fetch answered": 0,
		"exchange_duration_seconds poll": 2, "exchange_duration_seconds fetch": 1, "serve_duration_seconds poll": 1, "serve_duration_seconds fetch": 0,
		"refused_total forged": 1, "refused_total bad_frame": 0, "rounds_total": 3, "decided_total": 2, "epoch": 9, "items": 2,
		"epochs closed": 1, "epochs polling": 1, "epochs open": 1, "epochs stalled": 0, "epochs too_few": 0, "epochs full": 0,
		"trouble too_few": 0, "trouble alone": 0, "picks_total": 30, "picks_fresh_total": 4, "passed_over_total": 3, "answers_total": 17,
		"events_dropped_total": 2, "state_writes_total": 5, "state_failures_total": 1,
	} {
		if v, ok := got["consensus_"+key]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", key, v, ok, want)
		}
	}
	if len(consensusTotals) != 7 {
		t.Errorf("the table has %d rows: the test above looks at 7", len(consensusTotals))
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := NewConsensus(reg, nil); err == nil {
		t.Error("twice on one registerer")
	}
	if _, err := NewConsensus(nil, nil); err == nil {
		t.Error("no registerer")
	}
	tracer.Close()
	if n := len(values(t, reg)); n != 0 {
		t.Errorf("%d series are left after Close", n)
	}
}

// TestConsensusSets: what the closed sets have at their ends, and no more.
func TestConsensusSets(t *testing.T) {
	for i, p := range phases {
		if int(p) != i+1 || p.String() == "unknown" {
			t.Errorf("phase %d is %s", i, p)
		}
	}
	if next := machine.Phase(len(phases) + 1); next.String() != "unknown" {
		t.Errorf("phase %s is not recorded", next)
	}
	for i, o := range consensus.Outcomes() {
		if int(o) != i {
			t.Errorf("outcome %d is %s", i, o)
		}
	}
	for i, e := range consensus.Exchanges() {
		if int(e) != i {
			t.Errorf("exchange %d is %s", i, e)
		}
	}
	if e := consensus.Exchange(len(consensus.Exchanges())); e.String() != "unknown" {
		t.Errorf("exchange %s is not recorded", e)
	}
	if n := len(consensus.Outcomes()); n != int(consensus.Late)+1 {
		t.Errorf("%d outcomes", n)
	}
}
