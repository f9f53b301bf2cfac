// Package dashboard holds the tests of the Grafana dashboard. Prometheus' own engine runs each of its queries over what was scraped
// from real peers, and schema/ checks the file against the types that Grafana itself is built with. It is a module of its own, since
// only these tests need Prometheus.
package dashboard
