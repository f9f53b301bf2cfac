package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// Exit codes. Scripts rely on them.
const (
	exitOK      = 0
	exitFailure = 1 // it was tried and did not work
	exitUsage   = 2 // the command line, the environment or a file named there is wrong; nothing was tried
)

const name = "brahms-p2p"

// failure marks an error of doing, as against the errors of asking that everything else returns.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// execute runs the program and returns its exit code. Errors are one line on stderr. It may be called more than once in
// a process.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand(stdout, stderr)
	err := root.Run(ctx, args)
	if err == nil {
		return exitOK
	}
	if errors.As(err, new(failure)) {
		fmt.Fprintf(stderr, "%s: %s\n", name, oneLine(err))
		return exitFailure
	}
	fmt.Fprintf(stderr, "%s: %s\n", name, sourced(oneLine(err), settingsOf(root)))
	return exitUsage
}

// oneLine is the text of err without line breaks, and without the names of packages in front that say nothing to a user.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"swarm: ", "sim: ", "brahms: ", "spread: ", "consensus: ", "protocol: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

func rootCommand(stdout, stderr io.Writer) *cli.Command {
	root := &cli.Command{
		Name:  name,
		Usage: "random peers of a peer-to-peer network, also when some of them lie",
		Description: `Brahms gives every peer of a libp2p network a uniform random sample of the others, in spite of
faulty peers that push themselves forward. See how it works on this machine:

    brahms-p2p swarm

what becomes of a thousand peers when a fifth of them lies, and of other rules than ours:

    brahms-p2p sim --faulty 0.2
    brahms-p2p sim --faulty 0.2 --preset paper

or start peers of your own, each in a terminal, and tell the second where the first is:

    brahms-p2p run --allow-private
    brahms-p2p run --allow-private --bootstrap /ip4/127.0.0.1/tcp/PORT/p2p/ID

Every flag has a twin in the environment: --allow-private is BRAHMS_ALLOW_PRIVATE=true; a flag that may be
repeated takes a list with commas there. --config FILE (BRAHMS_CONFIG) names a TOML file with a table for each command:

    [run]
    listen = ["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"]
    data = "/var/lib/brahms-p2p"
    interval = "10s"

The command line goes before the environment, the environment before the file, the file before the default.

Shell completion: brahms-p2p completion --help. Manual page: brahms-p2p man.

Exit codes: 0 all went well, 1 it failed, 2 bad flags or values.`,
		Version:   version(),
		Writer:    stdout,
		ErrWriter: stderr,
		Commands: []*cli.Command{
			runCommand(stdout, stderr), swarmCommand(stdout, stderr), simCommand(stdout, stderr), versionCommand(stdout), manCommand(stdout),
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return fmt.Errorf("unknown command %q: see %s --help", cmd.Args().First(), name)
			}
			return cli.ShowRootCommandHelp(cmd)
		},
		HideHelpCommand:                 true,
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: completionCommand,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {}, // execute decides
	}
	configurable(root)
	bareUsageErrors(root)
	return root
}

// bareUsageErrors lets cmd and its subcommands return what is wrong with their flags, without any help around it.
func bareUsageErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err }
	for _, sub := range cmd.Commands {
		bareUsageErrors(sub)
	}
}

// action makes the action of a command without arguments. What do returns counts as a failure unless it is a usageError.
func action(do func(context.Context, *cli.Command) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return fmt.Errorf("unexpected argument %q: %s takes flags only", cmd.Args().First(), cmd.FullName())
		}
		err := do(ctx, cmd)
		if err == nil || errors.As(err, new(usageError)) {
			return err
		}
		return failure{err}
	}
}

// usageError marks an error of what the user asked for.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
