package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

func swarmSuiteCommand(stdout, stderr io.Writer) *cli.Command {
	d := swarm.Default()
	return &cli.Command{
		Name:  "suite",
		Usage: "run a swarm under each attack in turn and judge what it holds",
		Description: `Runs a swarm with faulty peers that behave, then the same under each attack of --only, each in a process of its own so
that their memory can be compared, and prints what each came to and where it falls short of the bounds:

    isolated_both and eclipsed 0, no invented id in a sample, sample_faulty at most ` + fmt.Sprint(swarm.MaxSampleFaulty) + `;
    under garbage, slow and greedy also memory at most ` + fmt.Sprint(swarm.MaxMemoryRatio) + ` times, and rounds_on_time and exchanges_done
    at least ` + fmt.Sprint(swarm.MinDoneRatio) + ` times those without an attack

With --runs the whole is run so often, each time with a seed of its own; the first bounds must hold in each run, the
others by the median. It exits with 1 if one does, or if the machine is too slow for the swarm without an attack. The bounds are for a fifth of
faulty peers, and for a machine that has nothing else to do.

Examples:

    brahms-p2p swarm suite
    brahms-p2p swarm suite --only garbage,slow,greedy --json`,
		Flags: []cli.Flag{
			intFlag(inSwarm, "runs", 1, "`NUMBER` of runs of each attack, with seeds from --seed on"),
			intFlag(inSwarm, "peers", 62, "`NUMBER` of peers at the start"),
			intFlag(inSwarm, "rounds", 60, "`LENGTH` of a run in rounds"),
			durationFlag(inSwarm, "interval", 300*time.Millisecond, "`LENGTH` of a round"),
			&cli.Uint64Flag{Name: "seed", Local: true, Category: inSwarm, Sources: env("seed"), Value: d.Seed, Usage: "`NUMBER` as of swarm"},
			&cli.FloatFlag{Name: "faulty", Local: true, Category: inAttack, Sources: env("faulty"), Value: .2, Usage: "`SHARE` of the peers that are faulty"},
			&cli.FloatFlag{Name: "attack-rate", Local: true, Category: inAttack, Sources: env("attack-rate"), Value: d.AttackRate,
				Usage: "`NUMBER` of operations a second that each faulty peer may do"},
			&cli.FloatFlag{Name: "attack-compute", Local: true, Category: inAttack, Sources: env("attack-compute"), Value: d.AttackCompute,
				Usage: "`NUMBER` of times a correct peer's work on tokens that each faulty peer can do"},
			listFlag(inAttack, "only", swarm.Attacks()[1:], "`NAMES` of the attacks to run"),
			intFlag(inProtocol, "token-bits", d.TokenBits, "`BITS` of work that a push costs its sender; 0 is none"),
			boolFlag(inOutput, "json", "print a JSON object a run, and one an attack at the end, instead of a table"),
		},
		Action: action(func(ctx context.Context, cmd *cli.Command) error {
			return runSwarmSuite(ctx, cmd, stdout, stderr)
		}),
	}
}

// attackRun is one run of the suite.
type attackRun struct {
	*swarm.Summary
	Run        int          `json:"run"`        // from 1 on
	Ratios     swarm.Ratios `json:"ratios"`     // to the run without an attack
	Shortfalls []string     `json:"shortfalls"` // empty where it holds the bounds of each run
}

// attackVerdict is what all runs of an attack came to.
type attackVerdict struct {
	Attack     string       `json:"attack"`
	Runs       int          `json:"runs"`
	Ratios     swarm.Ratios `json:"ratios"`     // medians
	Shortfalls []string     `json:"shortfalls"` // empty where all bounds hold

	runs []attackRun
}

