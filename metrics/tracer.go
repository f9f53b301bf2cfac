package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Namespace begins the name of every metric.
const Namespace = "libp2p_brahms"

// buckets are those of durations, in seconds: from an exchange on loopback to one that times out after a dial.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// A Tracer records what one service does. It is a tracer of package host, to be given to WithTracer of one service, and it
// is the prometheus.Collector of that service's metrics. What it records needs no lock and allocates nothing.
type Tracer struct {
	reg prometheus.Registerer

	// The metrics of every label are made at the start, and found by index: a look-up by label would allocate.
	exchanges [][]prometheus.Counter // by exchange, then outcome
	took      []prometheus.Observer  // by exchange
	served    []prometheus.Observer
	refused   map[brahmshost.Reason]prometheus.Counter // not written to after its making
	rounds    []prometheus.Counter                     // by outcome
	health    []prometheus.Gauge                       // in the order of Conditions
	changes   prometheus.Counter
	late      prometheus.Gauge
	gauges    []prometheus.Gauge   // in the order of gaugeTable
	sums      []prometheus.Counter // in the order of sumTable
	totals    []total              // in the order of totalTable

	conditions []brahmshost.Condition
	slots      []peer.ID // of the sample, in the last round

	all []prometheus.Collector
}

// total is a counter that follows one of the service's own.
type total struct {
	counter prometheus.Counter
	last    uint64
}

// The outcomes, which are closed sets.
var (
	viewOutcomes = []protocol.Outcome{
		protocol.Renewed, protocol.Refilled, protocol.KeptOverload, protocol.KeptNoPush, protocol.KeptNoPull, protocol.Alone,
	}
	exchangeOutcomes = []protocol.ProbeOutcome{
		protocol.NoEvidence, protocol.Alive, protocol.AliveUnproven, protocol.Missed, protocol.Leaving, protocol.Withheld,
	}
)

// New makes the tracer of one service and registers its metrics with reg. labels are added to every metric, to tell
// services apart that share a registerer; nil adds none. It fails where reg has these metrics with these labels already, and
// where a label is not valid.
func New(reg prometheus.Registerer, labels prometheus.Labels) (*Tracer, error) {
	if reg == nil {
		return nil, errors.New("metrics: registerer must not be nil")
	}
	t := &Tracer{reg: reg, refused: make(map[brahmshost.Reason]prometheus.Counter)}
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

// Close takes the metrics back from the registerer. The service may go on; what it records is then seen by nobody.
func (t *Tracer) Close() { t.reg.Unregister(t) }

// make makes all metrics, each of which stands at 0.
func (t *Tracer) make(labels prometheus.Labels) {
	vec := func(name, help string, by ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help, ConstLabels: labels}, by)
		t.all = append(t.all, v)
		return v
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help, ConstLabels: labels})
		t.all = append(t.all, c)
		return c
	}
	durations := func(name, help string) (out []prometheus.Observer) {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: Namespace, Name: name, Help: help, Buckets: buckets, ConstLabels: labels,
		}, []string{"exchange"})
		t.all = append(t.all, v)
		for _, e := range brahmshost.Exchanges() {
			out = append(out, v.WithLabelValues(e.String()))
		}
		return out
	}
	gaugeVec := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: Namespace, Name: "health", Help: "Whether a condition holds (1) or not (0).", ConstLabels: labels,
	}, []string{"condition"})
	t.all = append(t.all, gaugeVec)
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help, ConstLabels: labels})
		t.all = append(t.all, g)
		return g
	}

	exchanges := vec("exchanges_total", "Exchanges of ours that ended, by what they told of the other peer.", "exchange", "outcome")
	for _, e := range brahmshost.Exchanges() {
		var row []prometheus.Counter
		for _, o := range exchangeOutcomes {
			row = append(row, exchanges.WithLabelValues(e.String(), o.String()))
		}
		t.exchanges = append(t.exchanges, row)
	}
	t.took = durations("exchange_duration_seconds", "How long exchanges of ours took, dials included.")
	t.served = durations("serve_duration_seconds", "How long streams of others took that we answered.")
	refused := vec("refused_total", "Refused input of others, by reason.", "reason")
	for _, r := range brahmshost.Reasons() {
		t.refused[r.Reason] = refused.WithLabelValues(string(r.Reason))
	}
	rounds := vec("rounds_total", "Rounds that were closed, by what became of the view.", "outcome")
	for _, o := range viewOutcomes {
		t.rounds = append(t.rounds, rounds.WithLabelValues(o.String()))
	}
	for _, c := range brahmshost.Conditions() {
		t.conditions = append(t.conditions, c.Condition)
		t.health = append(t.health, gaugeVec.WithLabelValues(string(c.Condition)))
	}
	t.changes = counter("sample_changes_total", "Slots of the sample that hold another peer than a round before, or none.")
	t.late = gauge("round_late_seconds", "By how much the last round was longer than planned.")
	for _, g := range gaugeTable {
		t.gauges = append(t.gauges, gauge(g.name, g.help))
	}
	for _, s := range sumTable {
		t.sums = append(t.sums, counter(s.name, s.help))
	}
	for _, s := range totalTable {
		t.totals = append(t.totals, total{counter: counter(s.name, s.help)})
	}
}

