package host

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// constantsOf returns the values of the string constants of a type in a file of this package.
func constantsOf(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typ {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s has no constants of type %s", file, typ)
	}
	return out
}

// docRows returns the rows of the table under a heading of docs/threat-model.md, by their first cell.
func docRows(t *testing.T, heading string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("docs/threat-model.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	rows := make(map[string][]string)
	for _, line := range strings.Split(section, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		rows[strings.Trim(cells[0], "`")] = cells[1:]
	}
	return rows
}

var labelForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// The reasons are a closed set: every constant and every refusal of the book has one line in the table, and one in the
// docs that says the same.
func TestReasonsAreClosed(t *testing.T) {
	rows := docRows(t, "### Reasons")
	lines := make(map[Reason]int)
	for _, r := range Reasons() {
		lines[r.Reason]++
		if !labelForm.MatchString(string(r.Reason)) || r.Doc == "" {
			t.Errorf("%+v is no label, or says nothing", r)
		}
		if r.Reason.Misbehaviour() != r.Misbehaviour {
			t.Errorf("%s: misbehaviour %v", r.Reason, r.Reason.Misbehaviour())
		}
		want := fmt.Sprint([]string{map[bool]string{true: "yes", false: "no"}[r.Misbehaviour], r.Doc})
		if got := fmt.Sprint(rows[string(r.Reason)]); got != want {
			t.Errorf("the docs say of %s: %s, want %s", r.Reason, got, want)
		}
	}
	if len(rows) != len(lines) {
		t.Errorf("the docs list %d reasons, there are %d", len(rows), len(lines))
	}
	all := constantsOf(t, "refused.go", "Reason")
	for why := refusal(1); why < refusals; why++ {
		if lines[why.reason()] != 1 {
			t.Errorf("%s has %d lines", why.reason(), lines[why.reason()])
		}
	}
	for _, r := range all {
		if lines[Reason(r)] != 1 {
			t.Errorf("%s has %d lines", r, lines[Reason(r)])
		}
	}
	if len(all) != len(lines) {
		t.Errorf("%d constants, %d lines", len(all), len(lines))
	}
	if Reason("nonsense").Misbehaviour() {
		t.Error("what is no reason is misbehaviour")
	}
	Reasons()[0].Doc = "changed" // a copy
	if refusalTable[0].Doc == "changed" {
		t.Error("the table can be changed from outside")
	}
}

// Every error that refuses input has a reason; errors that are wrapped in each other have that of what was done.
func TestReasonOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{wire.ErrEmpty, ReasonBadFrame},
		{wire.ErrTruncated, ReasonBadFrame},
		{wire.ErrVarint, ReasonBadFrame},
		{wire.ErrTrailing, ReasonBadFrame},
		{wire.ErrTooLarge, ReasonBadFrame},
		{wire.ErrMalformed, ReasonBadMessage},
		{wire.ErrLimit, ReasonBadMessage},
		{protocol.ErrOversized, ReasonBadMessage},
		{wire.ErrUnknownStatus, ReasonUnknownStatus},
		{protocol.ErrUnsolicited, ReasonUnsolicited},
		{errForged, ReasonRecordForged},
		{errWrongPeer, ReasonRecordWrongPeer},
		{fmt.Errorf("%w: %w", errPush, errWrongPeer), ReasonWrongPeer},
		{fmt.Errorf("%w: %w", limit.ErrTrickled, os.ErrDeadlineExceeded), ReasonTrickled},
		{os.ErrDeadlineExceeded, ReasonStreamFailed},
		{network.ErrReset, ReasonStreamFailed},
		{fmt.Errorf("x: %w", network.ErrResourceLimitExceeded), ReasonNoResources},
		{errors.New("anything"), ReasonStreamFailed},
	} {
		if got := reasonOf(fmt.Errorf("somewhere: %w", c.err)); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

// What a mistake of our own, bad luck or a later version brings about is held against nobody.
func TestBadLuckIsNoMisbehaviour(t *testing.T) {
	s := memService(t)
	who := newRecordSigner(t).id
	for _, r := range Reasons() {
		if !r.Misbehaviour {
			s.refuse(origin{peer: who, protocol: s.protocols[pull]}, r.Reason, nil)
		}
		s.refuse(origin{peer: who}, r.Reason, nil) // not by a protocol of ours
	}
	st := newMemStream(who, "/ip4/10.0.0.1/tcp/9", nil)
	if err := respond(st, wire.PushRequest{Record: make([]byte, wire.MaxPushRequest)}); reasonOf(err).Misbehaviour() {
		t.Errorf("an answer of ours that cannot be encoded is held against its reader: %v", err)
	}
	if list, n := s.offences.take(1); n != 0 || len(list) != 0 {
		t.Errorf("%d offences: %v", n, list)
	}
	// The control.
	s.refuse(origin{peer: who, protocol: s.protocols[pull]}, ReasonBadFrame, nil)
	if list, n := s.offences.take(2); n != 1 || len(list) != 1 || list[0].Peer != who || list[0].Round != 2 {
		t.Errorf("%d offences: %v", n, list)
	}
}
