package main

import (
	"io"
	"net/http"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// get URL CODE [REGEXP]: asks the URL, which answers with the code, and a line of the answer matches REGEXP.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: get URL CODE [REGEXP]")
	}
	res, err := http.Get(args[0])
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if strconv.Itoa(res.StatusCode) != args[1] {
		ts.Fatalf("%s answers %d, want %s:\n%.2000s", args[0], res.StatusCode, args[1], body)
	}
	if len(args) == 3 && !regexp.MustCompile("(?m)"+args[2]).Match(body) {
		ts.Fatalf("no line of %s matches %s:\n%.4000s", args[0], args[2], body)
	}
}
