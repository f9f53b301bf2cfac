package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// readFlag runs a command that does nothing and returns what one of its flags was then.
func readFlag(t *testing.T, path []string, flag string, args ...string) (string, error) {
	t.Helper()
	root := rootCommand(io.Discard, io.Discard)
	cmd := root
	for _, name := range path {
		cmd = cmd.Command(name)
	}
	got := ""
	cmd.Action = func(_ context.Context, cmd *cli.Command) error {
		got = fmt.Sprint(cmd.Value(flag))
		return nil
	}
	err := root.Run(t.Context(), append(append([]string{name}, path...), args...))
	return got, err
}

// samplesOf are three values of a flag, as they are written and as they read, none of them its default.
func samplesOf(t *testing.T, flag cli.Flag) (texts, values [3]string) {
	switch flag.(type) {
	case *cli.BoolFlag:
		texts = [3]string{"true", "false", "true"}
		values = texts
	case *cli.IntFlag, *cli.Uint64Flag, *cli.FloatFlag:
		texts = [3]string{"101", "102", "103"}
		values = texts
	case *cli.DurationFlag:
		texts = [3]string{"101s", "102s", "103s"}
		values = [3]string{"1m41s", "1m42s", "1m43s"}
	case *cli.StringFlag:
		texts = [3]string{"one", "two", "three"}
		values = texts
	case *cli.StringSliceFlag:
		texts = [3]string{"a,b", "c", "d"}
		values = [3]string{"[a b]", "[c]", "[d]"}
	default:
		t.Fatalf("%T", flag)
	}
	return texts, values
}

// TestPrecedence: for every flag of every command the command line goes before the environment, the environment before the
// file, the file before the default.
func TestPrecedence(t *testing.T) {
	seen := 0
	for _, path := range commandPaths(rootCommand(io.Discard, io.Discard), nil) {
		cmd := rootCommand(io.Discard, io.Discard)
		for _, name := range path {
			cmd = cmd.Command(name)
		}
		if len(path) == 0 || settingsOf(cmd) == nil {
			continue
		}
		for _, flag := range cmd.Flags {
			name := flag.Names()[0]
			if name == configName {
				continue
			}
			seen++
			texts, values := samplesOf(t, flag)
			value := fmt.Sprintf("%q", texts[2])
			if _, ok := flag.(*cli.StringSliceFlag); ok {
				value = "[" + value + "]"
			}
			file := t.TempDir() + "/c.toml"
			text := fmt.Sprintf("[%s]\n%s = %s\n", strings.Join(path, "."), name, value)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			byDefault, err := readFlag(t, path, name)
			if err != nil {
				t.Fatal(err)
			}
			fromFlag := []string{"--" + name + "=" + texts[0]}
			fromFile := []string{"--" + configName, file}
			for _, c := range []struct {
				what string
				env  bool
				args []string
				want string
			}{
				{"nothing", false, nil, byDefault},
				{"file", false, fromFile, values[2]},
				{"env", true, nil, values[1]},
				{"env and file", true, fromFile, values[1]},
				{"flag", false, fromFlag, values[0]},
				{"flag and file", false, append(fromFile, fromFlag...), values[0]},
				{"flag and env", true, fromFlag, values[0]},
				{"all", true, append(fromFile, fromFlag...), values[0]},
			} {
				if c.env {
					t.Setenv(twin(name), texts[1])
				}
				got, err := readFlag(t, path, name, c.args...)
				if err != nil || got != c.want {
					t.Errorf("%v --%s from %s: %q, %v, want %q", path, name, c.what, got, err, c.want)
				}
				os.Unsetenv(twin(name)) // t.Setenv brings back what was
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d flags", seen)
	}
}

// TestSourced: only values that are not from the command line get an origin, whatever the message calls them.
func TestSourced(t *testing.T) {
	s := &settings{origins: map[string]string{"l1": "A", "token-bits": "B", "prefix": "C", "peers": "D"}}
	for text, want := range map[string]string{
		"l1=2 must be between":                       "l1=2 must be between (l1 is from A)",
		"l2=2 must be between":                       "l2=2 must be between",
		"token bits=25 must be":                      "token bits=25 must be (token-bits is from B)",
		`protocol prefix="x" must`:                   `protocol prefix="x" must (prefix is from C)`,
		`peers=1 must be; transport="x"; peers=1`:    `peers=1 must be; transport="x"; peers=1 (peers is from D)`,
		"reset-state needs --data":                   "reset-state needs --data",
		"hash=\"l1\" must be one of":                 "hash=\"l1\" must be one of",
		"limit of pull bytes=7 must be between 1, 2": "limit of pull bytes=7 must be between 1, 2",
	} {
		if got := sourced(text, s); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := sourced("l1=2", nil); got != "l1=2" {
		t.Errorf("without settings: %q", got)
	}
}
