package statefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func modeOf(t *testing.T, file string) os.FileMode {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	if b, err := d.Load(10); b != nil || err != nil {
		t.Fatalf("of a new directory: %q, %v", b, err)
	}
	for _, want := range []string{"first", "second", ""} {
		if err := d.Save([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := d.Load(10); string(b) != want || b == nil || err != nil {
			t.Fatalf("loaded %q, %v, want %q", b, err, want)
		}
	}
	if hasModes && (modeOf(t, path) != 0o700 || modeOf(t, d.File()) != 0o600) {
		t.Errorf("modes %o and %o, want 700 and 600", modeOf(t, path), modeOf(t, d.File()))
	}
	// What a process that was killed has left is in nobody's way.
	tmp := filepath.Join(path, tempName)
	if err := os.WriteFile(tmp, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Save([]byte("third")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tmp); !os.IsNotExist(err) {
		t.Errorf("a temporary file is left: %v", err)
	}
	if b, _ := d.Load(10); string(b) != "third" || hasModes && modeOf(t, d.File()) != 0o600 {
		t.Errorf("loaded %q, mode %o", b, modeOf(t, d.File()))
	}
	if err := d.Save(bytes.Repeat([]byte("x"), 11)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(10); !errors.Is(err, ErrSize) {
		t.Errorf("11 bytes of 10: %v", err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d := open(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("the second to open: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestWrongPlaces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                              "must not be empty",
		file:                            "no directory",
		filepath.Join(dir, "no", "dir"): "no",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", path, err)
		}
	}
	d := open(t, filepath.Join(dir, "data"))
	if err := os.Mkdir(d.File(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(10); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory in place of the file: %v", err)
	}
	if err := d.Save([]byte("x")); err == nil {
		t.Errorf("a directory was replaced")
	}
}

func TestAside(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	if kept, err := d.Aside(); kept != "" || err != nil {
		t.Fatalf("of nothing: %q, %v", kept, err)
	}
	names := map[string]string{}
	for _, content := range []string{"a", "b", "c"} { // within a second or two: names would collide
		if err := d.Save([]byte(content)); err != nil {
			t.Fatal(err)
		}
		kept, err := d.Aside()
		if err != nil || names[kept] != "" || !strings.HasPrefix(kept, d.File()+".old-") {
			t.Fatalf("kept as %q, %v", kept, err)
		}
		names[kept] = content
		if b, err := d.Load(10); b != nil || err != nil {
			t.Fatalf("something is left: %q, %v", b, err)
		}
	}
	for name, want := range names {
		if b, err := os.ReadFile(name); string(b) != want || err != nil {
			t.Errorf("%s has %q, %v, want %q", name, b, err, want)
		}
	}
}
