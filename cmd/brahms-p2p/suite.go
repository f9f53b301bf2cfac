package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"

	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
	"github.com/brahms-p2p/brahms-p2p/internal/sim/suite"
)

func suiteCommand(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "suite",
		Usage:     "run a file of simulations and judge their figures",
		ArgsUsage: "FILE",
		Description: `Runs the scenarios of FILE (TOML; suites/small.toml explains the format) one after the other, and prints for each
figure of which the file expects something whether it lies in its band, then the tables and the negative controls.

It exits with 1 if a figure falls short, if a negative control does not show, or with --baseline if any figure is not
what it was, after all scenarios have run. What is wrong with FILE or with another file is said before anything runs.

Examples:

    brahms-p2p sim suite suites/small.toml --baseline suites/small.baseline.json
    brahms-p2p sim suite suites/small.toml --only flood --out figures
    brahms-p2p sim suite suites/small.toml --baseline suites/small.baseline.json --write-baseline`,
		Flags: []cli.Flag{
			stringFlag(inOutput, "only", "", "`REGEXP` of the names of scenarios to run; tables and figures of others are left out"),
			stringFlag(inOutput, "out", "", "`DIRECTORY` to write the figures to, as PNG and SVG"),
			stringFlag(inOutput, "markdown", "", "`FILE` in which to replace the tables, each between <!-- suite:NAME:begin --> and <!-- suite:NAME:end -->"),
			stringFlag(inOutput, "baseline", "", "`FILE` of figures to compare all results with, exactly"),
			boolFlag(inOutput, "write-baseline", "write the results to the --baseline instead"),
			boolFlag(inOutput, "json", "print one JSON object instead of tables"),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return fmt.Errorf("%s needs one FILE of scenarios, there are %d arguments", cmd.FullName(), cmd.Args().Len())
			}
			run, err := newSuiteRun(cmd)
			if err != nil {
				return err
			}
			if err := run.run(ctx, stdout, stderr); err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

// suiteRun is a suite with all that is to be made of it. It has been checked.
type suiteRun struct {
	suite                   *suite.Suite
	options                 suite.Options
	out, markdown, baseline string // "" without
	writeBaseline, json     bool
	was                     suite.Baseline
}

func newSuiteRun(cmd *cli.Command) (*suiteRun, error) {
	r := &suiteRun{
		out: cmd.String("out"), markdown: cmd.String("markdown"), baseline: cmd.String("baseline"),
		writeBaseline: cmd.Bool("write-baseline"), json: cmd.Bool("json"),
	}
	var err error
	file := cmd.Args().First()
	if r.suite, err = suite.Load(file); err != nil {
		return nil, unread("FILE", file, err)
	}
	if text := cmd.String("only"); text != "" {
		if r.options.Only, err = regexp.Compile(text); err != nil {
			return nil, fmt.Errorf("only=%q must be a regular expression: %w", text, err)
		}
	}
	if err := r.suite.Check(r.options); err != nil {
		return nil, err
	}
	switch {
	case r.baseline != "":
		if r.was, err = suite.LoadBaseline(r.baseline, r.writeBaseline); err != nil {
			return nil, unread("baseline", r.baseline, err)
		}
	case r.writeBaseline:
		return nil, errors.New("write-baseline needs --baseline FILE")
	}
	if r.writeBaseline {
		if err := atomicfile.Check(r.baseline); err != nil {
			return nil, fmt.Errorf("baseline=%q cannot be written: %w", r.baseline, reason(err))
		}
	}
	if r.markdown != "" {
		if err := r.suite.CheckMarkdown(r.markdown); err != nil {
			return nil, unread("markdown", r.markdown, err)
		}
		if err := atomicfile.Check(r.markdown); err != nil {
			return nil, fmt.Errorf("markdown=%q cannot be written: %w", r.markdown, reason(err))
		}
	}
	if r.out != "" {
		if err := prepareDirectory(r.out); err != nil {
			return nil, fmt.Errorf("out=%q cannot be written to: %w", r.out, reason(err))
		}
	}
	return r, nil
}

// unread is the error of a flag, or argument, that names a file. What is wrong within the file says so itself.
func unread(flag, file string, err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return fmt.Errorf("%s=%q cannot be read: %w", flag, file, reason(err))
	}
	return err
}

func (s *suiteRun) run(ctx context.Context, stdout, stderr io.Writer) error {
	const steps = 1000 // of the bar
	bar := newBar(stderr, steps, true)
	s.options.Progress = func(p suite.Progress) {
		bar.show(p.Done*steps/p.Total, fmt.Sprintf("%s (%d of %d), round %d", p.Scenario, p.Number, p.Of, p.Round))
	}
	r, err := suite.Run(ctx, s.suite, s.options)
	bar.clear()
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted before the suite was over")
	case err != nil:
		return err
	}
	if s.baseline != "" && !s.writeBaseline {
		r.Compare(s.was)
	}
	if s.json {
		err = r.WriteJSON(stdout)
	} else {
		err = r.Print(stdout)
	}
	return errors.Join(append(s.files(r, stdout), err, r.Err())...)
}

// files writes what was asked for, the figures last: most can go wrong with those. One file that fails does not keep the
// others from being written.
func (s *suiteRun) files(r *suite.Report, stdout io.Writer) []error {
	var errs []error
	written := func(file string, err error) {
		errs = append(errs, err)
		if err == nil && !s.json {
			fmt.Fprintln(stdout, "wrote", file)
		}
	}
	if s.markdown != "" {
		written(s.markdown, r.WriteMarkdown(s.markdown))
	}
	if s.writeBaseline {
		written(s.baseline, r.WriteBaseline(s.baseline, s.was))
	}
	if s.out != "" {
		files, err := r.Draw(s.out)
		written(fmt.Sprintf("%d files to %s", len(files), s.out), err)
	}
	return errs
}
