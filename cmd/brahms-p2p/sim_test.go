package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// TestSettingsAreFlags: each setting of a simulation is a flag with its section, usage, default and twin in the
// environment, and no two flags have one name.
func TestSettingsAreFlags(t *testing.T) {
	flags := map[string]cli.Flag{}
	for _, f := range simFlags() {
		if len(f.Names()) != 1 || flags[f.Names()[0]] != nil {
			t.Errorf("flag %v: want one name that no other flag has", f.Names())
		}
		flags[f.Names()[0]] = f
	}
	if n := len(sim.Settings()); n < 40 {
		t.Errorf("%d settings: this test sees next to nothing", n)
	}
	for _, s := range sim.Settings() {
		f := flags[s.Name]
		if f == nil {
			t.Errorf("setting %s has no flag", s.Name)
			continue
		}
		doc := f.(cli.DocGenerationFlag)
		twin := "BRAHMS_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		if !slices.Equal(doc.GetEnvVars(), []string{twin}) || doc.GetUsage() != s.Usage || f.(cli.CategorizableFlag).GetCategory() != s.Section {
			t.Errorf("--%s: environment %v, usage %q, section %q", s.Name, doc.GetEnvVars(), doc.GetUsage(), f.(cli.CategorizableFlag).GetCategory())
		}
		if shown := "default: " + s.Default; s.Default != "" && !strings.Contains(f.String(), shown) {
			t.Errorf("the help of --%s lacks %q: %s", s.Name, shown, f)
		}
		if got, want := fmt.Sprint(doc.GetValue()), fmt.Sprint(s.Value); s.Default == "" && got != want && got != fmt.Sprintf("%q", want) {
			t.Errorf("--%s is %s by default, want %s", s.Name, got, want)
		}
		if !f.(cli.LocalFlag).IsLocal() {
			t.Errorf("--%s is also one of the subcommands", s.Name)
		}
	}
}

// TestSettingsAreHeard: what the user says of each setting, by flag or environment, is in the configuration; what he does
// not say stays as it was.
func TestSettingsAreHeard(t *testing.T) {
	words := map[string]string{ // where the default's type does not say what is valid
		"algorithm": "cyclon", "attack": "flood", "preset": "paper", "overload": "drop", "refresh": "both", "hash": "sip",
	}
	for _, s := range sim.Settings() {
		text := words[s.Name]
		switch s.Value.(type) {
		case int, uint64:
			text = "7"
		case float64:
			text = "0.25"
		case bool:
			text = "true"
		}
		if text == "" {
			t.Errorf("this test does not know what %s may be", s.Name)
		}
		want := sim.Default()
		if err := want.Set(s.Name, text); err != nil {
			t.Errorf("%s=%s: %v", s.Name, text, err)
		}
		for _, way := range []string{"flag", "environment"} {
			t.Run(s.Name+"/"+way, func(t *testing.T) {
				args := []string{"sim", fmt.Sprintf("--%s=%s", s.Name, text)}
				if way == "environment" {
					args = args[:1]
					t.Setenv("BRAHMS_"+strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")), text)
				}
				var got sim.Config
				cmd := &cli.Command{Name: "sim", Flags: simFlags(), Action: func(_ context.Context, cmd *cli.Command) error {
					got, _, _ = simConfig(cmd) // some need others beside them to be valid
					return nil
				}}
				if err := cmd.Run(t.Context(), args); err != nil {
					t.Fatal(err)
				}
				if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
					t.Errorf("configuration\n%s, want\n%s", g, w)
				}
			})
		}
	}
}

// TestWordsAreExplained: the summary for people has every word of the one for programs once, and no other.
func TestWordsAreExplained(t *testing.T) {
	words := slices.Clone(inSimTitle)
	for _, group := range simMeanings {
		for _, m := range group.words {
			words = append(words, m.word)
		}
	}
	slices.Sort(words)
	if want := slices.Sorted(slices.Values(sim.Words())); !slices.Equal(words, want) {
		t.Errorf("explained are\n%v, the words are\n%v", words, want)
	}
}

