package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what is written to keys is typed, and screen has what is seen, line ends as terminals have them.
type terminal struct {
	keys   *os.File
	tty    *os.File
	mu     sync.Mutex
	screen strings.Builder
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{keys: keys, tty: tty}
	go func() { _, _ = io.Copy(x, keys) }() // ends with the last who has the terminal open
	return x
}

// Write takes what is printed.
func (x *terminal) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.Write(b)
}

func (x *terminal) seen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

func (x *terminal) typed(t *testing.T, keys string) {
	t.Helper()
	if _, err := x.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// runs starts a peer on a terminal of its own. It is ended with the test.
func (x *terminal) runs(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, append([]string{"run", "--allow-private", "--interval", "100ms", "--listen", "/ip4/127.0.0.1/tcp/0"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.tty, x.tty, x.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x.tty.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// await waits until a line is seen and returns the first group of the pattern.
func (x *terminal) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(patience); ; {
		if m := re.FindStringSubmatch(x.seen()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("nothing matches %s on the terminal:\n%s", pattern, x.seen())
		}
	}
}

// TestTerminal: a line that is typed on the terminal of one peer, and mended before Enter, is printed once on those of all, with its
// origin. Ctrl-D ends nothing, Ctrl-C lets a peer leave.
func TestTerminal(t *testing.T) {
	var screens []*terminal
	var peers []*exec.Cmd
	var seed []string
	for range 3 {
		x := newTerminal(t)
		screens, peers = append(screens, x), append(peers, x.runs(t, seed...))
		seed = []string{"--bootstrap", x.await(t, `^address +(\S+)\r$`)}
	}
	origin := screens[2].await(t, `^peer +(\S+)\r$`)
	for _, x := range screens {
		x.await(t, `^round +\d+ +renewed .*sample \d+ of \d+ slots, 2 distinct`)
	}
	screens[2].typed(t, "hello, wrold\x7f\x7f\x7f\x7forld\n")
	line := "message  " + origin + ": hello, world\r\n"
	for _, x := range screens {
		x.await(t, `^`+regexp.QuoteMeta(strings.TrimSuffix(line, "\n"))+`$`)
	}
	screens[2].typed(t, "\x04") // the end of its input, not of the peer
	at := strings.Count(screens[0].seen(), "\nround ")
	for i, x := range screens {
		x.await(t, fmt.Sprintf(`(?s)(?:\nround .*){%d}`, at+5))
		if n := strings.Count(x.seen(), line); n != 1 {
			t.Errorf("peer %d prints it %d times:\n%s", i, n, x.seen())
		}
	}
	for i, x := range screens {
		x.typed(t, "\x03")
		x.await(t, `^left `)
		if err := peers[i].Wait(); err != nil {
			t.Errorf("peer %d ends with %v:\n%s", i, err, x.seen())
		}
	}
}
