package protocol

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPaperMapIsTrue: every deviation of docs/paper-map.md is marked in the code where it happens, every mark has its
// row, and every test that the map names exists.
func TestPaperMapIsTrue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "paper-map.md"))
	if err != nil {
		t.Fatal(err)
	}
	marked, tests := map[string]bool{}, map[string]bool{}
	for _, dir := range []string{"../view", "../sampler", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				for _, m := range regexp.MustCompile(`func (Test\w+|Fuzz\w+|Benchmark\w+|Example\w+)`).FindAllStringSubmatch(string(source), -1) {
					tests[m[1]] = true
				}
				continue
			}
			for _, comment := range regexp.MustCompile(`//.*`).FindAllString(string(source), -1) {
				for _, mark := range regexp.MustCompile(`\bD\d+\b`).FindAllString(comment, -1) {
					marked[mark] = true
				}
			}
		}
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (D\d+) \|`).FindAllStringSubmatch(string(text), -1) {
		if rows[m[1]] {
			t.Errorf("%s has two rows", m[1])
		}
		rows[m[1]] = true
		if !marked[m[1]] {
			t.Errorf("%s is marked nowhere in the code", m[1])
		}
	}
	for _, mark := range slices.Sorted(maps.Keys(marked)) {
		if !rows[mark] {
			t.Errorf("the code marks %s, which has no row", mark)
		}
	}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz|Benchmark|Example)[A-Z]\w+`).FindAllString(string(text), -1) {
		if !tests[name] {
			t.Errorf("the map names %s, which does not exist", name)
		}
	}
}
