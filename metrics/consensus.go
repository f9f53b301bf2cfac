package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// subsystem follows the namespace in the names of the metrics of agreement.
const subsystem = "consensus"

// phases are those of an epoch, a closed set.
var phases = []machine.Phase{machine.Open, machine.Polling, machine.TooFew, machine.Full, machine.Stalled, machine.Closed}

// A ConsensusTracer records what one service of agreement does. It is a tracer of package consensus, to be given to
// WithTracer of one service, and it is the prometheus.Collector of that service's metrics.
type ConsensusTracer struct {
	reg prometheus.Registerer

	// The metrics of every label are made at the start, and found by index.
	exchanges [][]prometheus.Counter // by exchange, then outcome
	took      []prometheus.Observer  // by exchange
	served    []prometheus.Observer
	refused   map[consensus.Reason]prometheus.Counter // not written to after its making
	phases    []prometheus.Gauge                      // in the order of phases
	troubles  []prometheus.Gauge                      // in the order of Troubles
	rounds    prometheus.Counter
	decided   prometheus.Counter
	epoch     prometheus.Gauge
	items     prometheus.Gauge
	totals    []total // in the order of consensusTotals

	closed map[uint64]bool // kept epochs that were counted as decided

	all []prometheus.Collector
}

// consensusTotals is what the service counts itself.
var consensusTotals = []struct {
	name, help string
	of         func(*consensus.Status) uint64
}{
	{"picks_total", "Peers that were asked in polls.", func(s *consensus.Status) uint64 { return s.Picked }},
	{"picks_fresh_total", "Of them, fresh peers of the bank.", func(s *consensus.Status) uint64 { return s.PickedFresh }},
	{"passed_over_total", "Peers that were drawn and not asked, since they are known not to speak the protocol.", func(s *consensus.Status) uint64 { return s.PassedOver }},
	{"answers_total", "Polls that were answered in time with what the peer prefers.", func(s *consensus.Status) uint64 { return s.Answered }},
	{"events_dropped_total", "Events of agreement that found their queue full.", func(s *consensus.Status) uint64 { return s.EventsDropped }},
	{"state_writes_total", "Times that the state of agreement was stored.", func(s *consensus.Status) uint64 { return s.State.Writes }},
	{"state_failures_total", "Times that it could not be.", func(s *consensus.Status) uint64 { return s.State.Failures }},
}

