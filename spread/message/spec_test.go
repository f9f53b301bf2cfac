package message_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

func readSpec(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../spec/spread.md")
	must(t, err)
	return string(data)
}

// table returns the rows of the table in a section, by their first cell.
func table(t *testing.T, title string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(readSpec(t), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("no section %q", title)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `?([A-Za-z0-9]+)`? \\| `?([^|`]+?)`? \\|").FindAllStringSubmatch(body, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// The limits of the specification are those of the code: all of them, and no others.
func TestSpecLimits(t *testing.T) {
	limits := map[string]int{
		"MaxPayload": message.MaxPayload, "MaxPayloadLimit": message.MaxPayloadLimit, "MaxTopic": message.MaxTopic,
		"NonceSize": message.NonceSize, "MaxPeerIDSize": message.MaxPeerIDSize, "MaxKeySize": message.MaxKeySize,
		"MaxSignatureSize": message.MaxSignatureSize, "MaxHops": message.MaxHops, "MaxOverhead": message.MaxOverhead, "MaxAnswer": message.MaxAnswer,
	}
	file, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, 0)
	must(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, name := range v.Names {
				if _, ok := limits[name.Name]; !ok {
					t.Errorf("%s is not compared with the specification: add it to this test", name)
				}
			}
		}
		return true
	})
	got := table(t, "Limits")
	delete(got, "limit")
	if len(got) != len(limits) {
		t.Errorf("%d limits in the table, %d in the code", len(got), len(limits))
	}
	for name, want := range limits {
		if got[name] != strconv.Itoa(want) {
			t.Errorf("%s is %s in the table, %d in the code", name, got[name], want)
		}
	}
}

func TestSpecStatuses(t *testing.T) {
	got := table(t, "Statuses")
	delete(got, "value")
	for s := message.StatusTaken; s <= message.StatusOutOfTime; s++ {
		if got[strconv.Itoa(int(s))] != s.String() {
			t.Errorf("%d is %q in the table, %v in the code", s, got[strconv.Itoa(int(s))], s)
		}
	}
	if len(got) != int(message.StatusOutOfTime) {
		t.Errorf("%d statuses", len(got))
	}
}

func TestSpecParameters(t *testing.T) {
	got := table(t, "Parameters")
	for name, want := range map[string]string{
		"MaxAge": "2 min", "MaxAhead": "30 s", "MaxHops": "10", "Memory": "65,536", "Window": "10 s", "OriginRate": "20/s, 200 at once", "SenderRate": "200/s, 2,000 at once",
	} {
		if got[name] != want {
			t.Errorf("%s is %q in the table, want %q", name, got[name], want)
		}
	}
	want := gossip.Params{
		MaxAge: 120_000, MaxAhead: 30_000, MaxHops: 10, Memory: 65_536, Window: 10_000,
		Origin: gossip.Rate{PerSecond: 20, Burst: 200}, Keys: 4096,
	}
	if gossip.Default() != want {
		t.Errorf("the defaults are %+v", gossip.Default())
	}
}

// The specification ends with the schema as it is, and has the frame of the first vector.
func TestSpecSchema(t *testing.T) {
	schema, err := os.ReadFile("pb/spread.proto")
	must(t, err)
	spec := readSpec(t)
	_, block, _ := strings.Cut(spec, "```protobuf\n")
	if block != string(schema)+"```\n" {
		t.Error("the protobuf block is not pb/spread.proto")
	}
	_, frame, _ := strings.Cut(spec, "```text\n")
	frame, _, _ = strings.Cut(frame, "```")
	if want := readVectors(t).Messages[0].Frame; strings.ReplaceAll(frame, "\n", "") != want {
		t.Errorf("the frame is not %s", want)
	}
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(spec, -1) {
		if m[1] != "Table of contents" && !strings.Contains(spec, "- ["+m[1]+"](#") {
			t.Errorf("%q is not in the table of contents", m[1])
		}
	}
}
