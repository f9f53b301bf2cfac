package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func put(t *testing.T, file, content string, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file, []byte(content), mode), os.Chmod(file, mode)); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, file, want string) {
	t.Helper()
	if b, err := os.ReadFile(file); err != nil || string(b) != want {
		t.Errorf("%s holds %q, %v; want %q", file, b, err, want)
	}
}

func alone(t *testing.T, dir string, want int) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
		t.Errorf("the directory holds %v, %v; want %d files", entries, err, want)
	}
}

// TestWrite: old permissions stay, whatever the umask, and a new file has those that any new file has.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	usual := filepath.Join(dir, "usual")
	f, err := os.Create(usual)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"secret": 0o600, "open": 0o666, "new": 0} {
		file := filepath.Join(dir, name)
		if mode != 0 {
			put(t, file, "old and longer", mode)
		} else {
			mode = info.Mode().Perm()
		}
		if err := Write(file, []byte("new")); err != nil {
			t.Fatal(err)
		}
		holds(t, file, "new")
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode() != mode {
			t.Errorf("%s has the mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	alone(t, dir, 4)
}

// TestLinks: the file at the end of the links is replaced, also one that is not there yet.
func TestLinks(t *testing.T) {
	for _, isThere := range []bool{true, false} {
		dir := t.TempDir()
		if err := errors.Join(
			os.MkdirAll(filepath.Join(dir, "far", "below"), 0o700),
			os.Symlink(filepath.Join("far", "below"), filepath.Join(dir, "short")),
			os.Symlink(filepath.Join("..", "target"), filepath.Join(dir, "far", "below", "second")),
			os.Symlink(filepath.Join("short", "second"), filepath.Join(dir, "first")),
		); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, "far", "target")
		if isThere {
			put(t, target, "old", 0o600)
		}
		if err := Write(filepath.Join(dir, "first"), []byte("new")); err != nil {
			t.Fatal(err)
		}
		holds(t, target, "new")
		for _, link := range []string{filepath.Join(dir, "first"), filepath.Join(dir, "far", "below", "second")} {
			if _, err := os.Readlink(link); err != nil {
				t.Errorf("with a target (%v): %v", isThere, err)
			}
		}
	}
}

// TestDiscard: until Commit, and without it, the file is what it was.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	put(t, file, "old", 0o600)
	f, err := Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "old")
	f.Discard()
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a commit of what was thrown away: %v", err)
	}
	if err := Check(file); err != nil {
		t.Error(err)
	}
	holds(t, file, "old")
	alone(t, dir, 1)
}

// TestTwo: two at once, and one that a crash left behind, do not write into one another.
func TestTwo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	a, errA := Create(file)
	b, errB := Create(file)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	_, errA = a.Write([]byte("a"))
	_, errB = b.Write([]byte("b"))
	if err := errors.Join(errA, errB, a.Commit()); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "a")
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "b")
	alone(t, dir, 1)
}

// TestContentIsKept: where the last step fails the content is not lost, and the error says where it is.
func TestContentIsKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	f, err := Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("hours of work")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	err = f.Commit()
	f.Discard()
	left, _ := filepath.Glob(file + ".*.tmp")
	if err == nil || len(left) != 1 || !strings.Contains(err.Error(), "; the content is in "+left[0]) {
		t.Fatalf("error %v, left are %q", err, left)
	}
	holds(t, left[0], "hours of work")
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		dir: "it is no regular file", filepath.Join(dir, "no", "file"): "no", loop: "too many links",
	} {
		if err := Check(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
	}
	alone(t, dir, 1)
}