// NewConsensus makes the tracer of one service of agreement, as New does for a Brahms service.
func NewConsensus(reg prometheus.Registerer, labels prometheus.Labels) (*ConsensusTracer, error) {
	if reg == nil {
		return nil, errors.New("metrics: registerer must not be nil")
	}
	t := &ConsensusTracer{reg: reg, refused: make(map[consensus.Reason]prometheus.Counter), closed: make(map[uint64]bool)}
	t.make(labels)
	err := reg.Register(t)
	var twice prometheus.AlreadyRegisteredError
	switch {
	case errors.As(err, &twice):
		return nil, fmt.Errorf("metrics: labels=%v are those of another service on this registerer: give each its own", labels)
	case err != nil:
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return t, nil
}

// Close takes the metrics back from the registerer.
func (t *ConsensusTracer) Close() { t.reg.Unregister(t) }

// make makes all metrics, each of which stands at 0.
func (t *ConsensusTracer) make(labels prometheus.Labels) {
	vec := func(name, help string, by ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: Namespace, Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels}, by)
		t.all = append(t.all, v)
		return v
	}
	counter := func(name, help string) prometheus.Counter { return vec(name, help).WithLabelValues() }
	gauges := func(name, help string, by ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: Namespace, Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels}, by)
		t.all = append(t.all, v)
		return v
	}
	durations := func(name, help string) (out []prometheus.Observer) {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: Namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets, ConstLabels: labels,
		}, []string{"exchange"})
		t.all = append(t.all, v)
		for _, e := range consensus.Exchanges() {
			out = append(out, v.WithLabelValues(e.String()))
		}
		return out
	}

	exchanges := vec("exchanges_total", "Exchanges of ours that ended, by what came of them.", "exchange", "outcome")
	for _, e := range consensus.Exchanges() {
		var row []prometheus.Counter
		for _, o := range consensus.Outcomes() {
			row = append(row, exchanges.WithLabelValues(e.String(), o.String()))
		}
		t.exchanges = append(t.exchanges, row)
	}
	t.took = durations("exchange_duration_seconds", "How long exchanges of agreement took, dials included.")
	t.served = durations("serve_duration_seconds", "How long streams of others about agreement took that we answered.")
	refused := vec("refused_total", "Refused input of others about agreement, by reason.", "reason")
	for _, r := range consensus.Reasons() {
		t.refused[r.Reason] = refused.WithLabelValues(string(r.Reason))
	}
	byPhase := gauges("epochs", "Kept epochs, by phase.", "phase")
	for _, p := range phases {
		t.phases = append(t.phases, byPhase.WithLabelValues(p.String()))
	}
	byTrouble := gauges("trouble", "Whether this is what keeps the service from deciding well (1) or not (0).", "trouble")
	for _, x := range consensus.Troubles() {
		t.troubles = append(t.troubles, byTrouble.WithLabelValues(string(x)))
	}
	t.rounds = counter("rounds_total", "Rounds that were opened.")
	t.decided = counter("decided_total", "Epochs that were closed, with their set.")
	t.epoch = gauges("epoch", "Number of the current epoch.").WithLabelValues()
	t.items = gauges("items", "Items of the kept epochs.").WithLabelValues()
	for _, s := range consensusTotals {
		t.totals = append(t.totals, total{counter: counter(s.name, s.help)})
	}
}

// Describe implements prometheus.Collector.
func (t *ConsensusTracer) Describe(out chan<- *prometheus.Desc) {
	for _, c := range t.all {
		c.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (t *ConsensusTracer) Collect(out chan<- prometheus.Metric) {
	for _, c := range t.all {
		c.Collect(out)
	}
}

// Exchanged implements consensus.Tracer.
func (t *ConsensusTracer) Exchanged(e consensus.Exchange, o consensus.Outcome, took time.Duration) {
	if int(e) >= len(t.exchanges) || int(o) >= len(t.exchanges[e]) {
		return // a test sees to it that the sets above are whole; in a worker a panic would be the worse answer
	}
	t.exchanges[e][o].Inc()
	t.took[e].Observe(took.Seconds())
}

// Served implements consensus.Tracer.
func (t *ConsensusTracer) Served(e consensus.Exchange, took time.Duration) {
	t.served[e].Observe(took.Seconds())
}

// Refused implements consensus.Tracer.
func (t *ConsensusTracer) Refused(why consensus.Reason) { t.refused[why].Inc() }

// RoundOpened implements consensus.Tracer.
func (t *ConsensusTracer) RoundOpened(s *consensus.Status) {
	t.rounds.Inc()
	t.epoch.Set(float64(s.Epoch))
	kept, count, items := make(map[uint64]bool), make(map[machine.Phase]int), 0
	for _, e := range s.Epochs {
		count[e.Phase]++
		items += e.Items
		if e.Phase != machine.Closed {
			continue
		}
		if kept[e.Epoch] = true; !t.closed[e.Epoch] {
			t.decided.Inc()
		}
	}
	t.closed = kept
	t.items.Set(float64(items))
	for i, p := range phases {
		t.phases[i].Set(float64(count[p]))
	}
	for i, x := range consensus.Troubles() {
		t.troubles[i].Set(number(s.Trouble == x))
	}
	for i := range consensusTotals {
		now := consensusTotals[i].of(s)
		t.totals[i].counter.Add(float64(now - t.totals[i].last))
		t.totals[i].last = now
	}
}
