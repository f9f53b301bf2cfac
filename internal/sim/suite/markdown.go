package suite

import (
	"fmt"
	"os"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
)

func beginMarker(name string) string { return "<!-- suite:" + name + ":begin -->" }
func endMarker(name string) string   { return "<!-- suite:" + name + ":end -->" }

// CheckMarkdown fails if the file cannot be read, or lacks the markers of a table of the suite, each once and in order.
func (s *Suite) CheckMarkdown(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, name := range s.tableNames() {
		if _, _, err := between(file, string(content), name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) tableNames() []string {
	var out []string
	for _, t := range s.Tables {
		out = append(out, t.Name)
	}
	if len(s.Compares) > 0 {
		out = append(out, compareTable)
	}
	return out
}

// between is the place in content between the markers of the table.
func between(file, content, name string) (from, to int, err error) {
	for _, marker := range []string{beginMarker(name), endMarker(name)} {
		if n := strings.Count(content, marker); n != 1 {
			return 0, 0, fmt.Errorf("%s: the marker %s must be there once, it is there %d times", file, marker, n)
		}
	}
	from = strings.Index(content, beginMarker(name)) + len(beginMarker(name))
	to = strings.Index(content, endMarker(name))
	if from > to {
		return 0, 0, fmt.Errorf("%s: the marker %s must stand before %s", file, beginMarker(name), endMarker(name))
	}
	return from, to, nil
}

// WriteMarkdown puts the tables of which all scenarios ran between their markers in the file, and leaves the rest alone.
func (r *Report) WriteMarkdown(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(content)
	for _, g := range r.grids() {
		from, to, err := between(file, text, g.name)
		if err != nil {
			return err
		}
		text = text[:from] + "\n" + g.markdown() + text[to:]
	}
	return atomicfile.Write(file, []byte(text))
}
