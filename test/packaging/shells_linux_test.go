package packaging

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script leaves a completion script in a file.
func script(t *testing.T, shell string) string {
	t.Helper()
	text, err := outputOf(t, "brahms-p2p", "completion", shell)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	file := filepath.Join(t.TempDir(), "brahms-p2p."+shell)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// asked is how each shell is asked, without a terminal, what it would offer behind a line; $1 is the script, the line follows.
var asked = map[string][]string{
	"bash": {"bash", "--norc", "--noprofile", "-c", `
		source "$1"; shift
		complete -p brahms-p2p | grep -q -- "-F _brahms_p2p" || exit 1
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
		_brahms_p2p brahms-p2p "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"`, "bash"},
	// Of zsh's own completion the parts that need a terminal are replaced: what is offered is printed, files are not.
	"zsh": {"zsh", "-f", "-c", `
		autoload -U compinit; compinit -D -u
		file=$1; shift
		source $file || exit 1
		[[ $_comps[brahms-p2p] == _brahms-p2p ]] || exit 1
		_describe() { print -rl -- "${(@P)2%%:*}" }
		_files() { }
		words=("$@") CURRENT=$#
		_brahms-p2p`, "zsh"},
	"fish": {"fish", "--no-config", "-c", `source $argv[1]; complete -C (string join ' ' -- $argv[2..])`},
}

// TestShells: real shells take the scripts and offer what the program has, and nothing else.
func TestShells(t *testing.T) {
	commands := []string{"completion", "man", "run", "sim", "swarm", "version"}
	for shell, ask := range asked {
		file := script(t, shell)
		if text, err := outputOf(t, shell, "-n", file); err != nil || text != "" {
			t.Errorf("%s does not parse its script: %v, %s", shell, err, text)
		}
		offered := func(line ...string) []string {
			text, err := outputOf(t, ask[0], slices.Concat(ask[1:], []string{file}, line)...)
			if err != nil {
				t.Fatalf("%s %q: %v, %s", shell, line, err, text)
			}
			var out []string
			for l := range strings.Lines(text) {
				word, _, _ := strings.Cut(strings.TrimSpace(l), "\t") // fish prints the description behind it
				out = append(out, word)
			}
			slices.Sort(out)
			return slices.Compact(out)
		}
		for _, c := range []struct{ line, want []string }{
			{[]string{"brahms-p2p", "run", "--boot"}, []string{"--bootstrap"}},
			{[]string{"brahms-p2p", "swarm", "--attack-r"}, []string{"--attack-rate"}},
		} {
			if got := offered(c.line...); !slices.Equal(got, c.want) {
				t.Errorf("%s offers %q behind %q, want %q", shell, got, c.line, c.want)
			}
		}
		got := offered("brahms-p2p", "")
		for _, c := range commands {
			if !slices.Contains(got, c) {
				t.Errorf("%s offers %q, and not %s", shell, got, c)
			}
		}
		if got := offered("brahms-p2p", "swarm", ""); !slices.Contains(got, "suite") || slices.Contains(got, "run") {
			t.Errorf("%s offers %q behind swarm", shell, got)
		}
		if got := offered("brahms-p2p", "run", "--no-such"); len(got) > 0 {
			t.Errorf("%s offers %q behind --no-such", shell, got)
		}
		// What stands on the line is not run by the Tab key.
		mark := filepath.Join(t.TempDir(), "mark")
		offered("brahms-p2p", "run", "--data", "$(touch "+mark+")", "--boot")
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%s runs what stands on the line", shell)
		}
	}
}

// TestManPage: a reader of manual pages has no warning, and shows all of it.
func TestManPage(t *testing.T) {
	page, err := outputOf(t, "brahms-p2p", "man")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "brahms-p2p.1")
	lint := func(text string) (out string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		found, _ := outputOf(t, "mandoc", "-T", "lint", "-W", "warning", file)
		for line := range strings.Lines(found) {
			if !strings.Contains(line, "missing date") { // it is that of the commit, which not every build knows
				out += line
			}
		}
		return out
	}
	if found := lint(page); found != "" {
		t.Errorf("mandoc: %s", found)
	}
	shown, err := outputOf(t, "mandoc", "-T", "ascii", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"BRAHMS-P2P RUN", "--bootstrap", "BRAHMS-P2P COMPLETION", "source <(brahms-p2p completion bash)", "$BRAHMS_ALLOW_PRIVATE"} {
		if !strings.Contains(plain(shown), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if lint(strings.Replace(page, ".fi\n", ".no such\n", 1)) == "" {
		t.Error("mandoc finds no fault in a page that has one")
	}
}

// plain is text without the overstrikes of a terminal: a bold letter is printed twice.
func plain(text string) string {
	var b []rune
	for _, r := range text {
		if r == '\b' {
			if len(b) > 0 {
				b = b[:len(b)-1]
			}
			continue
		}
		b = append(b, r)
	}
	return string(b)
}
