package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/brahms-p2p/brahms-p2p/spread"
)

// told is a service of messages that says what it is told.
type told struct{ status spread.Status }

func (m *told) Status() spread.Status { return m.status }

// TestSpreadIsShown: a scrape has what the service counts at that moment, and a series for each reason from the start.
func TestSpreadIsShown(t *testing.T) {
	reg := prometheus.NewRegistry()
	service := new(told)
	collector, err := NewSpread(reg, service, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := values(t, reg)
	if len(before) != len(spreadTable)+len(spread.Reasons()) {
		t.Errorf("%d series before anything happened, of %d and %d reasons", len(before), len(spreadTable), len(spread.Reasons()))
	}
	for key, v := range before {
		if v != 0 {
			t.Errorf("%s begins at %v", key, v)
		}
	}
	service.status = spread.Status{
		Sent: 1, Taken: 2, Copies: 3, Delivered: 4, Undelivered: 5, Passed: 6, Failed: 7, Overflow: 8, Withheld: 9, Pending: 10, Remembered: 11,
		Refused: map[spread.Reason]uint64{spread.ReasonForged: 12, spread.ReasonTooOld: 13},
	}
	got := values(t, reg)
	for key, want := range map[string]float64{
		"sent_total": 1, "taken_total": 2, "copies_total": 3, "delivered_total": 4, "undelivered_total": 5, "passed_total": 6, "failed_total": 7,
		"overflow_total": 8, "withheld_total": 9, "pending": 10, "remembered": 11, "refused_total forged": 12, "refused_total too_old": 13,
		"refused_total bad_frame": 0,
	} {
		if v, ok := got["spread_"+key]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", key, v, ok, want)
		}
	}
	if len(got) != len(before) {
		t.Errorf("%d series, %d before", len(got), len(before))
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := NewSpread(reg, service, nil); err == nil || !strings.Contains(err.Error(), "give each its own") {
		t.Errorf("twice on one registerer: %v", err)
	}
	if _, err := NewSpread(nil, service, nil); err == nil {
		t.Error("no registerer")
	}
	if _, err := NewSpread(reg, nil, nil); err == nil {
		t.Error("no service")
	}
	collector.Close()
	if n := len(values(t, reg)); n != 0 {
		t.Errorf("%d series are left after Close", n)
	}
	reg = prometheus.NewRegistry()
	for _, name := range []string{"a", "b"} { // two services on one registerer
		if _, err := NewSpread(reg, service, prometheus.Labels{"service": name}); err != nil {
			t.Error(err)
		}
	}
}