func runSwarmSuite(ctx context.Context, cmd *cli.Command, stdout, stderr io.Writer) error {
	base := swarm.Default()
	base.Peers, base.Rounds, base.Interval, base.Seed = cmd.Int("peers"), cmd.Int("rounds"), cmd.Duration("interval"), cmd.Uint64("seed")
	base.Faulty, base.AttackRate, base.TokenBits = cmd.Float("faulty"), cmd.Float("attack-rate"), cmd.Int("token-bits")
	base.AttackCompute = cmd.Float("attack-compute")
	runs := cmd.Int("runs")
	if runs < 1 || runs > 1000 {
		return usageError{fmt.Errorf("runs=%d must be between 1 and 1000", runs)}
	}
	names := append(swarm.Attacks()[:1:1], cmd.StringSlice("only")...)
	verdicts := make([]attackVerdict, len(names))
	for i, name := range names {
		cfg := base
		cfg.Attack = name
		if err := cfg.Validate(); err != nil {
			return usageError{err}
		}
		verdicts[i] = attackVerdict{Attack: name, Runs: runs, Shortfalls: []string{}}
	}
	var lines *json.Encoder
	if cmd.Bool("json") { // at once: a suite is long
		lines = json.NewEncoder(stdout)
	}
	bar := newBar(stderr, runs*len(names), true)
	for i := range runs * len(names) {
		v := &verdicts[i%len(names)]
		bar.show(i, v.Attack)
		cfg := base
		cfg.Attack, cfg.Seed = v.Attack, base.Seed+uint64(i/len(names))
		err := v.run(ctx, cfg, verdicts[0], lines)
		if err != nil {
			bar.clear()
			return err
		}
	}
	bar.clear()
	return conclude(stdout, verdicts, lines)
}

// run adds a run to those of an attack; none are those without one.
func (v *attackVerdict) run(ctx context.Context, cfg swarm.Config, none attackVerdict, lines *json.Encoder) error {
	s, err := swarmProcess(ctx, cfg)
	if err != nil {
		return err
	}
	beside := s
	if v.Attack != none.Attack {
		beside = none.runs[len(none.runs)-1].Summary
	} else if why := s.TooSlow(); why != "" {
		return fmt.Errorf("%s; raise --interval and lower --attack-rate by as much", why)
	}
	run := attackRun{Summary: s, Run: len(v.runs) + 1, Ratios: s.RatiosTo(beside), Shortfalls: []string{}}
	run.Shortfalls = append(run.Shortfalls, s.Shortfalls()...)
	v.runs = append(v.runs, run)
	if lines != nil {
		return lines.Encode(run)
	}
	return nil
}

// conclude judges each attack by all of its runs, and fails if one falls short.
func conclude(stdout io.Writer, verdicts []attackVerdict, lines *json.Encoder) error {
	var short []string
	for i := range verdicts {
		v := &verdicts[i]
		var ratios []swarm.Ratios
		for _, run := range v.runs {
			ratios = append(ratios, run.Ratios)
			for _, what := range run.Shortfalls {
				if len(v.runs) > 1 {
					what = fmt.Sprintf("run %d: %s", run.Run, what)
				}
				v.Shortfalls = append(v.Shortfalls, what)
			}
		}
		var dear []string
		v.Ratios, dear = swarm.TooDear(v.Attack, ratios)
		v.Shortfalls = append(v.Shortfalls, dear...)
		if len(v.Shortfalls) > 0 {
			short = append(short, v.Attack)
		}
		if lines != nil {
			if err := lines.Encode(v); err != nil {
				return err
			}
		}
	}
	if lines == nil {
		if err := writeAttacks(stdout, verdicts); err != nil {
			return err
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("%d of %d attacks fall short: %s", len(short), len(verdicts), strings.Join(short, ", "))
	}
	return nil
}

// swarmProcess runs a swarm in a process of its own: the peak of the resident set is one a process, and never falls.
func swarmProcess(ctx context.Context, cfg swarm.Config) (*swarm.Summary, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, program, "swarm", "--json",
		"--peers", fmt.Sprint(cfg.Peers), "--rounds", fmt.Sprint(cfg.Rounds), "--interval", cfg.Interval.String(),
		"--seed", fmt.Sprint(cfg.Seed), "--faulty", fmt.Sprint(cfg.Faulty), "--attack", cfg.Attack,
		"--attack-rate", fmt.Sprint(cfg.AttackRate), "--token-bits", fmt.Sprint(cfg.TokenBits),
		"--attack-compute", fmt.Sprint(cfg.AttackCompute))
	c.Args[0] = os.Args[0]
	// What the environment sets for swarm is not part of the suite.
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BRAHMS_") })
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted before the suite was over")
	}
	// A swarm that fell apart says so by its exit code, and is judged all the same.
	var s swarm.Summary
	if json.Unmarshal(stdout.Bytes(), &s) != nil {
		return nil, fmt.Errorf("attack %s: %w: %s", cfg.Attack, err, strings.TrimSpace(stderr.String()))
	}
	return &s, nil
}

