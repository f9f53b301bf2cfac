package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestDocumentation: docs/metrics.md has a row for each metric, with type, labels and help as they are, and no other.
func TestDocumentation(t *testing.T) {
	reg := prometheus.NewRegistry()
	newTracer(t, reg, nil)
	if _, err := NewConsensus(reg, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSpread(reg, new(told), nil); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `[a-z_]+` \\| (?:counter|gauge|histogram) \\|.*$").FindAllString(string(b), -1) {
		there[row] = true
	}
	for _, f := range families {
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", strings.TrimPrefix(f.GetName(), Namespace+"_"), strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), f.GetHelp())
		if !there[row] {
			t.Errorf("docs/metrics.md lacks the row\n%s", row)
		}
		delete(there, row)
	}
	for row := range there {
		t.Errorf("docs/metrics.md has a row for what is not there: %s", row)
	}
}
