package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long anything may take on a loaded machine.
const patience = 60 * time.Second

var (
	root = filepath.Join("..", "..") // of the checkout
	out  string                      // what the RUN of the Containerfile leaves in /out
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	missing := []string{}
	for _, tool := range []string{"bash", "zsh", "fish", "mandoc", "systemd-analyze"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "packaging: not on this machine: %s (Debian: apt-get install bash zsh fish mandoc systemd)\n", strings.Join(missing, ", "))
		return 1
	}
	dir, err := os.MkdirTemp("", "packaging")
	if err == nil {
		defer os.RemoveAll(dir)
		out = dir
		os.Setenv("PATH", out+":"+os.Getenv("PATH")) // where shells look for the program
		err = buildAsContainerfile()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		return 1
	}
	return m.Run()
}

// buildAsContainerfile runs what the Containerfile runs to build the binary, but here: in the checkout for /src, and with a
// temporary folder for /out.
func buildAsContainerfile() error {
	file, err := readContainerfile()
	if err != nil {
		return err
	}
	build := file[0]
	last := build.instructions[len(build.instructions)-1]
	if last.name != "RUN" {
		return fmt.Errorf("the first stage of the Containerfile ends with %s, not with the build", last.name)
	}
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(last.args, "/out/", out+"/"))
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", last.args, err, text)
	}
	return nil
}

// outputOf runs a program and returns what it prints on both outputs.
func outputOf(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TERM=dumb")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &b, &b, patience
	err := cmd.Run()
	return b.String(), err
}
