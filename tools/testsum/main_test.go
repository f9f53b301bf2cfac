package main

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

const stream = `{"Action":"start","Package":"x/a"}
{"Action":"run","Package":"x/a","Test":"TestGood"}
{"Action":"output","Package":"x/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"run","Package":"x/a","Test":"TestGood/sub"}
{"Action":"pass","Package":"x/a","Test":"TestGood/sub"}
{"Action":"pass","Package":"x/a","Test":"TestGood"}
{"Action":"output","Package":"x/a","Output":"PASS\n"}
{"Action":"output","Package":"x/a","Output":"ok  \tx/a\t0.01s\n"}
{"Action":"pass","Package":"x/a"}
{"Action":"output","Package":"x/b","Test":"TestBad/sub","Output":"the reason\n"}
{"Action":"fail","Package":"x/b","Test":"TestBad/sub"}
{"Action":"fail","Package":"x/b","Test":"TestBad"}
{"Action":"skip","Package":"x/b","Test":"TestSkipped"}
{"Action":"output","Package":"x/b","Output":"FAIL\tx/b\t0.01s\n"}
{"Action":"fail","Package":"x/b"}
{"Action":"output","Package":"x/c","Output":"?   \tx/c\t[no test files]\n"}
{"Action":"skip","Package":"x/c"}
{"Action":"build-output","ImportPath":"x/d","Output":"d.go:1: undefined\n"}
{"Action":"build-fail","ImportPath":"x/d"}
{"Action":"fail","Package":"x/d","FailedBuild":"x/d"}
go: words outside of JSON
`

func TestRead(t *testing.T) {
	got, out := results{}, &strings.Builder{}
	if err := got.read(strings.NewReader(stream), out); err != nil {
		t.Fatal(err)
	}
	want := results{"x/a TestGood": "pass", "x/b TestBad": "fail", "x/b TestSkipped": "skip", "x/d": "fail"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	const printed = "ok  \tx/a\t0.01s\nthe reason\nFAIL\tx/b\t0.01s\n?   \tx/c\t[no test files]\nd.go:1: undefined\ngo: words outside of JSON\n"
	if out.String() != printed {
		t.Errorf("printed %q, want %q", out, printed)
	}
}

func TestTotalCountsATestOnce(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for file, r := range map[string]results{
		a: {"x T1": "pass", "x T2": "pass", "x T3": "skip"},
		b: {"x T1": "pass", "x T2": "fail", "x T3": "pass"},
	} {
		if err := r.save(file); err != nil {
			t.Fatal(err)
		}
	}
	want := results{"x T1": "pass", "x T2": "fail", "x T3": "pass"}
	for _, order := range [][]string{{a, b}, {b, a}} {
		got := results{}
		for _, file := range order {
			if err := got.load(file); err != nil {
				t.Fatal(err)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestNoTestIsAFailure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty")
	if err := (results{}).save(file); err != nil {
		t.Fatal(err)
	}
	if err := run("", "", true, []string{file}); err == nil {
		t.Error("a run without tests passed")
	}
	if err := (results{"x T": "pass"}).save(file); err != nil {
		t.Fatal(err)
	}
	if err := run("", "", true, []string{file}); err != nil {
		t.Errorf("a run with a test that passed: %v", err)
	}
	if err := (results{"x T": "pass", "x U": "fail"}).save(file); err != nil {
		t.Fatal(err)
	}
	if err := run("", "", true, []string{file}); err == nil {
		t.Error("a run with a failure passed")
	}
}
