// Package metrics makes Prometheus metrics of what a Brahms service does:
//
//	tracer, err := metrics.New(prometheus.DefaultRegisterer, nil)
//	...
//	svc, err := brahmshost.New(h, brahmshost.WithTracer(tracer))
//
// NewSpread does so for a service of package spread, NewConsensus for one of package consensus.
//
// All metrics begin with "libp2p_brahms_" and are those of one service: two services of a process need a tracer each, with
// labels that tell them apart where both use one registerer. Labels are closed sets (reasons, conditions, outcomes,
// exchanges) and never peer ids, so the number of time series is a constant that no remote can change. docs/metrics.md lists
// them and says what recording costs.
package metrics
