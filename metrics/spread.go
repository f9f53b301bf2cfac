package metrics

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/brahms-p2p/brahms-p2p/spread"
)

// spreadSubsystem follows the namespace in the names of the metrics of messages.
const spreadSubsystem = "spread"

// spreadTable is what a service of messages counts itself.
var spreadTable = []struct {
	name, help string
	kind       prometheus.ValueType
	of         func(*spread.Status) uint64
}{
	{"sent_total", "Messages of our own.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Sent }},
	{"taken_total", "Messages of others, each once.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Taken }},
	{"copies_total", "Copies that arrived of messages that were taken, then or before.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Copies }},
	{"delivered_total", "Messages that subscribers got.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Delivered }},
	{"undelivered_total", "Messages that a subscriber was too slow for.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Undelivered }},
	{"passed_total", "Copies that other peers took from us, or had already.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Passed }},
	{"failed_total", "Copies that could not be sent or were not taken.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Failed }},
	{"overflow_total", "Copies that were not sent since too many waited.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Overflow }},
	{"withheld_total", "Copies that were not sent since too many bytes went for others already.", prometheus.CounterValue, func(s *spread.Status) uint64 { return s.Withheld }},
	{"pending", "Copies that are being sent or wait for it.", prometheus.GaugeValue, func(s *spread.Status) uint64 { return uint64(s.Pending) }},
	{"remembered", "Messages that are remembered.", prometheus.GaugeValue, func(s *spread.Status) uint64 { return uint64(s.Remembered) }},
}

// A SpreadCollector is the prometheus.Collector of one service of messages. It shows what that counts itself, at the moment of a
// scrape: nothing is recorded in between.
type SpreadCollector struct {
	reg     prometheus.Registerer
	service interface{ Status() spread.Status }
	descs   []*prometheus.Desc // in the order of spreadTable
	refused *prometheus.Desc
}

// NewSpread makes the metrics of one service, which is a *spread.Service, and registers them, as New does for a Brahms service.
func NewSpread(reg prometheus.Registerer, service interface{ Status() spread.Status }, labels prometheus.Labels) (*SpreadCollector, error) {
	if reg == nil || service == nil {
		return nil, errors.New("metrics: registerer and service must not be nil")
	}
	desc := func(name, help string, by ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(Namespace, spreadSubsystem, name), help, by, labels)
	}
	c := &SpreadCollector{reg: reg, service: service, refused: desc("refused_total", "Refused input of others about messages, by reason.", "reason")}
	for _, m := range spreadTable {
		c.descs = append(c.descs, desc(m.name, m.help))
	}
	err := reg.Register(c)
	var twice prometheus.AlreadyRegisteredError
	switch {
	case errors.As(err, &twice):
		return nil, fmt.Errorf("metrics: labels=%v are those of another service on this registerer: give each its own", labels)
	case err != nil:
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return c, nil
}

// Close takes the metrics back from the registerer.
func (c *SpreadCollector) Close() { c.reg.Unregister(c) }

// Describe implements prometheus.Collector.
func (c *SpreadCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	out <- c.refused
}

// Collect implements prometheus.Collector.
func (c *SpreadCollector) Collect(out chan<- prometheus.Metric) {
	s := c.service.Status()
	for i, m := range spreadTable {
		out <- prometheus.MustNewConstMetric(c.descs[i], m.kind, float64(m.of(&s)))
	}
	for _, r := range spread.Reasons() {
		out <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(s.Refused[r.Reason]), string(r.Reason))
	}
}
