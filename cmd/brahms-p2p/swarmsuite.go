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

It exits with 1 if one does, or if the machine is too slow for the swarm without an attack. The bounds are for a fifth of
faulty peers, and for a machine that has nothing else to do.

Examples:

    brahms-p2p swarm suite
    brahms-p2p swarm suite --only garbage,slow,greedy --json`,
		Flags: []cli.Flag{
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
			boolFlag(inOutput, "json", "print a line a run, each a JSON object, instead of a table"),
		},
		Action: action(func(ctx context.Context, cmd *cli.Command) error {
			return runSwarmSuite(ctx, cmd, stdout, stderr)
		}),
	}
}

// attackRun is one run of the suite, judged.
type attackRun struct {
	*swarm.Summary
	Ratios     swarm.Ratios `json:"ratios"`     // to the run without an attack
	Shortfalls []string     `json:"shortfalls"` // empty where it holds all bounds
}

func runSwarmSuite(ctx context.Context, cmd *cli.Command, stdout, stderr io.Writer) error {
	base := swarm.Default()
	base.Peers, base.Rounds, base.Interval, base.Seed = cmd.Int("peers"), cmd.Int("rounds"), cmd.Duration("interval"), cmd.Uint64("seed")
	base.Faulty, base.AttackRate, base.TokenBits = cmd.Float("faulty"), cmd.Float("attack-rate"), cmd.Int("token-bits")
	base.AttackCompute = cmd.Float("attack-compute")
	names := append(swarm.Attacks()[:1:1], cmd.StringSlice("only")...)
	for _, name := range names {
		cfg := base
		cfg.Attack = name
		if err := cfg.Validate(); err != nil {
			return usageError{err}
		}
	}
	bar := newBar(stderr, len(names), true)
	var runs []attackRun
	for i, name := range names {
		bar.show(i, name)
		cfg := base
		cfg.Attack = name
		s, err := swarmProcess(ctx, cfg)
		if err != nil {
			bar.clear()
			return err
		}
		if why := s.TooSlow(); i == 0 && why != "" {
			bar.clear()
			return fmt.Errorf("%s; raise --interval and lower --attack-rate by as much", why)
		}
		runs = append(runs, attackRun{Summary: s, Shortfalls: []string{}})
		run := &runs[i]
		run.Ratios = s.RatiosTo(runs[0].Summary)
		run.Shortfalls = append(run.Shortfalls, s.Shortfalls(runs[0].Summary)...)
		if cmd.Bool("json") { // at once: a suite is long
			if err := json.NewEncoder(stdout).Encode(run); err != nil {
				return err
			}
		}
	}
	bar.clear()
	if !cmd.Bool("json") {
		if err := writeAttacks(stdout, runs); err != nil {
			return err
		}
	}
	var short []string
	for _, run := range runs {
		if len(run.Shortfalls) > 0 {
			short = append(short, run.Attack)
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("%d of %d runs fall short: %s", len(short), len(runs), strings.Join(short, ", "))
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

func writeAttacks(w io.Writer, runs []attackRun) error {
	first := runs[0]
	fmt.Fprintf(w, "%d peers, %d of them faulty, %d rounds, %v operations a second each, token bits %d; memory, on time and done are ratios to none\n\n",
		first.Peers, first.Faulty, first.Rounds, runs[len(runs)-1].AttackRate, first.TokenBits)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "attack\tisolated_both\teclipsed\tsample_faulty\tview_faulty\tover_threshold\tmemory\ton_time\tdone\tops\tverdict")
	for _, r := range runs {
		verdict := "ok"
		if len(r.Shortfalls) > 0 {
			verdict = "falls short: " + strings.Join(r.Shortfalls, ", ")
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.3f\t%.3f\t%.3f\t%.2f\t%.3f\t%.3f\t%d\t%s\n", r.Attack, r.IsolatedBoth, r.Eclipsed, r.SampleFaulty,
			r.ViewFaulty, r.OverThreshold, r.Ratios.Memory, r.Ratios.OnTime, r.Ratios.Done, r.AttackOps, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("\n%s took %.0f MiB, with %.3f of the rounds on time and %.3f of the exchanges done. Refused:\n\n",
		first.Attack, first.RSSMBMax, first.RoundsOnTime, first.ExchangesDone)
	for _, r := range runs {
		text += fmt.Sprintf("%-12s %s\n", r.Attack, refusedText(r.Refused))
	}
	for _, r := range runs {
		if v := r.VictimDials; v != nil {
			text += fmt.Sprintf("\n%s: %s\n", r.Attack, victimText(v))
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
	_, err := io.WriteString(w, align(rows))
	return err
}
