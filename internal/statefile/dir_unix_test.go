//go:build unix

package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatOthersMayTouchIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	if err := d.Save([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o644} {
		if err := os.Chmod(d.File(), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Load(10); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "run: chmod 600 "+d.File()) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "run: chmod 700 "+path) {
		t.Errorf("a directory for all: %v", err)
	}
	if err := os.Chmod(path, 0o755); err != nil { // others may look, and see no secret
		t.Fatal(err)
	}
	open(t, path)
}
