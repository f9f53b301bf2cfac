package suite

import "github.com/brahms-p2p/brahms-p2p/internal/sim"

// A Suite is what a file asks for. Load checks all of it, so that nothing can be wrong with it once it runs.
type Suite struct {
	File      string
	Scenarios []*Scenario // in the order of the file, the points of sweeps after the others
	Tables    []*Table
	Figures   []*Figure
	Compares  []*Compare
}

// A Scenario is one simulation, in one or several runs.
type Scenario struct {
	Name    string
	About   string
	Config  sim.Config
	Runs    int
	Figures bool // draw all figures of a simulation, into a directory of its name
	Expect  []Expectation

	settings map[string]string // what the file says of it, the defaults among that
	keep     bool              // its rounds are drawn
}

// An Expectation is the band for a figure.
type Expectation struct {
	Word string
	Band Band
	Each bool // of every run, not of their mean
}

// A Table is what becomes of scenarios in rows and columns.
type Table struct {
	Name      string
	Scenarios []*Scenario
	Columns   []string // nameColumn, aboutColumn, settings and words
	Heads     map[string]string
	Range     bool // of several runs show the least and the most too
	// Across is the setting whose values stand beside each other: each word has a column for each of them.
	Across string
}

// The columns of tables that are no setting and no word.
const (
	nameColumn  = "scenario"
	aboutColumn = "about"
)

// A Compare is a negative control: Worse must come out worse than Better, by a factor or by a difference.
type Compare struct {
	About         string
	Word          string
	Worse, Better *Scenario
	Ratio         float64 // 0 if Difference counts
	Difference    float64
}

// A Figure is a diagram of one or several words.
type Figure struct {
	Name, Title, Subtitle string
	Words                 []string // of rounds or of results
	Labels                map[string]string
	X, XLabel, YLabel     string
	XRange, YRange        [2]float64
	LogX, Bars            bool
	Theory, Faulty        bool    // reference lines
	Groups                []group // one line each
}

// group is what one line or colour of a figure shows: a scenario over its rounds, or the points of a sweep over x.
type group struct {
	name      string // of the scenario or the value, "" for a sweep that is not grouped
	label     string
	scenarios []*Scenario
}

// overRounds tells the two kinds apart.
func (f *Figure) overRounds() bool { return f.X == "" }

func (s *Suite) scenario(name string) *Scenario {
	for _, c := range s.Scenarios {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// setting is the value of a setting of the scenario, as text.
func (c *Scenario) setting(name string) string {
	if text, ok := c.settings[name]; ok {
		return text
	}
	return defaults()[name]
}
