package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

func swarmCommand(stdout, stderr io.Writer) *cli.Command {
	d := swarm.Default()
	flags := []cli.Flag{
		intFlag(inSwarm, "peers", d.Peers, "`NUMBER` of peers at the start"),
		intFlag(inSwarm, "rounds", d.Rounds, "`LENGTH` of the run in rounds"),
		durationFlag(inSwarm, "interval", d.Interval, "`LENGTH` of a round"),
		stringFlag(inSwarm, "transport", d.Transport, "`NAME` of the transport: tcp or quic"),
		&cli.FloatFlag{Name: "kill", Local: true, Category: inSwarm, Sources: env("kill"), Value: d.Kill,
			Usage: "`SHARE` of the peers that die at once, without a word"},
		intFlag(inSwarm, "kill-at", d.KillAt, "`ROUND` in which they die"),
		&cli.FloatFlag{Name: "leave", Local: true, Category: inSwarm, Sources: env("leave"), Value: d.Leave,
			Usage: "`SHARE` of the peers that leave politely"},
		intFlag(inSwarm, "leave-at", d.LeaveAt, "`ROUND` in which they leave"),
		intFlag(inSwarm, "partition-at", d.PartitionAt, "`ROUND` in which the halves lose each other; 0 is never"),
		intFlag(inSwarm, "heal-at", d.HealAt, "`ROUND` from which they can dial each other again"),
		intFlag(inSwarm, "join", d.Join, "`NUMBER` of newcomers, each of which knows one live peer"),
		intFlag(inSwarm, "join-at", d.JoinAt, "`ROUND` in which they come"),
		&cli.FloatFlag{Name: "churn", Local: true, Category: inSwarm, Sources: env("churn"), Value: d.Churn,
			Usage: "`SHARE` of the correct peers that die without a word each round, and are replaced by newcomers"},
		intFlag(inSwarm, "message", d.Messages, "`NUMBER` of messages that are spread after the last round, each by a random correct peer"),
		intFlag(inAgree, "agree", d.Agree, "`NUMBER` of random correct peers that propose a word each after the last round; all then agree on a set"),
		durationFlag(inAgree, "agree-interval", d.AgreeInterval, "`LENGTH` of a round of the agreement; it takes about 30 of them, with faulty peers up to 200 and more"),
		stringFlag(inAgree, "agree-attack", swarm.AgreeAttacks()[0], "`NAME` of what the faulty do to the agreement: see --attacks"),
		intFlag(inSwarm, "levels", d.Levels, "`NUMBER` of times to measure goroutines and memory"),
		&cli.Uint64Flag{Name: "seed", Local: true, Category: inSwarm, Sources: env("seed"), Value: d.Seed,
			Usage: "`NUMBER` that fixes identities, who is faulty, deaths, newcomers and jitter; sampler keys stay secret"},
		&cli.FloatFlag{Name: "faulty", Local: true, Category: inAttack, Sources: env("faulty"), Value: d.Faulty,
			Usage: "`SHARE` of the peers that are faulty"},
		&cli.StringFlag{Name: "attack", Local: true, Category: inAttack, Sources: env("attack"), Value: d.Attack,
			Usage: "`NAME` of what the faulty do: see --attacks"},
		&cli.FloatFlag{Name: "attack-rate", Local: true, Category: inAttack, Sources: env("attack-rate"), Value: d.AttackRate,
			Usage: "`NUMBER` of operations a second that each faulty peer may do: streams opened, ids invented, hosts started"},
		&cli.FloatFlag{Name: "attack-compute", Local: true, Category: inAttack, Sources: env("attack-compute"), Value: d.AttackCompute,
			Usage: "`NUMBER` of times a correct peer's work on tokens that each faulty peer can do"},
		boolFlag(inAttack, "attacks", "list the attacks and what they do, and exit"),
	}
	flags = append(flags, protocolFlags("as --l1")...)
	flags = append(flags,
		intFlag(inProtocol, "token-bits", d.TokenBits, "`BITS` of work that a push costs its sender; 0 is none"),
		boolFlag(inOutput, "json", "print the summary as one JSON object"),
		httpFlag("a live page of the swarm"))
	return &cli.Command{
		Name:  "swarm",
		Usage: "run many peers in this process and judge them",
		UsageText: `brahms-p2p swarm [options]
brahms-p2p swarm suite [options]`,
		Description: `Starts real libp2p hosts on loopback, each with its own Brahms service. Peer i knows only peer i-1 at the start.
At the end it prints what came of it: whether all live peers form one network, how evenly they sample each other, what
is left of the dead, and what it cost.

With --faulty a share of the peers is faulty, and acts together as --attack says: they are real libp2p hosts too, each
with at most --attack-rate operations a second. All figures are then of the correct peers.

With --agree as many peers propose a word each when the rounds are over, and all agree on which words are in the set: it is
printed, with how long that took. Faulty peers do to it what --agree-attack says, beside what they do to the sampler.

With --message peers spread messages when the rounds are over; faulty peers take them and pass none on.

It exits with 1 if the live peers are not one component, if samples still name the dead or those who left, or if two correct
peers have decided differently (not if some have decided nothing: agree_status says how they stand). A swarm that is too large or
too fast for the machine shows in rounds_on_time and exchanges_done.

With --http a page shows the swarm as it runs: the graph, how often each peer is sampled, who is faulty; and kills peers by
click. The swarm is then judged after --rounds as always, and goes on until it is interrupted.

Examples:

    brahms-p2p swarm
    brahms-p2p swarm --peers 32 --transport quic --seed 7
    brahms-p2p swarm --peers 40 --faulty 0.2 --attack balanced --interval 1s --http 7780
    brahms-p2p swarm --peers 62 --faulty 0.2 --attack flood
    brahms-p2p swarm --rounds 400 --faulty 0.2 --attack mixed --churn 0.01 --levels 10
    brahms-p2p swarm --faulty 0.2 --message 100
    brahms-p2p swarm --agree 8
    brahms-p2p swarm --peers 40 --agree 8 --faulty 0.15 --agree-attack contrary --l2 200
    brahms-p2p swarm --rounds 60 --kill 0.3 --kill-at 20 --join 8 --join-at 25 --json
    brahms-p2p swarm --leave 0.2
    brahms-p2p swarm --peers 16 --rounds 100 --partition-at 20 --heal-at 80`,
		Flags:    flags,
		Commands: []*cli.Command{swarmSuiteCommand(stdout, stderr)},
		Before:   noFlagsBeforeSubcommand,
		Action: action(func(ctx context.Context, cmd *cli.Command) error {
			return runSwarm(ctx, cmd, stdout, stderr)
		}),
	}
}

