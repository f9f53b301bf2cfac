package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestManIsHelp: the manual page is the help of every command, character by character, once roff's marks are undone.
func TestManIsHelp(t *testing.T) {
	var man bytes.Buffer
	if code := execute(t.Context(), []string{name, "man"}, &man, &man); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &man)
	}
	undo := strings.NewReplacer(`\e`, `\`, `\-`, `-`, `\(aq`, `'`, `\(ga`, "`", `\(ha`, `^`, `\(ti`, `~`)
	sections := map[string]string{}
	title := ""
	for line := range strings.Lines(man.String()) {
		switch {
		case strings.HasPrefix(line, ".SH "):
			title = strings.Trim(strings.TrimSpace(strings.TrimPrefix(line, ".SH ")), `"`)
		case strings.HasPrefix(line, "."): // a request
		default:
			sections[title] += undo.Replace(strings.TrimPrefix(line, `\&`))
		}
	}
	for _, path := range [][]string{
		nil, {"run"}, {"swarm"}, {"swarm", "suite"}, {"sim"}, {"sim", "suite"}, {"version"}, {"man"},
		{"completion"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "pwsh"},
	} {
		var help bytes.Buffer
		if code := execute(t.Context(), append(append([]string{name}, path...), "--help"), &help, &help); code != exitOK {
			t.Fatalf("help of %v: exit code %d", path, code)
		}
		title := strings.ToUpper(strings.Join(append([]string{name}, path...), " "))
		if got, want := strings.TrimRight(sections[title], "\n"), strings.TrimRight(help.String(), "\n"); got != want || want == "" {
			t.Errorf("%s: the page has\n%s\nand the help\n%s", title, got, want)
		}
		delete(sections, title)
	}
	delete(sections, "NAME")
	if len(sections) > 0 {
		t.Errorf("sections of no command: %v", sections)
	}
}

func TestRoff(t *testing.T) {
	for line, want := range map[string]string{
		".run": `\&.run`, "'run'": `\(aqrun\(aq`, `a\b --c`: `a\eb \-\-c`, "plain": "plain",
	} {
		if got := roff(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}
