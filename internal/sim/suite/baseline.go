package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// A Baseline is what scenarios came to when it was written.
type Baseline map[string]Entry

// An Entry is one scenario of a baseline.
type Entry struct {
	Digests []string           `json:"digests"` // of the runs
	Figures map[string]float64 `json:"figures"` // means by word, without what differs between equal runs
}

// A Difference is a figure that is not that of the baseline.
type Difference struct {
	Scenario string `json:"scenario"`
	Word     string `json:"word"` // "digest" and "scenario" too
	Was      string `json:"was"`
	Is       string `json:"is"`
}

// absent is in the place of what is not there.
const absent = "absent"

// LoadBaseline reads a baseline. With mayLack a file that is not there is an empty one.
func LoadBaseline(file string, mayLack bool) (Baseline, error) {
	content, err := os.ReadFile(file)
	if mayLack && errors.Is(err, fs.ErrNotExist) {
		return Baseline{}, nil
	}
	if err != nil {
		return nil, err
	}
	b := Baseline{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("%s: it is no baseline: %w", file, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: it is no baseline: something follows its object", file)
	}
	return b, nil
}

func (o *Outcome) entry() Entry {
	e := Entry{Figures: map[string]float64{}}
	for _, r := range o.Summary.Each {
		e.Digests = append(e.Digests, r.Digest)
	}
	for _, word := range sim.Words() {
		if f, ok := o.Summary.Figure(word); ok && !slices.Contains(unsteady, word) {
			e.Figures[word] = f.Mean
		}
	}
	return e
}

// Compare fills in Differences. Scenarios of the baseline that the suite has no longer are differences, those that were
// left out of this run are none.
func (r *Report) Compare(b Baseline) {
	r.Differences = nil
	for _, o := range r.Outcomes {
		was, ok := b[o.Scenario.Name]
		if !ok {
			r.Differences = append(r.Differences, Difference{o.Scenario.Name, "scenario", absent, "new"})
			continue
		}
		r.Differences = append(r.Differences, differences(o.Scenario.Name, was, o.entry())...)
	}
	for _, name := range sortedKeys(b) {
		if r.Suite.scenario(name) == nil {
			r.Differences = append(r.Differences, Difference{name, "scenario", "there", absent})
		}
	}
}

func differences(name string, was, is Entry) []Difference {
	var out []Difference
	words := sortedKeys(was.Figures)
	for _, word := range sortedKeys(is.Figures) {
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	for _, word := range words {
		a, had := was.Figures[word]
		b, has := is.Figures[word]
		if had == has && a == b {
			continue
		}
		d := Difference{name, word, absent, absent}
		if had {
			d.Was = exact(a)
		}
		if has {
			d.Is = exact(b)
		}
		out = append(out, d)
	}
	if !slices.Equal(was.Digests, is.Digests) {
		out = append(out, Difference{name, "digest", brief(was.Digests), brief(is.Digests)})
	}
	return out
}

// brief is the first digest, with how many there are beside.
func brief(digests []string) string {
	switch len(digests) {
	case 0:
		return absent
	case 1:
		return digests[0]
	}
	return fmt.Sprintf("%s and %d more", digests[0], len(digests)-1)
}

// WriteBaseline writes what came out to the file. Scenarios of old that were left out of this run stay as they are there.
func (r *Report) WriteBaseline(file string, old Baseline) error {
	b := Baseline{}
	for name, e := range old {
		if r.Suite.scenario(name) != nil {
			b[name] = e
		}
	}
	for _, o := range r.Outcomes {
		b[o.Scenario.Name] = o.entry()
	}
	content, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(file, append(content, '\n'))
}
