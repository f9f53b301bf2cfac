package packaging

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStatic: the binary needs nothing that an image made from scratch does not have.
func TestStatic(t *testing.T) {
	f, err := elf.Open(filepath.Join(out, "brahms-p2p"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader: it was linked with cgo")
		}
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("it needs %v, %v", libs, err)
	}
}

// image lays out what the last stage of the Containerfile copies, but for files of the image that builds, and returns its folder.
// Volumes stay where they are.
func image(t *testing.T, s stage) string {
	t.Helper()
	dir := t.TempDir()
	list, err := copies(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		for _, w := range c.what {
			rest, ok := strings.CutPrefix(w, "/out/")
			if !ok {
				continue
			}
			if err := exec.Command("cp", "-rp", filepath.Join(out, rest), filepath.Join(dir, c.to)).Run(); err != nil {
				t.Fatalf("COPY %s: %v", w, err)
			}
		}
	}
	return dir
}

// A container is the program as the image starts it: in a root folder, a network and a user of its own.
type container struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

func startIn(t *testing.T, dir string, s stage, more ...string) *container {
	t.Helper()
	user, group, _ := strings.Cut(s.one("USER"), ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		t.Fatal(err)
	}
	args := append(s.entrypoint(), more...)
	c := &container{t: t, cmd: &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: []string{}, WaitDelay: patience}}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: dir, Pdeathsig: syscall.SIGKILL,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: os.Getgid(), Size: 1}},
	}
	c.cmd.Stderr = &c.stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout = w
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("%v: %v (a user namespace is needed)", args, err)
	}
	w.Close()
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); r.Close() })
	time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	c.lines = bufio.NewScanner(io.TeeReader(r, io.Discard))
	return c
}

// started is what the program says first.
type started struct {
	Event    string
	ID       string
	Addrs    []string
	Restored int
}

func (c *container) until(event string) (s started) {
	c.t.Helper()
	for c.lines.Scan() {
		if err := json.Unmarshal(c.lines.Bytes(), &s); err != nil {
			c.t.Fatalf("%q: %v", c.lines.Text(), err)
		}
		if s.Event == event {
			return s
		}
	}
	c.t.Fatalf("it ended without %q: %s", event, &c.stderr)
	return s
}

// stop sends the signal of STOPSIGNAL and expects a clean end.
func (c *container) stop(s stage) {
	c.t.Helper()
	signal := map[string]os.Signal{"SIGTERM": syscall.SIGTERM}[s.one("STOPSIGNAL")]
	if signal == nil {
		c.t.Fatalf("signal %q", s.one("STOPSIGNAL"))
	}
	if err := c.cmd.Process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
	c.until("left")
	for c.lines.Scan() { // to its end
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("it ended with %v: %s", err, &c.stderr)
	}
}

// TestContainer starts the program as the image would: nothing but what was copied, the user, the entry point with flags added,
// and state that outlives it.
func TestContainer(t *testing.T) {
	stages, err := readContainerfile()
	if err != nil {
		t.Fatal(err)
	}
	s := stages[len(stages)-1]
	dir := image(t, s)
	data := filepath.Join(dir, s.one("VOLUME"))
	ids := map[string]bool{}
	for range 2 {
		c := startIn(t, dir, s, "--json", "--interval", "100ms", "--allow-private")
		first := c.until("started")
		ids[first.ID] = true
		c.until("round")
		c.stop(s)
		if strings.Contains(c.stderr.String(), "panic") || c.stderr.Len() > 0 {
			t.Errorf("it complains: %s", &c.stderr)
		}
	}
	if len(ids) != 1 {
		t.Errorf("it does not keep its identity: %v", ids)
	}
	files, err := os.ReadDir(data)
	if err != nil || len(files) == 0 {
		t.Errorf("nothing is kept: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", f.Name(), info, err)
		}
	}
}

// TestContainerWithoutItsVolume is the control: where the user may not write, it says so at once.
func TestContainerWithoutItsVolume(t *testing.T) {
	stages, err := readContainerfile()
	if err != nil {
		t.Fatal(err)
	}
	s := stages[len(stages)-1]
	dir := image(t, s)
	data := filepath.Join(dir, s.one("VOLUME"))
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := startIn(t, dir, s, "--json")
	for c.lines.Scan() {
		t.Errorf("it prints %s", c.lines.Text())
	}
	var code *exec.ExitError
	if err := c.cmd.Wait(); err == nil || !asExit(err, &code) || code.ExitCode() == 0 || !strings.Contains(c.stderr.String(), s.one("VOLUME")) {
		t.Errorf("it ended with %v: %q", err, c.stderr.String())
	}
}

func asExit(err error, to **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*to = e
	return ok
}
