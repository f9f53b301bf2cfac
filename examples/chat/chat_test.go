package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what a peer has printed.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	woken chan struct{}
}

func newScreen() *screen { return &screen{woken: make(chan struct{}, 1)} }

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.woken <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

// await waits until a line matches and returns its first group.
func (s *screen) await(t *testing.T, re string) string {
	t.Helper()
	pattern := regexp.MustCompile(re)
	timeout := time.After(time.Minute)
	for {
		s.mu.Lock()
		m := pattern.FindStringSubmatch(s.text.String())
		s.mu.Unlock()
		if m != nil {
			return m[len(m)-1]
		}
		select {
		case <-s.woken:
		case <-timeout:
			t.Fatalf("nothing matches %s", re)
		}
	}
}

// TestChat: the third peer, which was told of the first alone, is heard by the second.
func TestChat(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	start := func(seed string) (*screen, io.WriteCloser) {
		in, keys := io.Pipe()
		out := newScreen()
		c := settings{listen: "/ip4/127.0.0.1/tcp/0", seed: seed, lan: true, interval: 100 * time.Millisecond}
		done.Go(func() {
			if err := run(ctx, c, in, out); err != nil {
				t.Errorf("%v", err)
			}
		})
		t.Cleanup(func() { keys.Close() })
		return out, keys
	}
	first, keys1 := start("")
	seed := first.await(t, `(?m)^(/ip4/127.0.0.1/tcp/\d+/p2p/\w+)$`)
	second, keys2 := start(seed)
	_, keys3 := start(seed)
	stop := make(chan struct{})
	var typing sync.WaitGroup
	typing.Go(func() { // until they have met nobody hears it
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := io.WriteString(keys3, "hello room\n"); err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		}
	})
	first.await(t, `: "hello room"`)
	second.await(t, `: "hello room"`)
	close(stop)
	typing.Wait()
	for _, keys := range []io.Closer{keys1, keys2, keys3} {
		keys.Close()
	}
}

// TestInterrupt: an interrupt ends the chat while it waits for a line.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, keys := io.Pipe()
	defer keys.Close()
	out, ended := newScreen(), make(chan error, 1)
	go func() {
		ended <- run(ctx, settings{listen: "/ip4/127.0.0.1/tcp/0", lan: true, interval: 100 * time.Millisecond}, in, out)
	}()
	out.await(t, `(?m)^(/ip4/127.0.0.1/tcp/\d+/p2p/\w+)$`)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}

// TestTutorial: the code in the tutorial is that of the program.
func TestTutorial(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 5 {
		t.Errorf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(string(program), b[1]) {
			t.Errorf("not in main.go:\n%s", b[1])
		}
	}
	// The commands are given from the root of the checkout, whose module does not have this package.
	commands := regexp.MustCompile(`(?m)^go run .*$`).FindAllString(string(text), -1)
	if len(commands) != 3 {
		t.Errorf("commands %q", commands)
	}
	for _, c := range commands {
		m := regexp.MustCompile(`^go run -C (\S+) (\./\S+) `).FindStringSubmatch(c)
		if m == nil {
			t.Errorf("%q names no module", c)
			continue
		}
		for _, file := range []string{filepath.Join("../..", m[1], "go.mod"), filepath.Join("../..", m[1], m[2], "main.go")} {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%q: %v", c, err)
			}
		}
	}
}