func runSwarm(ctx context.Context, cmd *cli.Command, stdout, stderr io.Writer) error {
	if cmd.Bool("attacks") {
		return listAttacks(stdout)
	}
	cfg := swarm.Config{
		Peers: cmd.Int("peers"), Rounds: cmd.Int("rounds"), Interval: cmd.Duration("interval"), Transport: cmd.String("transport"),
		Kill: cmd.Float("kill"), KillAt: cmd.Int("kill-at"), Join: cmd.Int("join"), JoinAt: cmd.Int("join-at"),
		Churn: cmd.Float("churn"), Levels: cmd.Int("levels"), Messages: cmd.Int("message"),
		Leave: cmd.Float("leave"), LeaveAt: cmd.Int("leave-at"), PartitionAt: cmd.Int("partition-at"), HealAt: cmd.Int("heal-at"),
		L1: cmd.Int("l1"), L2: cmd.Int("l2"), Preset: cmd.String("preset"), Seed: cmd.Uint64("seed"),
		Faulty: cmd.Float("faulty"), Attack: cmd.String("attack"), AttackRate: cmd.Float("attack-rate"), TokenBits: cmd.Int("token-bits"),
		AttackCompute: cmd.Float("attack-compute"),
		Agree:         cmd.Int("agree"), AgreeInterval: cmd.Duration("agree-interval"), AgreeAttack: cmd.String("agree-attack"),
	}
	// A size of 0 is the default in cfg, but wrong if the user says so.
	if err := brahmshost.CheckOptions(protocolOptions(cmd)...); err != nil {
		return usageError{err}
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	page, err := newWeb(cmd)
	if err != nil {
		return err
	}
	bar := newBar(stderr, cfg.Rounds, false)
	cfg.Progress = swarmProgress(bar, cfg)
	cfg.Agreeing = agreeProgress(bar, cfg)
	judged := error(nil)
	if page != nil {
		if err := page.watchSwarm(&cfg, stderr); err != nil {
			return err
		}
		defer page.close()
		cfg.Linger = func(s *swarm.Summary) {
			bar.clear()
			judged = judge(cmd, stdout, cfg, s)
			fmt.Fprintf(stderr, "%s: the swarm goes on until it is interrupted\n", name)
		}
	}
	s, err := swarm.Run(ctx, cfg)
	bar.clear()
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted before the swarm was judged")
	case err != nil:
		return err
	case page != nil:
		return judged
	}
	return judge(cmd, stdout, cfg, s)
}

// judge prints the summary; its error is that the swarm is no success.
func judge(cmd *cli.Command, stdout io.Writer, cfg swarm.Config, s *swarm.Summary) (err error) {
	if cmd.Bool("json") {
		err = json.NewEncoder(stdout).Encode(s)
	} else {
		err = printSummary(stdout, cfg, s)
	}
	if err != nil {
		return err
	}
	if why := s.Failure(); why != "" {
		return errors.New(why)
	}
	return nil
}