func writeAttacks(w io.Writer, verdicts []attackVerdict) error {
	first := verdicts[0].runs[0]
	fmt.Fprintf(w, "%d peers, %d of them faulty, %d rounds, %v operations a second each, token bits %d, %d runs of each;\n"+
		"memory, on time and done are ratios to none, by their median, and what stands before them is the worst of the runs\n\n",
		first.Peers, first.Faulty, first.Rounds, verdicts[len(verdicts)-1].runs[0].AttackRate, first.TokenBits, len(verdicts[0].runs))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "attack\tisolated_both\teclipsed\tsample_faulty\tview_faulty\tover_threshold\tmemory\ton_time\tdone\tops\tverdict")
	for _, v := range verdicts {
		verdict := "ok"
		if len(v.Shortfalls) > 0 {
			verdict = "falls short: " + strings.Join(v.Shortfalls, ", ")
		}
		worst := func(of func(*swarm.Summary) float64) (most float64) {
			for _, run := range v.runs {
				most = max(most, of(run.Summary))
			}
			return most
		}
		fmt.Fprintf(t, "%s\t%v\t%v\t%.3f\t%.3f\t%.3f\t%.2f\t%.3f\t%.3f\t%d\t%s\n", v.Attack,
			worst(func(s *swarm.Summary) float64 { return float64(s.IsolatedBoth) }),
			worst(func(s *swarm.Summary) float64 { return float64(s.Eclipsed) }),
			worst(func(s *swarm.Summary) float64 { return s.SampleFaulty }),
			worst(func(s *swarm.Summary) float64 { return s.ViewFaulty }),
			worst(func(s *swarm.Summary) float64 { return s.OverThreshold }),
			v.Ratios.Memory, v.Ratios.OnTime, v.Ratios.Done, v.runs[0].AttackOps, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("\n%s took %.0f MiB, with %.3f of the rounds on time and %.3f of the exchanges done. Refused in the first runs:\n\n",
		first.Attack, first.RSSMBMax, first.RoundsOnTime, first.ExchangesDone)
	for _, v := range verdicts {
		text += fmt.Sprintf("%-12s %s\n", v.Attack, refusedText(v.runs[0].Refused))
	}
	for _, v := range verdicts {
		for _, run := range v.runs {
			if d := run.VictimDials; d != nil {
				text += fmt.Sprintf("\n%s: %s\n", v.Attack, victimText(d))
			}
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// refusedText lists reasons, the most frequent first.
func refusedText(refused map[string]uint64) string {
	reasons := slices.SortedFunc(maps.Keys(refused), func(a, b string) int {
		if refused[a] != refused[b] {
			return int(int64(refused[b]) - int64(refused[a]))
		}
		return strings.Compare(a, b)
	})
	if len(reasons) == 0 {
		return "nothing"
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s %d", why, refused[why])
	}
	return strings.Join(reasons, ", ")
}

func victimText(v *swarm.VictimDials) string {
	return fmt.Sprintf("%d dials by %d peers, at most %d by one in a minute, %d in six rounds", v.Total, v.Nodes, v.PerNodeMinute, v.PerNode6Rounds)
}

func listAttacks(w io.Writer) error {
	var rows [][]string
	for _, name := range swarm.Attacks() {
		rows = append(rows, []string{name, swarm.AboutAttack(name)})
	}
	var agreeRows [][]string
	for _, name := range swarm.AgreeAttacks() {
		agreeRows = append(agreeRows, []string{name, swarm.AboutAgreeAttack(name)})
	}
	_, err := fmt.Fprintf(w, "%s\nOf --agree-attack, on the agreement of --agree:\n\n%s", align(rows), align(agreeRows))
	return err
}