// Describe implements prometheus.Collector.
func (t *Tracer) Describe(out chan<- *prometheus.Desc) {
	for _, c := range t.all {
		c.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (t *Tracer) Collect(out chan<- prometheus.Metric) {
	for _, c := range t.all {
		c.Collect(out)
	}
}

// Exchanged implements host.Tracer.
func (t *Tracer) Exchanged(e brahmshost.Exchange, o protocol.ProbeOutcome, took time.Duration) {
	if int(e) >= len(t.exchanges) || int(o) >= len(t.exchanges[e]) {
		return // a test sees to it that the sets above are whole; in a worker a panic would be the worse answer
	}
	t.exchanges[e][o].Inc()
	t.took[e].Observe(took.Seconds())
}

// Served implements host.Tracer.
func (t *Tracer) Served(e brahmshost.Exchange, took time.Duration) {
	t.served[e].Observe(took.Seconds())
}

// Refused implements host.Tracer.
func (t *Tracer) Refused(why brahmshost.Reason, times uint64) { t.refused[why].Add(float64(times)) }

// RoundEnded implements host.Tracer.
func (t *Tracer) RoundEnded(s *brahmshost.Status) {
	if int(s.Node.Outcome) < len(t.rounds) {
		t.rounds[s.Node.Outcome].Inc()
	}
	for i, c := range t.conditions {
		t.health[i].Set(number(s.Health.Has(c)))
	}
	for i := range gaugeTable {
		t.gauges[i].Set(gaugeTable[i].of(s))
	}
	for i := range sumTable {
		t.sums[i].Add(float64(sumTable[i].of(s)))
	}
	for i := range totalTable {
		now := totalTable[i].of(s)
		t.totals[i].counter.Add(float64(now - t.totals[i].last))
		t.totals[i].last = now
	}
	t.late.Set((s.Took - s.Planned).Seconds())
	t.follow(s)
}

// follow counts the slots of the sample that have changed. Slots come and go at the end where sizes follow the network.
func (t *Tracer) follow(s *brahmshost.Status) {
	changed := 0
	for i := range s.Slots {
		id := s.Slots[i].ID
		switch {
		case i >= len(t.slots):
			t.slots = append(t.slots, id)
			if id != "" {
				changed++
			}
		case t.slots[i] != id:
			t.slots[i] = id
			changed++
		}
	}
	for _, id := range t.slots[len(s.Slots):] {
		if id != "" {
			changed++
		}
	}
	t.slots = t.slots[:len(s.Slots)]
	t.changes.Add(float64(changed))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