func TestSimSummaryForPeople(t *testing.T) {
	result := func(seed uint64, faulty float64, t99, isolated int) *sim.Result {
		return &sim.Result{
			Algorithm: sim.Brahms, Preset: "paper", Attack: "targeted", Nodes: 100, Correct: 80, Faulty: 20, Rounds: 60, L1: 40, L2: 50,
			Seed: seed, Digest: "abcd", ViewFaulty: faulty, PerfectNodes: 80, T50: 2, T90: 5, T99: t99, VictimView: .5, VictimIsolated: isolated,
		}
	}
	cfg := sim.Default()
	cfg.Override = map[string]string{"tuples": "false", "alpha": "0.4"}
	for _, c := range []struct {
		name      string
		runs      []*sim.Result
		want, not []string
	}{
		{"one", []*sim.Result{result(3, .25, 40, -1)}, []string{
			"brahms, paper, alpha=0.4, tuples=false; attack targeted; 100 nodes, 60 rounds, l1=40, l2=50, seed 3\ndigest abcd\n\nNodes",
			"view_faulty 0.250 share", "theory_view_faulty - what", "t99 40 first", "victim_isolated_round never first", "correct 80 correct",
		}, []string{"mean sd", "newcomer_in_samples"}},
		{"several", []*sim.Result{result(3, .2, 40, 7), result(4, .4, -1, -1), result(5, .3, 30, 9)}, []string{
			", seeds 3 to 5\n", " mean sd min max\n", "view_faulty 0.300 0.082 0.200 0.400 share", "t50 2 0.000 2 2 first", "theory_view_faulty - - - - what", "t99 never - 30 never first",
			"victim_isolated_round 8 - 7 never first",
		}, []string{"digest"}},
		{"nothing judged", []*sim.Result{{Algorithm: sim.Basalt, Digest: "ef", Attack: "none", Nodes: 10, Correct: 10, T50: -1, VictimIsolated: -1, Newcomer: &sim.Spread{Mean: 2.5}}},
			[]string{"basalt; attack none; ", "newcomer_in_samples 2.500", "perfect - share",
				"t50 - first", "t90 - first", "t99 - first", "perfect_nodes 0 nodes", "theory_view_faulty - what"}, []string{"victim", "tuples"}},
	} {
		var b bytes.Buffer
		if err := printSimSummary(&b, cfg, &sim.Summary{Each: c.runs}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		for i := range lines {
			if strings.TrimRight(lines[i], " ") != lines[i] {
				t.Errorf("%s: line %q ends in blanks", c.name, lines[i])
			}
			if gaps := strings.Fields(lines[i]); strings.HasPrefix(lines[i], " ") {
				lines[i] = " " + strings.Join(gaps, " ")
			}
		}
		text := strings.Join(lines, "\n")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, b.String())
			}
		}
		for _, not := range c.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q in\n%s", c.name, not, b.String())
			}
		}
	}
}

// full is a writer that takes some lines and then no more.
type full struct{ lines int }

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	if f.lines == 0 {
		return 0, errFull
	}
	f.lines--
	return len(b), nil
}

// TestRoundThatCannotBeWritten: the simulation ends there, says why, and leaves the file of rounds as it was.
func TestRoundThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rounds.csv")
	if err := os.WriteFile(file, []byte("precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, lines := range []int{0, 2, 3} { // the fourth is the summary
		var stderr bytes.Buffer
		args := []string{name, "sim", "--nodes", "20", "--rounds", "3", "--json", "--each-round", "--csv", file}
		if code := execute(t.Context(), args, &full{lines}, &stderr); code != exitFailure {
			t.Errorf("after %d lines: exit code %d, want %d", lines, code, exitFailure)
		}
		if stderr.String() != name+": "+errFull.Error()+"\n" {
			t.Errorf("after %d lines: stderr %q", lines, &stderr)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if whole := lines == 3; (string(b) == "precious\n") == whole {
			t.Errorf("after %d lines the file holds %q", lines, b)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

// TestRoundsFileFollowsLinks: what a link points to is replaced, not the link.
func TestRoundsFileFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.csv"), filepath.Join(dir, "link.csv")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	f, err := newRoundsFile(link)
	if err != nil {
		t.Fatal(err)
	}
	defer f.discard()
	if err := errors.Join(f.add(1, 7, sim.Round{Round: 4, Correct: 5, ViewFaulty: 1e-6}), f.commit()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(b), "run,seed,round,correct,view_faulty,") || !strings.Contains(string(b), "\n1,7,4,5,0.000001,") {
		t.Errorf("the file holds %q", b)
	}
	if to, err := os.Readlink(link); err != nil || to != target {
		t.Errorf("the link points to %q, %v", to, err)
	}
}

// TestRoundsFileStaysPrivate: the permissions of the file are those it had.
func TestRoundsFileStaysPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rounds.csv")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := newRoundsFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.discard()
	if err := errors.Join(f.add(1, 7, sim.Round{}), f.commit()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || filepath.Separator == '/' && info.Mode() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

// TestRoundsAreKept: where the file cannot be put into place at the end its lines are not lost.
func TestRoundsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rounds.csv")
	f, err := newRoundsFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.add(1, 7, sim.Round{Round: 4}), os.MkdirAll(filepath.Join(file, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	err = f.commit()
	f.discard()
	left, _ := filepath.Glob(file + ".*.tmp")
	if err == nil || len(left) != 1 || !strings.Contains(err.Error(), left[0]) {
		t.Fatalf("error %v, left are %q", err, left)
	}
	if b, err := os.ReadFile(left[0]); err != nil || !strings.Contains(string(b), "\n1,7,4,") {
		t.Errorf("left is %q, %v", b, err)
	}
}

// TestRoundsAsCSV: a line of the file says what the object of the round says.
func TestRoundsAsCSV(t *testing.T) {
	r := sim.Round{Round: 4, Correct: 5, ViewFaulty: .123456, Messages: 31.5, Deaths: 3}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]json.Number
	if err := json.Unmarshal(b, &object); err != nil {
		t.Fatal(err)
	}
	words, figures := sim.RoundWords(), roundFigures(r)
	if len(words) != len(object) || len(figures) != len(object) {
		t.Errorf("%d words and %d figures, want %d", len(words), len(figures), len(object))
	}
	for i, word := range words {
		if object[word].String() != figures[i] {
			t.Errorf("%s is %s, want %s", word, figures[i], object[word])
		}
	}
}
