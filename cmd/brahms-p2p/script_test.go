package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){name: main})
}

func TestScripts(t *testing.T) { runScripts(t, "testdata") }

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":    await,
			"sigterm":  sigterm,
			"json":     checkJSON,
			"lines":    checkLines,
			"mode":     checkMode,
			"oneline":  oneLineOfStderr,
			"flagdocs": flagDocs,
			"get":      get,
		},
	})
}

// patience is how long a script waits for output that a loaded machine may delay.
const patience = time.Minute

// await FILE REGEXP [VAR]: waits until a line of FILE, which a program in the background writes, matches REGEXP. With VAR
// the variable is set to the first group of the match.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await FILE REGEXP [VAR]")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	deadline := time.After(patience)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !os.IsNotExist(err) {
			ts.Fatalf("%v", err)
		}
		content = content[:bytes.LastIndexByte(content, '\n')+1] // whole lines only
		if m := re.FindSubmatch(content); m != nil {
			if len(args) == 3 {
				ts.Setenv(args[2], string(m[1]))
			}
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			ts.Fatalf("no line of %s matches %s after %v; it ends:\n%s", args[0], args[1], patience, content[max(0, len(content)-2000):])
		}
	}
}

// sigterm FILE: sends SIGTERM, which the kill command does not know, to the process whose number is in FILE.
func sigterm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sigterm FILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	process, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(process.Signal(syscall.SIGTERM))
}

// json FILE FIELD OP VALUE: compares a field of the object in the last line of FILE. OP is == (of texts), >= or <= (of numbers),
// or len (of arrays).
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: json FILE FIELD OP VALUE")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &object); err != nil {
		ts.Fatalf("the last line of %s is no JSON object: %v", args[0], err)
	}
	raw, ok := object[args[1]]
	if !ok {
		ts.Fatalf("no field %s in %s", args[1], lines[len(lines)-1])
	}
	got, want := string(raw), args[3]
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			ts.Fatalf("%s = %s: %q is no number", args[1], got, text)
		}
		return x
	}
	switch args[2] {
	case "==":
		ok = got == want
	case ">=":
		ok = number(got) >= number(want)
	case "<=":
		ok = number(got) <= number(want)
	case "len":
		var list []json.RawMessage
		ts.Check(json.Unmarshal(raw, &list))
		ok = len(list) == int(number(want))
	default:
		ts.Fatalf("unknown operator %s", args[2])
	}
	if !ok {
		ts.Fatalf("%s = %s, want %s %s", args[1], got, args[2], want)
	}
}

// lines FILE N [REGEXP]: FILE has exactly N lines (that match).
func checkLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: lines FILE N [REGEXP]")
	}
	re := regexp.MustCompile(strings.Join(args[2:], ""))
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if re.MatchString(strings.TrimSuffix(line, "\n")) {
			n++
		}
	}
	if want := args[1]; strconv.Itoa(n) != want {
		ts.Fatalf("%d lines of %s match %q, want %s", n, args[0], re, want)
	}
}

// mode FILE OCTAL: FILE has these permissions. Windows has none to compare.
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE OCTAL")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	if got := info.Mode().Perm(); filepath.Separator == '/' && got != fs.FileMode(want) {
		ts.Fatalf("%s has mode %o, want %o", args[0], got, want)
	}
}

// oneline: the last program said one line on stderr, with our name in front.
func oneLineOfStderr(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stderr")
	if neg || len(args) != 0 || !strings.HasPrefix(text, name+": ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("stderr is not one line: %q", text)
	}
}

// flagdocs N: the help on stdout has N flags beside --help and --config, and names for each its twin in the environment.
func flagDocs(ts *testscript.TestScript, neg bool, args []string) {
	seen := 0
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		m := regexp.MustCompile(`^   --([a-z0-9-]+)`).FindStringSubmatch(line)
		if m == nil || m[1] == "help" || m[1] == configName {
			continue
		}
		seen++
		if twin := "[$BRAHMS_" + strings.ToUpper(strings.ReplaceAll(m[1], "-", "_")) + "]"; !strings.Contains(line, twin) {
			ts.Fatalf("--%s does not name %s: %s", m[1], twin, line)
		}
	}
	if neg || len(args) != 1 || strconv.Itoa(seen) != args[0] {
		ts.Fatalf("%d flags in the help, want %v", seen, args)
	}
}
