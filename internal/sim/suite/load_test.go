package suite

import (
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// two is the beginning of most files of these tests.
const two = `
[defaults]
nodes = 50
rounds = 10
[[scenario]]
name = "a"
faulty = 0.2
[[scenario]]
name = "b"
`

const swept = two + `
[[sweep]]
name = "w"
[sweep.vary]
faulty = [0.1, 0.2]
preset = ["paper", "hardened"]
`

// TestErrors: each mistake is named with the file and what it stands in.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ about, text, want string }{
		{"no TOML", "[[scenario", `s.toml: line 1: `},
		{"a duplicate key", "[defaults]\nnodes=5\nnodes=6", `s.toml: line 3: `},
		{"nothing", "", `s.toml: there is no scenario in it`},
		{"an unknown table", two + "[[scenarios]]\nname='c'", `s.toml: there is no key "scenarios" here`},
		{"a table for an array", "[scenario]\nname='c'", `s.toml: scenario must be an array of tables: write [[scenario]]`},
		{"an unknown default", "[defaults]\nnode=5", `s.toml: defaults: there is no key "node" here`},
		{"a default of another type", "[defaults]\nnodes='many'", `s.toml: defaults: nodes="many" must be a whole number`},
		{"a list as a setting", "[defaults]\nnodes=[1]", `s.toml: defaults: nodes must be a number, a text, true or false, not [1]`},
		{"no name", "[[scenario]]\nfaulty=0.1", `s.toml: scenario 1: name is missing`},
		{"a bad name", "[[scenario]]\nname='a b'", `s.toml: scenario 1: name="a b" must be of letters`},
		{"a name that leaves the directory", "[[scenario]]\nname='a/../b'", `s.toml: scenario 1: name="a/../b" must have no part between slashes that is empty or of dots only`},
		{"a name with an empty part", "[[scenario]]\nname='a//b'", `s.toml: scenario 1: name="a//b" must have no part`},
		{"a name that ends in a slash", "[[scenario]]\nname='a/'", `s.toml: scenario 1: name="a/" must have no part`},
		{"a name with a dot for a part", "[[scenario]]\nname='a/./b'", `s.toml: scenario 1: name="a/./b" must have no part`},
		{"a name that begins with a slash", "[[scenario]]\nname='/a'", `s.toml: scenario 1: name="/a" must be of letters`},
		{"an unknown setting", two + "node=3", `s.toml: scenario "b": there is no key "node" here`},
		{"a setting out of range", two + "faulty=1.5", `s.toml: scenario "b": faulty=1.5 must be at least 0 and below 1`},
		{"an unknown attack", two + "attack='none of these'", `s.toml: scenario "b": attack="none of these" must be one of`},
		{"runs", two + "runs=0", `s.toml: scenario "b": runs=0 must be between 1 and`},
		{"runs of another type", two + "runs=1.5", `s.toml: scenario "b": runs=1.5 must be a whole number`},
		{"a name twice", two + "[[scenario]]\nname='a'", `s.toml: scenario "a": there are two scenarios of this name`},
		{"an unknown word", two + "expect={view=1}", `s.toml: scenario "b": expect: there is no word "view"; the words are`},
		{"a band upside down", two + "expect={view_faulty=[0.6, 0.5]}", `s.toml: scenario "b": expect: view_faulty min=0.6 must not be above max=0.5`},
		{"a band of three", two + "expect={view_faulty=[0.1, 0.2, 0.3]}", `s.toml: scenario "b": expect: view_faulty must be [min, max]`},
		{"a band of nothing", two + "expect={view_faulty={}}", `s.toml: scenario "b": expect: view_faulty must be [min, max]`},
		{"a band of text", two + "expect={view_faulty='low'}", `s.toml: scenario "b": expect: view_faulty must be [min, max]`},
		{"a band of nan", two + "expect={view_faulty={min=nan}}", `s.toml: scenario "b": expect: view_faulty must be [min, max]`},
		{"another end of a band", two + "expect={view_faulty={least=1}}", `s.toml: scenario "b": expect: view_faulty must be [min, max]`},
		{"a word that is not computed", two + "perfect=false\nexpect={t99=1}", `s.toml: scenario "b": expect: t99 needs perfect=true`},
		{"newcomers without any", two + "expect={newcomer_in_samples=1}", `s.toml: scenario "b": expect: newcomer_in_samples needs newcomers`},
		{"expectations of nobody", two + "[expect.c]\nview_faulty=1", `s.toml: expect: there is no scenario "c"`},

		{"a sweep of nothing", two + "[[sweep]]\nname='w'", `s.toml: sweep "w": vary must be a table of settings`},
		{"a sweep over no list", two + "[[sweep]]\nname='w'\nvary={faulty=0.1}", `s.toml: sweep "w": vary: faulty=0.1 must be a list`},
		{"a sweep over no setting", two + "[[sweep]]\nname='w'\nvary={x=[1]}", `s.toml: sweep "w": vary: there is no setting "x"`},
		{"a value twice", two + "[[sweep]]\nname='w'\nvary={faulty=[0.1,0.1]}", `s.toml: sweep "w": vary: faulty has the value 0.1 twice`},
		{"a value of another type", two + "[[sweep]]\nname='w'\nvary={nodes=[5, 'many']}", `s.toml: sweep "w": vary: nodes="many" must be a whole number`},
		{"a value and a list", two + "[[sweep]]\nname='w'\nfaulty=0.3\nvary={faulty=[0.1]}", `s.toml: sweep "w": vary: faulty has a value beside the list`},
		{"a point out of range", two + "[[sweep]]\nname='w'\nvary={faulty=[0.1, 7]}", `s.toml: sweep "w": scenario "w/faulty=7": faulty=7 must be`},
		{"points of one name", two + "[[sweep]]\nname='w'\npoints='p'\nvary={faulty=[0.1, 0.2]}", `s.toml: sweep "w": scenario "p": there are two scenarios of this name`},
		{"points that leave the directory", two + "[[sweep]]\nname='w'\npoints='x/../../esc{faulty}'\nvary={faulty=[0.1]}", `s.toml: sweep "w": points="x/../../esc{faulty}" makes the name "x/../../esc0.1", which must have no part`},
		{"points that cannot be files", two + "[[sweep]]\nname='w'\npoints='a b{faulty}'\nvary={faulty=[0.1]}", `s.toml: sweep "w": points="a b{faulty}" makes the name "a b0.1", which must be of letters`},
		{"two sweeps of one name", swept + "[[sweep]]\nname='w'\nvary={loss=[0.1]}", `s.toml: sweep "w": there are two sweeps`},
		{"an unknown column", two + "[[sweep]]\nname='w'\ncolumns=['x']\nvary={faulty=[0.1]}", `s.toml: sweep "w": columns: there is no word "x"`},
		{"across what does not vary", two + "[[sweep]]\nname='w'\ncolumns=['view_faulty']\nacross='loss'\nvary={faulty=[0.1]}", `s.toml: sweep "w": across="loss" must be one of`},
		{"heads of no column", two + "[[sweep]]\nname='w'\ncolumns=['view_faulty']\nheads={isolated='x'}\nvary={faulty=[0.1]}", `s.toml: sweep "w": heads: there is no column "isolated"`},

		{"a table of nobody", two + "[[table]]\nname='t'\nscenarios=['c*']\ncolumns=['view_faulty']", `s.toml: table "t": scenarios: nothing is called "c*"`},
		{"a table of nothing", two + "[[table]]\nname='t'\nscenarios=['a']", `s.toml: table "t": it needs scenarios and columns`},
		{"two tables of one name", two + strings.Repeat("[[table]]\nname='t'\nscenarios=['a']\ncolumns=['view_faulty']\n", 2), `s.toml: table "t": there are two tables`},
		{"the table of the compares", two + "[[table]]\nname='compare'\nscenarios=['a']\ncolumns=['view_faulty']", `s.toml: table "compare": there are two tables`},

		{"a figure without title", two + "[[figure]]\nname='f'\nkind='rounds'\ny='perfect'\nseries=['a']", `s.toml: figure "f": title is missing`},
		{"a kind", two + "[[figure]]\nname='f'\ntitle='x'\nkind='pie'\ny='perfect'", `s.toml: figure "f": kind="pie" must be rounds or sweep`},
		{"a word that rounds do not have", two + "[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='t99'\nseries=['a']", `s.toml: figure "f": y: rounds have no word "t99"`},
		{"a figure of nobody", two + "[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='perfect'\nseries=['c']", `s.toml: figure "f": there is no scenario "c"`},
		{"a label of nothing", two + "[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='perfect'\nseries=['a']\nlabels={b='x'}", `s.toml: figure "f": labels: "b" is not drawn`},
		{"a figure twice", two + strings.Repeat("[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='perfect'\nseries=['a']\n", 2), `s.toml: figure "f": there are two figures`},
		{"an unknown sweep", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='perfect'\nsweep='v'\nx='faulty'", `s.toml: figure "f": there is no sweep "v"`},
		{"an x that does not vary", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='perfect'\nsweep='w'\nx='loss'", `s.toml: figure "f": x="loss" must be one of the settings that vary: faulty, preset`},
		{"what is not fixed", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='perfect'\nsweep='w'\nx='faulty'", `s.toml: figure "f": preset varies: it must be x, by, or have a value in where`},
		{"fixed at nothing", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='perfect'\nsweep='w'\nx='faulty'\nwhere={preset='soft'}", `s.toml: figure "f": where: preset=soft is not among the values`},
		{"a series that is no value", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='perfect'\nsweep='w'\nx='faulty'\nby='preset'\nseries=['soft']", `s.toml: figure "f": series: "soft" is not among the values`},
		{"a range", two + "[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='perfect'\nseries=['a']\ny-range=[1, 0]", `s.toml: figure "f": y-range=[1 0] must be [from, to]`},

		{"a range of logarithms from 0", two + "[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='view_faulty'\nseries=['a']\nlog-x=true\nx-range=[0, 3]", `s.toml: figure "f": x-range=[0 3] must begin above 0 with log-x=true`},
		{"the same over a sweep", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='view_faulty'\nsweep='w'\nx='faulty'\nby='preset'\nlog-x=true\nx-range=[-1, 3]", `s.toml: figure "f": x-range=[-1 3] must begin above 0 with log-x=true`},
		{"logarithms of names", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='view_faulty'\nsweep='w'\nx='preset'\nby='faulty'\nlog-x=true", `s.toml: figure "f": log-x=true needs an axis of numbers, the figure has bars`},
		{"logarithms below bars", swept + "[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='view_faulty'\nsweep='w'\nx='faulty'\nby='preset'\nbars=true\nlog-x=true", `s.toml: figure "f": log-x=true needs an axis of numbers, the figure has bars`},
		{"a logarithm of 0", two + "[[sweep]]\nname='w'\nvary={faulty=[0, 0.1]}\n[[figure]]\nname='f'\ntitle='x'\nkind='sweep'\ny='view_faulty'\nsweep='w'\nx='faulty'\nlog-x=true", `s.toml: figure "f": faulty=0 must be above 0 with log-x=true`},
		{"a figure of what is not computed", two + "perfect=false\n[[figure]]\nname='f'\ntitle='x'\nkind='rounds'\ny='perfect'\nseries=['a', 'b']", `s.toml: figure "f": y: perfect needs perfect=true`},

		{"a comparison without about", two + "[[compare]]\nword='perfect'", `s.toml: compare 1: about is missing`},
		{"a comparison with nobody", two + "[[compare]]\nabout='x'\nword='perfect'\nworse='a'\nbetter='c'\nratio=2", `s.toml: compare "x": there is no scenario "c"`},
		{"a comparison of nothing", two + "[[compare]]\nabout='x'\nword='best'\nworse='a'\nbetter='b'\nratio=2", `s.toml: compare "x": there is no word "best"`},
		{"no distance", two + "[[compare]]\nabout='x'\nword='perfect'\nworse='a'\nbetter='b'", `s.toml: compare "x": it needs either ratio or difference`},
		{"two distances", two + "[[compare]]\nabout='x'\nword='perfect'\nworse='a'\nbetter='b'\nratio=2\ndifference=1", `s.toml: compare "x": it needs either ratio or difference`},
		{"a ratio that shows nothing", two + "[[compare]]\nabout='x'\nword='perfect'\nworse='a'\nbetter='b'\nratio=1", `s.toml: compare "x": ratio=1 must be above 1`},
		{"a difference that shows nothing", two + "[[compare]]\nabout='x'\nword='perfect'\nworse='a'\nbetter='b'\ndifference=0.0", `s.toml: compare "x": difference=0 must be above 0`},
	} {
		t.Run(c.about, func(t *testing.T) {
			_, err := Parse("s.toml", c.text)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

// TestKeysAreNoSettings: a key of a scenario or sweep must not hide a setting of the simulator.
func TestKeysAreNoSettings(t *testing.T) {
	for _, key := range []string{"name", "about", "runs", "figures", "perfect", "expect", "expect-each", "vary", "points", "columns", "heads", "range", "across", nameColumn} {
		if isSetting(key) {
			t.Errorf("%s is a setting of the simulator too", key)
		}
	}
}

// TestWordLists: the lists of words name words of the simulator.
func TestWordLists(t *testing.T) {
	for _, list := range [][]string{unsteady, roundWords, goodWhenHigh, judgedWords, tokenWords} {
		for _, word := range list {
			if !slices.Contains(sim.Words(), word) {
				t.Errorf("%s is no word", word)
			}
		}
	}
}

func TestSweep(t *testing.T) {
	s, err := Parse("s.toml", swept+`
[[sweep]]
name = "v"
points = "v-{loss}"
runs = 3
rounds = 20
expect = {view_faulty = 0, sample_faulty = {min = 0.1}}
[sweep.vary]
loss = [0.0, 0.5]
[expect."v-0.5"]
view_faulty = {max = 0.7}
`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range s.Scenarios {
		names = append(names, c.Name)
	}
	want := []string{"a", "b", "w/faulty=0.1,preset=paper", "w/faulty=0.1,preset=hardened", "w/faulty=0.2,preset=paper", "w/faulty=0.2,preset=hardened", "v-0", "v-0.5"}
	if !slices.Equal(names, want) {
		t.Fatalf("scenarios %q, want %q", names, want)
	}
	if c := s.scenario(want[4]).Config; c.Faulty != .2 || c.Preset != "paper" || c.Nodes != 50 || c.Rounds != 10 || !c.Perfect {
		t.Errorf("%s is %+v", want[4], c)
	}
	last := s.scenario("v-0.5")
	if last.Runs != 3 || last.Config.Rounds != 20 || last.Config.Loss != .5 {
		t.Errorf("v-0.5 is %+v", last)
	}
	bands := map[string]string{}
	for _, e := range last.Expect {
		bands[e.Word] = e.Band.String()
	}
	if len(last.Expect) != 2 || bands["view_faulty"] != "at most 0.7" || bands["sample_faulty"] != "at least 0.1" {
		t.Errorf("expectations of v-0.5 are %v", bands)
	}
	if e := s.scenario("v-0").Expect; len(e) != 2 || e[0].Band != (Band{0, 0}) {
		t.Errorf("expectations of v-0 are %v", e)
	}
}
