package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// The sections of --help.
const (
	inNetwork  = "NETWORK"
	inProtocol = "PROTOCOL"
	inMessages = "MESSAGES"
	inAgree    = "AGREEMENT"
	inSwarm    = "SWARM"
	inAttack   = "ATTACK"
	inOutput   = "OUTPUT"
	inConfig   = "CONFIGURATION"
)

// twin is the environment's name for a flag.
func twin(flag string) string { return "BRAHMS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

// env is the environment's twin of a flag. configurable puts the configuration file behind it.
func env(flag string) cli.ValueSourceChain { return cli.EnvVars(twin(flag)) }

// The flags are local: a subcommand has its own.

func boolFlag(section, name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name)}
}

func intFlag(section, name string, value int, usage string) cli.Flag {
	return &cli.IntFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name), Value: value}
}

func floatFlag(section, name string, value float64, usage string) cli.Flag {
	return &cli.FloatFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name), Value: value}
}

func stringFlag(section, name, value, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name), Value: value}
}

func durationFlag(section, name string, value time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name), Value: value}
}

func listFlag(section, name string, value []string, usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Local: true, Category: section, Usage: usage, Sources: env(name), Value: value}
}

// protocolFlags are those that run and swarm share; l2 says what the sample has without its flag.
func protocolFlags(l2 string) []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "l1", Local: true, Category: inProtocol, Sources: env("l1"), DefaultText: "follows the size of the network, from 40 on",
			Usage: "`SLOTS` of the view, fixed; 4*cbrt(n) for n peers, at least 40"},
		&cli.IntFlag{Name: "l2", Local: true, Category: inProtocol, Sources: env("l2"), DefaultText: l2,
			Usage: "`SLOTS` of the sample, fixed"},
		&cli.IntFlag{Name: "bank", Local: true, Category: inProtocol, Sources: env("bank"), DefaultText: "40, 0 with --preset paper",
			Usage: "`SLOTS` beside the sample whose peers are handed out once each; 0 is none"},
		stringFlag(inProtocol, "preset", "hardened", "rules and numbers by `NAME`: hardened, or paper as published"),
	}
}

// hostileFlags are those of run that say what others may cost us, and what we ask of them.
func hostileFlags() []cli.Flag {
	return []cli.Flag{
		intFlag(inProtocol, "token-bits", 0, "`BITS` of work that a push costs its sender, 0 to 24; 0 is none; all peers must use the same"),
		floatFlag(inProtocol, "token-budget", brahmshost.DefaultTokenBudget, "`SHARE` of one core that may go into tokens of our own pushes, above 0 and at most 1"),
		&cli.FloatFlag{Name: "diversity", Local: true, Category: inProtocol, Sources: env("diversity"), DefaultText: "0.25, with paper 0",
			Usage: "`SHARE` of the sample that ranks peers by the prefix of their address first, 0 to 1"},
		&cli.IntFlag{Name: "pull-bytes", Local: true, Category: inProtocol, Sources: env("pull-bytes"), DefaultText: "2097152, or l1/40 of it",
			Usage: "`BYTES` of answers to pulls in a round; a popular seed needs more; -1 is no limit"},
	}
}

// hostileOptions are the options that hostileFlags ask for.
func hostileOptions(cmd *cli.Command) []brahmshost.Option {
	opts := []brahmshost.Option{
		brahmshost.WithPushTokens(cmd.Int("token-bits")), brahmshost.WithTokenBudget(cmd.Float("token-budget")),
		brahmshost.WithLimits(brahmshost.Limits{PullBytes: cmd.Int("pull-bytes")}),
	}
	if cmd.IsSet("diversity") {
		opts = append(opts, brahmshost.WithDiversity(cmd.Float("diversity")))
	}
	return opts
}

// protocolOptions are the options that protocolFlags ask for.
func protocolOptions(cmd *cli.Command) []brahmshost.Option {
	opts := []brahmshost.Option{brahmshost.WithPreset(cmd.String("preset"))}
	if cmd.IsSet("l1") {
		opts = append(opts, brahmshost.WithViewSize(cmd.Int("l1")))
	}
	if cmd.IsSet("l2") {
		opts = append(opts, brahmshost.WithSampleSize(cmd.Int("l2")))
	}
	if cmd.IsSet("bank") {
		opts = append(opts, brahmshost.WithBank(cmd.Int("bank")))
	}
	return opts
}
