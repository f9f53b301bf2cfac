package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
	"github.com/brahms-p2p/brahms-p2p/internal/sim/plots"
)

func simCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "simulate thousands of peers under attack",
		UsageText: `brahms-p2p sim [options]
brahms-p2p sim suite [options] FILE`,
		Description: `Runs the code that peers run, in one process, in rounds, without a network: thousands of nodes, some of which are
faulty and follow an attack. The attack knows all ids, who is up and every correct view; it knows no keys and no samples.
At the end it prints what came of it, over the correct nodes. Everything is drawn from --seed: equal flags give the same
digest on any machine and with any number of --workers.

The rules of Brahms are those of --preset but for what is said otherwise; alpha, beta and gamma must add up to
1. For comparison there are other algorithms: --algorithm.

Examples:

    brahms-p2p sim --nodes 1000 --faulty 0.2
    brahms-p2p sim --attacks
    brahms-p2p sim --faulty 0.2 --attack flood --preset paper --each-round
    brahms-p2p sim --faulty 0.1 --loss 0.05 --churn 0.01 --runs 10 --json --csv rounds.csv --plot figures
    brahms-p2p sim --faulty 0.2 --attack flood --starve-on-overload
    brahms-p2p sim --faulty 0.2 --alpha 0.3 --beta 0.2 --gamma 0.5

Objects of --json: with --each-round {"round":N,"correct":N,"view_faulty":X,...} for each round, with "run" in front where
there are several; in the last line the summary, whose figures are the means over the runs, beside
"runs":N and, of several, "spread":{WORD:{"mean":X,"sd":X,"min":X,"max":X},...}. Of the first rounds in which something
happened sd, min and max are of the runs in which it did; -1 is never. Without --json the words are explained.

The lines of --csv are run, seed, and the words of a round. FILE is replaced when all is over, or stays as it is.`,
		Flags:    simFlags(),
		Commands: []*cli.Command{suiteCommand(stdout, stderr)},
		Before:   noFlagsBeforeSubcommand,
		Action: action(func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Bool("attacks") {
				return printAttacks(stdout)
			}
			return runSim(ctx, cmd, stdout, stderr)
		}),
	}
}

// noFlagsBeforeSubcommand refuses flags that would go unheard. Those of the environment and of a file are for whom they concern.
func noFlagsBeforeSubcommand(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	if cmd.Args().Present() && cmd.Command(cmd.Args().First()) != nil {
		for _, flag := range cmd.Flags {
			if _, elsewhere := settingsOf(cmd).origins[flag.Names()[0]]; flag.IsSet() && !elsewhere {
				return ctx, fmt.Errorf("unexpected --%s before %s", flag.Names()[0], cmd.Args().First())
			}
		}
	}
	return ctx, nil
}

func runSim(ctx context.Context, cmd *cli.Command, stdout, stderr io.Writer) error {
	cfg, runs, err := simConfig(cmd)
	if err != nil {
		return usageError{err}
	}
	out := &simOutput{cfg: cfg, runs: runs, stdout: stdout, json: cmd.Bool("json"), eachRound: cmd.Bool("each-round"), plots: cmd.String("plot")}
	if file := cmd.String("csv"); file != "" {
		if out.csv, err = newRoundsFile(file); err != nil {
			return usagef("csv=%q cannot be written: %w", file, reason(err))
		}
		defer out.csv.discard()
	}
	if out.plots != "" {
		if err := prepareDirectory(out.plots); err != nil {
			return usagef("plot=%q cannot be written to: %w", out.plots, reason(err))
		}
	}
	bar := &bar{}
	if !out.eachRound || !isTerminal(stdout) { // lines of rounds on a terminal say as much, and would tear the bar
		bar = newBar(stderr, runs*cfg.Rounds, true)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := sim.RunMany(ctx, cfg, runs, func(run int, r sim.Round) {
		bar.show(run*cfg.Rounds+r.Round, out.where(run, r.Round))
		if err := out.round(run, r); err != nil {
			stop(err)
		}
	})
	bar.clear()
	switch cause := context.Cause(ctx); {
	case cause != nil && !errors.Is(cause, context.Canceled): // a line could not be written
		return cause
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted before the simulation was over")
	case err != nil:
		return err
	}
	return out.end(s)
}

// simOutput is what a simulation leaves behind: lines on stdout, and files.
type simOutput struct {
	cfg             sim.Config
	runs            int
	stdout          io.Writer
	json, eachRound bool
	csv             *roundsFile // nil without
	plots           string      // "" without
	rounds          [][]sim.Round
}

// where says how far the simulations are.
func (o *simOutput) where(run, round int) string {
	if o.runs == 1 {
		return fmt.Sprintf("round %d of %d", round, o.cfg.Rounds)
	}
	return fmt.Sprintf("run %d of %d, round %d of %d", run+1, o.runs, round, o.cfg.Rounds)
}

// round takes a round of the run of that number, from 0.
func (o *simOutput) round(run int, r sim.Round) error {
	if o.plots != "" {
		if len(o.rounds) == run {
			o.rounds = append(o.rounds, nil)
		}
		o.rounds[run] = append(o.rounds[run], r)
	}
	var err error
	if o.csv != nil {
		err = o.csv.add(run+1, o.cfg.Seed+uint64(run), r)
	}
	if err != nil || !o.eachRound {
		return err
	}
	if !o.json {
		return o.line(run, r)
	}
	object := struct {
		Run int `json:"run,omitempty"`
		sim.Round
	}{Round: r}
	if o.runs > 1 {
		object.Run = run + 1
	}
	return json.NewEncoder(o.stdout).Encode(object)
}

// line prints a round for people.
func (o *simOutput) line(run int, r sim.Round) error {
	text := ""
	if o.runs > 1 {
		text = fmt.Sprintf("run %-3d ", run+1)
	}
	text += fmt.Sprintf("round %-5d view_faulty %.3f  sample_faulty %.3f  ", r.Round, r.ViewFaulty, r.SampleFaulty)
	if o.cfg.Algorithm == sim.Brahms {
		text += fmt.Sprintf("perfect %.3f  renewal_blocked %.3f  ", r.Perfect, r.Blocked)
	}
	_, err := fmt.Fprintf(o.stdout, "%sisolated %d\n", text, r.Isolated)
	return err
}

// end writes the summary and what files there are to be. One that fails does not keep the others from being written.
func (o *simOutput) end(s *sim.Summary) error {
	var errs []error
	if o.csv != nil {
		errs = append(errs, o.csv.commit())
	}
	if o.json {
		errs = append(errs, json.NewEncoder(o.stdout).Encode(s))
	} else {
		if o.eachRound {
			fmt.Fprintln(o.stdout)
		}
		errs = append(errs, printSimSummary(o.stdout, o.cfg, s))
	}
	if o.plots == "" {
		return errors.Join(errs...)
	}
	var figures []plots.Run
	for i, rounds := range o.rounds {
		figures = append(figures, plots.Run{Result: s.Each[i], Rounds: rounds})
	}
	files, err := plots.Write(o.plots, figures)
	if !o.json && len(files) > 0 {
		fmt.Fprintln(o.stdout, "\nFigures:")
		for _, file := range files {
			fmt.Fprintln(o.stdout, " ", file)
		}
	}
	return errors.Join(append(errs, err)...)
}
