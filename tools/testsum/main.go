// Testsum reads the output of go test -json, prints what a reader wants of it, and counts.
//
//	go test -json ./... | testsum [-name race] [-results FILE]
//	testsum -total FILE...
//
// The first form prints the line of every package as go test does, all output of what failed, and a closing line with
// the count of tests. It exits 1 when something failed or when no test was run. The second form adds up the results of
// several runs: a test that ran in more than one counts once, and as failed if it failed in any.
//
// Counted are tests, examples and the seeds of fuzz targets by their functions; subtests belong to their test.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// event is a line of test2json (go doc test2json) or a build event (go help buildjson).
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
}

// results maps "package test" to pass, fail or skip; a package that failed on its own stands without a test.
type results map[string]string

// Both are told by the closing lines, so they are not printed again: those lines stay the last.
var (
	errFailed = errors.New("a test failed")
	errNoTest = errors.New("no test was run")
)

func main() {
	name := flag.String("name", "", "word that stands before the closing line")
	file := flag.String("results", "", "file to write the results to, for -total")
	total := flag.Bool("total", false, "add up the results in the files given as arguments")
	flag.Parse()
	if err := run(*name, *file, *total, flag.Args()); err != nil {
		if err != errFailed && err != errNoTest {
			fmt.Fprintln(os.Stderr, "testsum:", err)
		}
		os.Exit(1)
	}
}

func run(name, file string, total bool, args []string) error {
	all := results{}
	if total {
		for _, a := range args {
			if err := all.load(a); err != nil {
				return err
			}
		}
	} else {
		if err := all.read(os.Stdin, os.Stdout); err != nil {
			return err
		}
		if file != "" {
			if err := all.save(file); err != nil {
				return err
			}
		}
	}
	count := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		count[all[key]]++
		if all[key] == "fail" {
			fmt.Println("failed:", key)
		}
	}
	var err error
	switch {
	case count["fail"] > 0:
		err = errFailed
	case count["pass"] == 0:
		err = errNoTest
		fmt.Println("no test was run")
	}
	if name != "" {
		fmt.Printf("%s: ", name)
	}
	fmt.Printf("%d passed, %d failed", count["pass"], count["fail"])
	if n := count["skip"]; n > 0 {
		fmt.Printf(", %d skipped", n)
	}
	fmt.Println()
	return err
}

// add keeps the worst of what is known: a failure stands, and a pass outweighs a skip elsewhere.
func (r results) add(key, result string) {
	if old := r[key]; old == "fail" || old == "pass" && result == "skip" {
		return
	}
	r[key] = result
}

func (r results) load(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		result, key, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok {
			return fmt.Errorf("%s: cannot read %q", file, line)
		}
		r.add(key, result)
	}
	return nil
}

func (r results) save(file string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(&b, "%s %s\n", r[key], key)
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func (r results) read(in io.Reader, out io.Writer) error {
	output := map[string][]string{} // by "package test", until its result is known; by build for compiler output
	failedIn := map[string]bool{}   // packages with a failed test
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				fmt.Fprint(out, line) // not from test2json: the go command's own words
			} else {
				r.handle(e, output, failedIn, out)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r results) handle(e event, output map[string][]string, failedIn map[string]bool, out io.Writer) {
	top, _, isSubtest := strings.Cut(e.Test, "/")
	key := strings.TrimSpace(e.Package + " " + top)
	switch e.Action {
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "output":
		output[key] = append(output[key], e.Output)
	case "pass", "fail", "skip":
		if isSubtest {
			return
		}
		if e.Test != "" {
			r.add(key, e.Action)
			failedIn[e.Package] = failedIn[e.Package] || e.Action == "fail"
		} else if e.Action == "fail" && !failedIn[e.Package] {
			r.add(key, "fail") // it did not build, or its process died outside a test
		}
		for _, o := range output[key] {
			if e.Action == "fail" || e.Test == "" && (strings.HasPrefix(o, "ok  \t") || strings.HasPrefix(o, "?   \t")) {
				fmt.Fprint(out, o)
			}
		}
		delete(output, key)
	}
}
