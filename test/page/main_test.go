package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the binary that the tests run, chromium the browser.
var program, chromium string

// patience is how long anything may take on a loaded machine.
const patience = 90 * time.Second

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		fmt.Fprintln(os.Stderr, "page: no Chromium on this machine: install it (Debian: apt-get install chromium) or name it in CHROMIUM")
		return 1
	}
	if _, err := os.Stat(axe); err != nil {
		fmt.Fprintln(os.Stderr, "page: no axe-core: run npm ci in test/page, as make page does")
		return 1
	}
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "brahms-p2p")
	build := exec.Command("go", "build", "-C", filepath.Join("..", ".."), "-o", program, "./cmd/brahms-p2p")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "page: build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// output collects what a program prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs the program until the test ends, and returns the first group of each pattern in what it prints.
func start(t *testing.T, patterns []string, args ...string) []string {
	t.Helper()
	var out output
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
			t.Errorf("%v did not end", args)
		}
	})
	found := make([]string, len(patterns))
	eventually(t, fmt.Sprintf("%v prints what matches %q", args, patterns), func() bool {
		for i, p := range patterns {
			m := regexp.MustCompile("(?m)" + p).FindStringSubmatch(out.String())
			if m == nil {
				return false
			}
			found[i] = m[1]
		}
		return true
	})
	return found
}

// eventually waits until cond holds.
func eventually(t *testing.T, about string, cond func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not come true: %s", about)
		}
	}
}

// get asks a URL for JSON.
func get(t *testing.T, url string, to any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to != nil && res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, to); err != nil {
			t.Fatalf("%s: %v in %.200s", url, err, b)
		}
	}
	return res.StatusCode
}

// keep leaves a screenshot in bin/page.
func keep(t *testing.T, name string, png []byte) {
	t.Helper()
	dir := filepath.Join("..", "..", "bin", "page")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(png, []byte("\x89PNG")) || len(png) < 5000 {
		t.Errorf("%s: %d bytes are no screenshot", name, len(png))
	}
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func trimmed(text string) string { return strings.Join(strings.Fields(text), " ") }
