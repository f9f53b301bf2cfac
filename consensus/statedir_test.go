package consensus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStateDir: what was saved is there for the next process, one process has the directory at a time, and Reset keeps the file.
func TestStateDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agreement")
	d := must(OpenStateDir(path))
	if b, err := d.Load(100); b != nil || err != nil {
		t.Errorf("a new directory holds %q, %v", b, err)
	}
	if err := d.Save([]byte("state")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStateDir(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a second one: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = must(OpenStateDir(path))
	defer d.Close()
	if b, err := d.Load(5); string(b) != "state" || err != nil {
		t.Errorf("it holds %q, %v", b, err)
	}
	if _, err := d.Load(4); err == nil {
		t.Error("more than may be was read")
	}
	kept, err := d.Reset()
	if b := must(os.ReadFile(kept)); err != nil || string(b) != "state" {
		t.Errorf("kept %q in %q, %v", b, kept, err)
	}
	if _, err := os.Stat(d.File()); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", d.File(), err)
	}
	if kept, err := d.Reset(); kept != "" || err != nil {
		t.Errorf("once more: %q, %v", kept, err)
	}
	if _, err := OpenStateDir(filepath.Join(path, "no", "such")); err == nil || !strings.HasPrefix(err.Error(), "consensus: state directory: ") {
		t.Errorf("without a parent: %v", err)
	}
}
