package dashboard

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// A board is what the tests look at of the dashboard. Whether Grafana takes all of it is the question of schema/check.js.
type board struct {
	Panels []struct {
		Type, Title string
		Targets     []struct{ Expr, LegendFormat, RefID string }
	}
	Templating struct {
		List []struct {
			Name, Type, AllValue string
			Query                json.RawMessage // of a data source, or what it is asked
		}
	}
}

func readBoard(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "dashboards", "brahms.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What Grafana puts in place of its variables: All of a variable is its value for that, else the chosen ones; the rate interval is
// four times that of the scrapes, the range all that is shown.
func filled(expr, instance string) string {
	return strings.NewReplacer("$instance", instance, "$__rate_interval", (4 * scrapeEvery).String(), "$__range", "1h").Replace(expr)
}

var (
	mustache    = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	labelValues = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
)

// faults runs each query of a dashboard over what was scraped, and lists what is wrong: what Prometheus refuses or warns of, what
// finds no series, and legends with labels that no series has.
func (s scraped) faults(t *testing.T, text string) (out []string) {
	t.Helper()
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var d board
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return []string{err.Error()}
	}
	instance := ""
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var ask struct{ Query string }
		if err := json.Unmarshal(v.Query, &ask); err != nil {
			fault("variable %s: %v", v.Name, err)
		}
		m := labelValues.FindStringSubmatch(ask.Query)
		if m == nil {
			fault("variable %s: %q is not understood", v.Name, ask.Query)
		} else if got := s.valuesOf(m[1], m[2]); !slices.Equal(got, []string{instanceA, instanceB}) {
			fault("variable %s: %s has %q", v.Name, ask.Query, got)
		}
		if v.Name == "instance" {
			instance = v.AllValue
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			for _, chosen := range []string{instance, "(" + instanceA + "|" + instanceB + ")", instanceB} {
				series, err := s.run(t, filled(q.Expr, chosen))
				if err != nil {
					fault("%s %s: %v", p.Title, q.RefID, err)
					continue
				}
				if len(series) == 0 {
					fault("%s %s: no series for %s", p.Title, q.RefID, filled(q.Expr, chosen))
				}
				// Of a quantile those kinds have none of which nothing happened.
				if len(series) > 0 && !slices.ContainsFunc(series, func(one promql.Series) bool { return slices.ContainsFunc(one.Floats, isNumber) }) {
					fault("%s %s: no number in %s", p.Title, q.RefID, filled(q.Expr, chosen))
				}
				for _, one := range series {
					for _, m := range mustache.FindAllStringSubmatch(q.LegendFormat, -1) {
						if one.Metric.Get(m[1]) == "" {
							fault("%s %s: %s has no label %s for the legend", p.Title, q.RefID, one.Metric, m[1])
						}
					}
				}
			}
		}
	}
	return out
}

func isNumber(f promql.FPoint) bool { return !math.IsNaN(f.F) && !math.IsInf(f.F, 0) }

// run asks Prometheus' engine for a range, as a panel does. A warning is an error here.
func (s scraped) run(t *testing.T, expr string) (promql.Matrix, error) {
	t.Helper()
	q, err := s.engine.NewRangeQuery(t.Context(), s.store, nil, expr, s.from, s.to, scrapeEvery)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(t.Context())
	if res.Err != nil {
		return nil, res.Err
	}
	if len(res.Warnings) > 0 {
		return nil, fmt.Errorf("%s: %w", expr, res.Warnings.AsErrors()[0])
	}
	m, err := res.Matrix()
	if err != nil {
		return nil, err
	}
	return slices.Clone(m), nil
}

// valuesOf are the values of a label in the series of a metric.
func (s scraped) valuesOf(metric, label string) []string {
	var values []string
	for _, l := range s.store.order {
		if l.Get(labels.MetricName) == metric {
			values = append(values, l.Get(label))
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// TestEveryPanelShows: over the metrics of real peers every query of the dashboard finds series.
func TestEveryPanelShows(t *testing.T) {
	s := scrape(t)
	text := readBoard(t)
	for _, f := range s.faults(t, text) {
		t.Error(f)
	}
	// And what is wrong is found.
	for _, c := range []struct{ old, new, want string }{
		{"libp2p_brahms_suspects", "libp2p_brahms_suspicious", "Suspects and deaths A: no series"},
		{"sum by (reason)", "sum by (why)", "no label why"},
		{"{{reason}}", "{{why}}", "no label why"},
		{"histogram_quantile(0.95, sum by (le, exchange)", "histogram_quantile(0.95, sum by (exchange)", "Duration of exchanges, 95% A"},
		{"rate(libp2p_brahms_deaths_total", "rates(libp2p_brahms_deaths_total", "unknown function"},
		{`libp2p_brahms_records{instance=~\"$instance\"}`, `libp2p_brahms_records{instance=\"$instance\"}`, "What is kept A: no series"},
		{"libp2p_brahms_refused_total{", `libp2p_brahms_refused_total{reason=\"none\",`, "Refused input by reason A: no series"},
		{"label_values(libp2p_brahms_round, instance)", "label_values(libp2p_brahms_rounds, instance)", "variable instance"},
	} {
		bad := strings.ReplaceAll(text, c.old, c.new)
		if bad == text {
			t.Errorf("the dashboard has no %s", c.old)
			continue
		}
		if c.old == "sum by (reason)" {
			bad = strings.Replace(bad, "{{reason}}", "{{why}}", 1)
		}
		if found := strings.Join(s.faults(t, bad), "\n"); !strings.Contains(found, c.want) {
			t.Errorf("%s in place of %s: found %q, want %q", c.new, c.old, found, c.want)
		}
	}
}

// TestQueriesParse: each query is one that Prometheus parses, and calls none of its functions that are experimental.
func TestQueriesParse(t *testing.T) {
	var d board
	if err := json.Unmarshal([]byte(readBoard(t)), &d); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			n++
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(filled(q.Expr, ".*")); err != nil {
				t.Errorf("%s: %v", p.Title, err)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d queries", n)
	}
}

// scrapeEvery is the time between two scrapes, as Prometheus would be told.
const scrapeEvery = 15 * time.Second
