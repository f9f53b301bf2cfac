package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// statusOf is a round of a service whose sample holds ids.
func statusOf(ids ...peer.ID) *brahmshost.Status {
	snap := &brahmshost.Snapshot{
		Round: 7, Took: 1500 * time.Millisecond, Planned: time.Second, Exchanges: 9, Done: 8, Offences: 3, TurnedAway: 2, Records: 5,
		Health: brahmshost.Health{{Condition: brahmshost.ConditionYoung, Reason: "because"}},
		Size:   protocol.SizeEstimate{N: 120, StdErr: 20, OK: true},
		Node: protocol.Status{
			Outcome: protocol.Refilled, L1: 40, L2: 40, ViewLen: 39, ViewDistinct: 30, SampleFilled: 4, SampleMature: 3, SampleDistinct: 2,
			SampleProven: 1, Waiting: 1, Pushes: 6, PushRepeats: 2, PushOverflow: 4, Threshold: 20, Pulls: 11, Probes: 12, Deaths: 1, Postponed: 2,
			Overloaded: true, Tombstones: 8,
		},
		Suspects: []peer.ID{"s"},
	}
	for _, id := range ids {
		snap.Slots = append(snap.Slots, protocol.Sampled{ID: id})
	}
	return &brahmshost.Status{
		Snapshot: snap, Dials: 13, DialsWithheld: 1, AddrsWithheld: 2, Evicted: 3, EventsDropped: 4, Helped: 16,
		Picks:  brahmshost.PickStatus{Left: 17, Taken: 18, Repeated: 19},
		Tokens: brahmshost.TokenStatus{Solved: 5, Attempts: 6, Skipped: 7, Rejected: 8},
		State:  brahmshost.StateStatus{Writes: 9, Failures: 10, Written: time.UnixMilli(1_700_000_000_500)},
	}
}

