package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"
)

// bashCompletion takes the place of the library's script, which works only beside the package bash-completion, and evaluates
// the words of the line: with it the Tab key would run what stands in $(...) there.
//
//go:embed completion.bash
var bashCompletion string

// completionCommand makes the library's command completion one of ours.
func completionCommand(cmd *cli.Command) {
	cmd.Hidden = false
	cmd.Usage = "print the completion script of a shell: bash, zsh, fish or pwsh"
	cmd.Action = func(_ context.Context, c *cli.Command) error {
		if c.Args().Present() {
			return fmt.Errorf("shell=%q must be bash, zsh, fish or pwsh", c.Args().First())
		}
		return cli.ShowSubcommandHelp(c)
	}
	for _, shell := range cmd.Commands {
		if shell.Name == "bash" {
			shell.Action = func(_ context.Context, c *cli.Command) error {
				_, err := io.WriteString(c.Root().Writer, bashCompletion)
				return err
			}
		}
	}
}
