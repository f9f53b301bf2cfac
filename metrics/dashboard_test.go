package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// dashboard is what Grafana wants of a dashboard, as far as it is checked.
type dashboard struct {
	ID            *int   `json:"id"`
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Refresh       string `json:"refresh"`
	Time          struct{ From, To string }
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
			Datasource source
		}
	}
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Datasource  source
		Targets     []struct {
			Expr, RefID, LegendFormat string
			Datasource                source
		}
		FieldConfig *struct{ Defaults, Overrides any }
		Options     any
	}
}

type source struct{ Type, UID string }

func readDashboard(t *testing.T) (dashboard, map[string]any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "dashboards", "brahms.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	var raw map[string]any
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	return d, raw
}

// ours is the namespace's part of an expression; selector is what may follow it.
var (
	ours     = regexp.MustCompile(Namespace + `_[a-z0-9_]+`)
	selector = regexp.MustCompile(Namespace + `_[a-z0-9_]+\{instance=~"\$instance"\}`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
	mustache = regexp.MustCompile(`\{\{([a-z]+)\}\}`)
)

// TestDashboardNamesWhatExists: each expression names metrics that a tracer has, of the kind that the expression takes, and
// labels that those have.
func TestDashboardNamesWhatExists(t *testing.T) {
	reg := prometheus.NewRegistry()
	newTracer(t, reg, nil)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kind, labels := make(map[string]dto.MetricType), map[string]bool{"instance": true, "peer": true, "le": true}
	for _, f := range families {
		names := []string{f.GetName()}
		if f.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{f.GetName() + "_bucket", f.GetName() + "_sum", f.GetName() + "_count"}
		}
		for _, name := range names {
			kind[name] = f.GetType()
		}
		for _, l := range f.Metric[0].Label {
			labels[l.GetName()] = true
		}
	}
	d, _ := readDashboard(t)
	used := make(map[string]bool)
	check := func(where, expr string) {
		names := ours.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric: %s", where, expr)
		}
		for _, name := range names {
			k, ok := kind[name]
			if !ok {
				t.Errorf("%s names %s, which no tracer has", where, name)
			}
			used[name] = true
			if rated := strings.Contains(expr, "rate("+name); ok && rated != (k != dto.MetricType_GAUGE) && !strings.HasPrefix(expr, "label_values(") {
				t.Errorf("%s: %s is of type %v, and %s", where, name, k, expr)
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
			for _, l := range strings.Split(m[1], ",") {
				if !labels[strings.TrimSpace(l)] {
					t.Errorf("%s groups by %s, a label that nothing has", where, l)
				}
			}
		}
		if strings.Count(expr, "(") != strings.Count(expr, ")") {
			t.Errorf("%s: brackets do not match: %s", where, expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			query, _ := v.Query.(map[string]any)
			text, _ := query["query"].(string)
			check(v.Name, text)
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
			if len(selector.FindAllString(target.Expr, -1)) != len(ours.FindAllString(target.Expr, -1)) {
				t.Errorf("%s: not every metric is chosen by instance: %s", p.Title, target.Expr)
			}
			for _, m := range mustache.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !labels[m[1]] {
					t.Errorf("%s: the legend has the label %s, which nothing has", p.Title, m[1])
				}
			}
		}
	}
	if len(used) < 30 {
		t.Errorf("only %d metrics are shown", len(used))
	}
}

// TestDashboardLoads: it has the fields without which Grafana refuses to import or provision a dashboard, or shows it empty.
func TestDashboardLoads(t *testing.T) {
	d, raw := readDashboard(t)
	if d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.ID != nil || d.SchemaVersion < 36 || d.Time.From == "" || d.Time.To == "" || len(d.Panels) == 0 {
		t.Errorf("uid %q, title %q, id %v, schema %d, time %v", d.UID, d.Title, d.ID, d.SchemaVersion, d.Time)
	}
	// Exports "for sharing" have inputs that provisioning does not fill in.
	for _, field := range []string{"__inputs", "__requires", "__elements", "dashboard"} {
		if _, ok := raw[field]; ok {
			t.Errorf("it has %s", field)
		}
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
		if v.Type == "datasource" && v.Query != "prometheus" {
			t.Errorf("the data source may be %v", v.Query)
		}
	}
	if variables["data_source"] != "datasource" || variables["instance"] != "query" {
		t.Errorf("variables %v", variables)
	}
	want := source{"prometheus", "${data_source}"}
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d is missing or there twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s stands at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s stands on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Type != "stat" && p.Type != "timeseries" || p.Title == "" || p.Datasource != want || len(p.Targets) == 0 || p.FieldConfig == nil || p.Options == nil {
			t.Errorf("panel %d (%s, %s) lacks something", p.ID, p.Type, p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.Datasource != want || target.RefID == "" || refs[target.RefID] || target.LegendFormat == "" {
				t.Errorf("%s: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
}
