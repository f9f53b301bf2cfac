package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const specFile = "../../spec/brahms.md"

func readSpec(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(specFile)
	must(t, err)
	return string(data)
}

// section is the text between a heading of level 2 and the next.
func section(t *testing.T, spec, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(spec, "\n## "+title+"\n")
	if !ok {
		t.Fatalf("no section %q", title)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// rows are the cells of the lines of a section's tables, without backticks.
func rows(body string) [][]string {
	var out [][]string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|-") {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(c), "`"))
		}
		out = append(out, cells)
	}
	return out
}

// The limits of the specification are those of the code: all of them, and no others.
func TestSpecLimits(t *testing.T) {
	limits := map[string]int{
		"MaxPushRequest": wire.MaxPushRequest, "MaxPushResponse": wire.MaxPushResponse,
		"MaxPullRequest": wire.MaxPullRequest, "MaxPullResponse": wire.MaxPullResponse, "MaxPullResponseLimited": wire.MaxPullResponseLimited,
		"MaxProbeRequest": wire.MaxProbeRequest, "MaxProbeResponse": wire.MaxProbeResponse,
		"MaxRecordSize": wire.MaxRecordSize, "MaxRecordAddrs": wire.MaxRecordAddrs, "MaxEntries": wire.MaxEntries,
		"MaxPeerIDSize": wire.MaxPeerIDSize, "MinNonceSize": wire.MinNonceSize, "MaxNonceSize": wire.MaxNonceSize,
		"MaxSeedSize": wire.MaxSeedSize, "MaxSolutionSize": wire.MaxSolutionSize, "MaxSignatureSize": wire.MaxSignatureSize,
	}
	file, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, 0)
	must(t, err)
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, name := range v.Names {
				declared++
				if _, ok := limits[name.Name]; !ok {
					t.Errorf("%s is not compared with the specification: add it to this test", name)
				}
			}
		}
		return true
	})
	table := rows(section(t, readSpec(t), "Limits"))[1:]
	if len(table) != declared || declared != len(limits) {
		t.Errorf("%d limits in the table, %d in limits.go, %d in this test", len(table), declared, len(limits))
	}
	for _, row := range table {
		if n, err := strconv.Atoi(row[1]); err != nil || n != limits[row[0]] {
			t.Errorf("%s is %s in the table, %d in the code", row[0], row[1], limits[row[0]])
		}
	}
}

// The statuses of the specification are those of the code, per exchange.
func TestSpecStatuses(t *testing.T) {
	encodes := []struct {
		column int
		ok     func(wire.Status) error
	}{
		{2, func(s wire.Status) error { _, err := wire.PushResponse{Status: s}.Marshal(); return err }},
		{3, func(s wire.Status) error { _, err := wire.PullResponse{Status: s}.Marshal(); return err }},
		{4, func(s wire.Status) error { _, err := wire.ProbeResponse{Status: s}.Marshal(); return err }},
	}
	table := rows(section(t, readSpec(t), "Statuses"))[1:]
	for _, e := range encodes {
		for s := wire.Status(0); s <= wire.StatusUnknown; s++ {
			listed := false
			for _, row := range table {
				listed = listed || row[0] == strconv.Itoa(int(s)) && row[e.column] == "yes"
			}
			if sent := e.ok(s) == nil; sent != listed {
				t.Errorf("column %d, status %v: listed %v, sent %v", e.column, s, listed, sent)
			}
		}
	}
}

// The specification ends with the schema as it is.
func TestSpecSchema(t *testing.T) {
	schema, err := os.ReadFile("pb/brahms.proto")
	must(t, err)
	_, block, _ := strings.Cut(readSpec(t), "```protobuf\n")
	block, rest, ok := strings.Cut(block, "```\n")
	if !ok || block != string(schema) || rest != "" {
		t.Error("the protobuf block is not pb/brahms.proto")
	}
}

func TestSpecVectors(t *testing.T) {
	v := readVectors(t)
	frames := map[string]string{}
	for _, m := range v.Messages {
		frames[m.Name+" "+m.Type] = m.Frame
	}
	body := section(t, readSpec(t), "Test vectors")
	table := rows(body)[1:]
	if len(table) < 8 {
		t.Errorf("%d vectors", len(table))
	}
	for _, row := range table {
		if want, ok := frames[row[0]+" "+row[1]]; !ok || row[2] != want {
			t.Errorf("%s: frame %s, want %q", row[0], row[2], want)
		}
	}
	if !strings.Contains(strings.ReplaceAll(body, "\n", ""), "```text"+v.Records[0].Envelope+"```") {
		t.Errorf("the record is not %q of the vectors", v.Records[0].Name)
	}
}

// Links within the specification lead to its headings, and all sections are in the table of contents.
func TestSpecLinks(t *testing.T) {
	spec := readSpec(t)
	anchors := map[string]bool{}
	strip := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(spec, -1) {
		anchor := strings.ReplaceAll(strip.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		anchors[anchor] = true
		if anchor != "table-of-contents" && !strings.Contains(spec, "- ["+m[1]+"](#"+anchor+")") {
			t.Errorf("%q is not in the table of contents", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(spec, -1) {
		if !anchors[m[1]] {
			t.Errorf("no heading for #%s", m[1])
		}
	}
}
