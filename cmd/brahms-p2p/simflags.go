package main

import (
	"fmt"

	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// simFlags are the settings of a simulation as flags, and how often to run it and what to print.
func simFlags() []cli.Flag {
	var flags []cli.Flag
	for _, s := range sim.Settings() {
		flags = append(flags, settingFlag(s))
	}
	return append(flags,
		intFlag(inNetwork, "runs", 1, "`NUMBER` of simulations, with the seeds --seed, --seed+1 and so on"),
		boolFlag(sim.InAttack, "attacks", "list the attacks and what they do, and exit"),
		boolFlag(inOutput, "json", "print the summary as one JSON object, the last line"),
		boolFlag(inOutput, "each-round", "print a line for each round too; an object with --json"),
		stringFlag(inOutput, "csv", "", "`FILE` to write all rounds of all runs to"),
		stringFlag(inOutput, "plot", "", "`DIRECTORY` to write figures of the rounds to, as PNG and SVG"),
	)
}

// settingFlag is the flag of a setting.
func settingFlag(s sim.Setting) cli.Flag {
	switch v := s.Value.(type) {
	case int:
		return &cli.IntFlag{Name: s.Name, Local: true, Category: s.Section, Usage: s.Usage, Sources: env(s.Name), Value: v, DefaultText: s.Default}
	case uint64:
		return &cli.Uint64Flag{Name: s.Name, Local: true, Category: s.Section, Usage: s.Usage, Sources: env(s.Name), Value: v, DefaultText: s.Default}
	case float64:
		return &cli.FloatFlag{Name: s.Name, Local: true, Category: s.Section, Usage: s.Usage, Sources: env(s.Name), Value: v, DefaultText: s.Default}
	case bool:
		return &cli.BoolFlag{Name: s.Name, Local: true, Category: s.Section, Usage: s.Usage, Sources: env(s.Name), Value: v, DefaultText: s.Default}
	case string:
		return &cli.StringFlag{Name: s.Name, Local: true, Category: s.Section, Usage: s.Usage, Sources: env(s.Name), Value: v, DefaultText: s.Default}
	}
	panic(fmt.Sprintf("internal error: setting %s has a value of type %T", s.Name, s.Value))
}

// simConfig is the simulation that the flags ask for, and how many runs of it.
func simConfig(cmd *cli.Command) (sim.Config, int, error) {
	cfg := sim.Default()
	// A size of 0 is the default in cfg, but wrong if the user says so.
	if err := brahmshost.CheckOptions(protocolOptions(cmd)...); err != nil {
		return cfg, 0, err
	}
	for _, s := range sim.Settings() {
		if !cmd.IsSet(s.Name) {
			continue
		}
		if err := cfg.Set(s.Name, fmt.Sprint(cmd.Value(s.Name))); err != nil {
			return cfg, 0, err
		}
	}
	runs := cmd.Int("runs")
	if runs < 1 || runs > sim.MaxRuns {
		return cfg, 0, fmt.Errorf("runs=%d must be between 1 and %d", runs, sim.MaxRuns)
	}
	return cfg, runs, cfg.Validate()
}
