package suite

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// A grid is a table as text.
type grid struct {
	name  string
	heads []string
	rows  [][]string
}

// grids are the tables of the suite of which all scenarios ran, with that of the negative controls.
func (r *Report) grids() []grid {
	var out []grid
	for _, t := range r.Suite.Tables {
		if !slices.ContainsFunc(t.Scenarios, func(c *Scenario) bool { return r.outcome(c) == nil }) {
			out = append(out, r.grid(t))
		}
	}
	if len(r.Comparisons) > 0 && len(r.Comparisons) == len(r.Suite.Compares) {
		out = append(out, r.compareGrid())
	}
	return out
}

func (t *Table) head(column string) string {
	if head, ok := t.Heads[column]; ok {
		return head
	}
	return column
}

func (r *Report) grid(t *Table) grid {
	g := grid{name: t.Name}
	if t.Across != "" {
		return r.gridAcross(t)
	}
	for _, column := range t.Columns {
		g.heads = append(g.heads, t.head(column))
	}
	for _, c := range t.Scenarios {
		var row []string
		for _, column := range t.Columns {
			row = append(row, r.cell(t, c, column))
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// gridAcross gives each word a column for each value of Table.Across, and each combination of the other settings a row.
func (r *Report) gridAcross(t *Table) grid {
	g := grid{name: t.Name}
	var values, keys []string
	rows := map[string]map[string]*Scenario{} // by key and value
	for _, c := range t.Scenarios {
		v := c.setting(t.Across)
		if !slices.Contains(values, v) {
			values = append(values, v)
		}
		var key []string
		for _, column := range t.Columns {
			if isSetting(column) {
				key = append(key, c.setting(column))
			}
		}
		k := strings.Join(key, "\x00")
		if rows[k] == nil {
			rows[k] = map[string]*Scenario{}
			keys = append(keys, k)
		}
		rows[k][v] = c
	}
	for _, column := range t.Columns {
		if isSetting(column) {
			g.heads = append(g.heads, t.head(column))
			continue
		}
		for _, v := range values {
			g.heads = append(g.heads, t.head(column)+", "+v)
		}
	}
	for _, k := range keys {
		var row []string
		for _, column := range t.Columns {
			if isSetting(column) {
				row = append(row, r.cell(t, anyOf(rows[k]), column))
				continue
			}
			for _, v := range values {
				text := "-"
				if c := rows[k][v]; c != nil {
					text = r.cell(t, c, column)
				}
				row = append(row, text)
			}
		}
		g.rows = append(g.rows, row)
	}
	return g
}

func anyOf(m map[string]*Scenario) *Scenario {
	return m[sortedKeys(m)[0]]
}

func (r *Report) cell(t *Table, c *Scenario, column string) string {
	switch {
	case column == nameColumn:
		return c.Name
	case column == aboutColumn:
		return c.About
	case isSetting(column):
		return c.setting(column)
	}
	f, _ := figure(r.outcome(c).Summary, column)
	text := rounded(f.Mean)
	if t.Range && c.Runs > 1 && !math.IsNaN(f.Mean) {
		text += fmt.Sprintf(" (%s to %s)", rounded(f.Min), rounded(f.Max))
	}
	return text
}

func (r *Report) compareGrid() grid {
	g := grid{name: compareTable, heads: []string{"negative control", "word", "without", "with", "must be", ""}}
	for _, c := range r.Comparisons {
		g.rows = append(g.rows, []string{
			c.About, c.Word, rounded(c.ValueWorse), rounded(c.ValueBetter), c.Want(), verdict(c.Pass, "shows", "does not show"),
		})
	}
	return g
}

func verdict(pass bool, yes, no string) string {
	if pass {
		return yes
	}
	return no
}

// verdicts is the table of all bands.
func (r *Report) verdicts() grid {
	g := grid{heads: []string{"scenario", "figure", "value", "expected", ""}}
	for _, o := range r.Outcomes {
		for _, v := range o.Verdicts {
			word := v.Word
			if v.Each {
				word += ", each run"
			}
			g.rows = append(g.rows, []string{
				o.Scenario.Name, word, rounded(v.Value), v.Band.String(), verdict(v.Pass, "pass", "fall short"),
			})
		}
		if len(o.Verdicts) == 0 {
			g.rows = append(g.rows, []string{o.Scenario.Name, "-", "-", "-", "no band"})
		}
	}
	return g
}

// print writes the table in columns.
func (g grid) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{g.heads}, g.rows...) {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	t.Flush() // an error of w comes back at the next write to it
}

// markdown is the table in the notation of GitHub.
func (g grid) markdown() string {
	var b strings.Builder
	line := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	line(g.heads)
	line(slices.Repeat([]string{"---"}, len(g.heads)))
	for _, row := range g.rows {
		line(row)
	}
	return b.String()
}