func newTracer(t testing.TB, reg prometheus.Registerer, labels prometheus.Labels) *Tracer {
	t.Helper()
	tracer, err := New(reg, labels)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// values returns what reg has: by name, with the values of the labels in the order of their names, and for a histogram its count.
func values(t testing.TB, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			key := strings.TrimPrefix(f.GetName(), Namespace+"_")
			for _, l := range m.Label {
				key += " " + l.GetValue()
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				out[key] = m.Counter.GetValue()
			case dto.MetricType_GAUGE:
				out[key] = m.Gauge.GetValue()
			default:
				out[key] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return out
}

func TestWhatIsRecorded(t *testing.T) {
	reg := prometheus.NewRegistry()
	tracer := newTracer(t, reg, nil)
	tracer.Exchanged(brahmshost.ExchangePush, protocol.Missed, 5*time.Second)
	tracer.Exchanged(brahmshost.ExchangePull, protocol.Alive, time.Millisecond)
	tracer.Exchanged(brahmshost.ExchangePull, protocol.Alive, time.Millisecond)
	tracer.Served(brahmshost.ExchangeProbe, time.Millisecond)
	tracer.Refused(brahmshost.ReasonPushCrowded, 3)
	tracer.Refused(brahmshost.ReasonRecordForged, 1)
	tracer.RoundEnded(statusOf("a", "b", ""))

	got := values(t, reg)
	for key, want := range map[string]float64{
		"exchanges_total push missed": 1, "exchanges_total pull alive": 2, "exchanges_total probe alive": 0,
		"exchange_duration_seconds push": 1, "exchange_duration_seconds pull": 2, "serve_duration_seconds probe": 1, "serve_duration_seconds push": 0,
		"refused_total push_crowded": 3, "refused_total record_forged": 1, "refused_total bad_frame": 0,
		"rounds_total refilled": 1, "rounds_total renewed": 0, "health young": 1, "health isolated": 0,
		"round": 7, "round_late_seconds": .5, "sample_changes_total": 2,
		"view_slots": 40, "view_filled": 39, "view_distinct": 30, "sample_slots": 3, "sample_filled": 4, "sample_mature": 3,
		"sample_distinct": 2, "sample_proven": 1, "sample_waiting": 1, "suspects": 1, "tombstones": 8, "records": 5,
		"pushes": 10, "push_threshold": 20, "size_known": 1, "size_estimate": 120, "size_standard_error": 20,
		"state_written_timestamp_seconds": 1_700_000_000.5,
		"pushes_total":                    6, "push_repeats_total": 2, "push_overflow_total": 4, "pull_replies_total": 11, "probes_answered_total": 12,
		"deaths_total": 1, "overloaded_rounds_total": 1, "exchanges_planned_total": 9, "exchanges_done_total": 8, "offences_total": 3,
		"turned_away_total": 2, "dials_total": 13, "dials_withheld_total": 1, "addrs_withheld_total": 2, "records_evicted_total": 3,
		"events_dropped_total": 4, "tokens_solved_total": 5, "token_attempts_total": 6, "tokens_skipped_total": 7, "tokens_rejected_total": 8,
		"picks_left": 17, "picks_taken_total": 18, "picks_repeated_total": 19, "helped_total": 16, "deaths_postponed_total": 2,
		"state_writes_total": 9, "state_failures_total": 10,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", key, v, ok, want)
		}
	}
	if n := len(gaugeTable) + len(sumTable) + len(totalTable); n != 46 {
		t.Errorf("the tables have %d rows: the test above looks at 46", n)
	}

	// A second round: counters of the service are followed, slots that changed are counted, a size that is unknown is 0.
	next := statusOf("a", "c")
	next.Dials, next.Size.OK, next.Health, next.Node.Overloaded = 15, false, nil, false
	tracer.RoundEnded(next)
	got = values(t, reg)
	for key, want := range map[string]float64{
		"dials_total": 15, "sample_changes_total": 3, "size_known": 0, "size_estimate": 0, "size_standard_error": 0, "health young": 0,
		"overloaded_rounds_total": 1, "pushes_total": 12,
	} {
		if got[key] != want {
			t.Errorf("after two rounds %s is %v, want %v", key, got[key], want)
		}
	}
	tracer.RoundEnded(statusOf("a", "c", "d", "e"))
	tracer.RoundEnded(statusOf("a"))
	if got := values(t, reg)["sample_changes_total"]; got != 3+2+3 {
		t.Errorf("sample_changes_total is %v after slots came and went, want 8", got)
	}
}

// TestLabelsAreClosedSets: the series are there from the start, and no event adds one.
func TestLabelsAreClosedSets(t *testing.T) {
	reg := prometheus.NewRegistry()
	tracer := newTracer(t, reg, nil)
	before := values(t, reg)
	for _, e := range brahmshost.Exchanges() {
		tracer.Served(e, time.Second)
		for _, o := range exchangeOutcomes {
			tracer.Exchanged(e, o, time.Second)
		}
	}
	for _, r := range brahmshost.Reasons() {
		tracer.Refused(r.Reason, 1)
		if _, ok := before["refused_total "+string(r.Reason)]; !ok {
			t.Errorf("reason %s has no series before it occurs", r.Reason)
		}
	}
	for _, o := range viewOutcomes {
		s := statusOf("a")
		s.Node.Outcome = o
		tracer.RoundEnded(s)
	}
	for key := range values(t, reg) {
		if _, ok := before[key]; !ok {
			t.Errorf("series %q came with an event", key)
		}
	}
	// The sets end where the names do: what comes after the last has none.
	if o := protocol.Outcome(len(viewOutcomes)); o.String() != "unknown" {
		t.Errorf("outcome %v of views is not in the set", o)
	}
	if o := protocol.ProbeOutcome(len(exchangeOutcomes)); slices.Contains(exchangeOutcomes, o) || o.String() != protocol.NoEvidence.String() {
		t.Errorf("outcome %v of exchanges is not in the set", o)
	}
	for i, o := range viewOutcomes {
		if int(o) != i {
			t.Errorf("outcome %v of views stands at %d", o, i)
		}
	}
	for i, o := range exchangeOutcomes {
		if int(o) != i {
			t.Errorf("outcome %v of exchanges stands at %d", o, i)
		}
	}
	for i, e := range brahmshost.Exchanges() {
		if int(e) != i || e.String() == "unknown" {
			t.Errorf("exchange %v stands at %d", e, i)
		}
	}
	if e := brahmshost.Exchange(len(brahmshost.Exchanges())); e.String() != "unknown" {
		t.Errorf("exchange %v is not in the set", e)
	}
}

// TestTwoServices: two services share a registerer where their labels tell them apart, and only there.
func TestTwoServices(t *testing.T) {
	reg := prometheus.NewRegistry()
	one := newTracer(t, reg, prometheus.Labels{"service": "one"})
	two := newTracer(t, reg, prometheus.Labels{"service": "two"})
	one.Refused(brahmshost.ReasonBadFrame, 2)
	two.Refused(brahmshost.ReasonBadFrame, 5)
	got := values(t, reg)
	if got["refused_total bad_frame one"] != 2 || got["refused_total bad_frame two"] != 5 {
		t.Errorf("of 2 and 5 refusals %v and %v are told", got["refused_total bad_frame one"], got["refused_total bad_frame two"])
	}
	if _, err := New(reg, prometheus.Labels{"service": "two"}); err == nil || !strings.Contains(err.Error(), "give each its own") {
		t.Errorf("a third service with the labels of the second: error %v", err)
	}
	if _, err := New(reg, nil); err == nil {
		t.Error("a service without labels beside services with labels was registered")
	}
	two.Close()
	newTracer(t, reg, prometheus.Labels{"service": "two"})
	if got := values(t, reg)["refused_total bad_frame two"]; got != 0 {
		t.Errorf("a service that was started anew begins with %v refusals", got)
	}
	newTracer(t, prometheus.NewRegistry(), prometheus.Labels{"service": "two"}) // another registerer has nothing to do with it

	for _, labels := range []prometheus.Labels{{"reason": "x"}, {"not-a-label\xff": "x"}} {
		if _, err := New(prometheus.NewRegistry(), labels); err == nil {
			t.Errorf("labels %q were taken", labels)
		}
	}
	if _, err := New(nil, nil); err == nil {
		t.Error("a nil registerer was taken")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var tracer brahmshost.Tracer = newTracer(t, prometheus.NewRegistry(), nil) // as the host has it
	a, b := statusOf("a", "b", "c"), statusOf("a", "d", "c")
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"Exchanged", func() { tracer.Exchanged(brahmshost.ExchangeProbe, protocol.Alive, 3*time.Millisecond) }},
		{"Served", func() { tracer.Served(brahmshost.ExchangePush, 3*time.Millisecond) }},
		{"Refused", func() { tracer.Refused(brahmshost.ReasonBadMessage, 1) }},
		{"RoundEnded", func() { tracer.RoundEnded(a); tracer.RoundEnded(b) }},
	} {
		if n := testing.AllocsPerRun(1000, c.do); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

// TestLint: names, help and types are as Prometheus wants them.
func TestLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	newTracer(t, reg, nil)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 40 {
		t.Fatalf("only %d metrics", len(families))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
