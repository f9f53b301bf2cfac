package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// manCommand prints the manual page: the help of every command, word for word, so that the two cannot disagree.
func manCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "man",
		Usage: "print the manual page",
		Description: `Prints a manual page of section 1 with the help of every command.

    brahms-p2p man > /usr/local/share/man/man1/brahms-p2p.1`,
		Action: action(func(context.Context, *cli.Command) error {
			page, err := manPage()
			if err != nil {
				return err
			}
			_, err = io.WriteString(stdout, page)
			return err
		}),
	}
}

// manPage is the manual page in roff.
func manPage() (string, error) {
	var b strings.Builder
	root := rootCommand(io.Discard, io.Discard)
	if err := root.Run(context.Background(), []string{name, "--help"}); err != nil { // a command has completion once it has run
		return "", err
	}
	fmt.Fprintf(&b, ".TH %s 1 %q %q\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), committed(), name+" "+version(), roff(name), roff(root.Usage))
	for _, path := range commandPaths(root, nil) {
		text, err := helpOf(path)
		if err != nil {
			return "", err
		}
		title := strings.Join(append([]string{name}, path...), " ")
		fmt.Fprintf(&b, ".SH \"%s\"\n.nf\n", strings.ToUpper(title))
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			b.WriteString(roff(line) + "\n")
		}
		b.WriteString(".fi\n")
	}
	return b.String(), nil
}

// commandPaths are the names of all commands, the root first with none.
func commandPaths(cmd *cli.Command, path []string) [][]string {
	out := [][]string{path}
	for _, sub := range cmd.Commands {
		out = append(out, commandPaths(sub, append(path[:len(path):len(path)], sub.Name))...)
	}
	return out
}

// helpOf is what a command prints with --help. The context must not be that of a running command: it would become a part of that.
func helpOf(path []string) (string, error) {
	var out bytes.Buffer
	args := append(append([]string{name}, path...), "--help")
	if err := rootCommand(&out, io.Discard).Run(context.Background(), args); err != nil {
		return "", fmt.Errorf("help of %v: %w", path, err)
	}
	return out.String(), nil
}

// roff is a line of text as roff takes it literally.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga", `^`, `\(ha`, `~`, `\(ti`).Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
