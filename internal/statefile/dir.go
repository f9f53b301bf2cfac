// Package statefile keeps one secret state in a directory: for one process at a time, for its owner alone, and whole. Who
// is killed at any instant leaves the old state or the new one.
package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// The names in the directory. The temporary one is always the same: the lock keeps others away, so that a process which is
// killed over and over leaves one file at most.
const (
	fileName = "state"
	tempName = "state.tmp"
	lockName = "lock"
)

// The errors of Open and Load that a program may want to tell apart.
var (
	ErrLocked  = errors.New("another process uses it")
	ErrExposed = errors.New("others may read or change it")
	ErrSize    = errors.New("it is too large")
)

// A Dir is such a directory, locked. It is not safe for concurrent use.
type Dir struct {
	path string
	lock *flock.Flock
}

// Open takes the directory for this process, and makes it with mode 0700 where there is none; its parent must be there.
// It fails with ErrLocked while another process, or another Dir of this one, has it, and with ErrExposed where others
// may write to it: they could put a file of theirs in place of ours. The lock is of the file "lock" in it, by flock(2)
// or what the system has instead (LockFileEx on Windows, fcntl(2) on Solaris and AIX); it ends with the process, however
// that ends.
func Open(path string) (*Dir, error) {
	if path == "" {
		return nil, errors.New("the name of the directory must not be empty")
	}
	path = filepath.Clean(path)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is no directory")}
	case hasModes && info.Mode().Perm()&0o022 != 0:
		return nil, exposed(path, info, "700")
	}
	d := &Dir{path: path, lock: flock.New(filepath.Join(path, lockName), flock.SetPermissions(0o600))}
	switch ok, err := d.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", d.lock.Path(), err)
	case !ok:
		return nil, fmt.Errorf("directory %s: %w", path, ErrLocked)
	}
	return d, nil
}

// hasModes: files of Windows have none that mean anything.
const hasModes = runtime.GOOS != "windows"

func exposed(path string, info fs.FileInfo, mode string) error {
	return fmt.Errorf("%s has mode %o: %w; run: chmod %s %s", path, info.Mode().Perm(), ErrExposed, mode, path)
}

// File is the name of the file that holds the state.
func (d *Dir) File() string { return filepath.Join(d.path, fileName) }

// Load returns the state, nil if there is none yet. It fails with ErrExposed where others may read or change it, and with
// ErrSize, unread, where it has more than most bytes.
func (d *Dir) Load(most int64) ([]byte, error) {
	f, err := os.Open(d.File())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: d.File(), Err: errors.New("it is no regular file")}
	case hasModes && info.Mode().Perm()&0o077 != 0:
		return nil, exposed(d.File(), info, "600")
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", d.File(), ErrSize, most)
	}
	if b == nil {
		b = []byte{} // an empty file is no missing file
	}
	return b, err
}

// Save replaces the state. When it returns, the new one is on the disk.
func (d *Dir) Save(b []byte) error {
	tmp := filepath.Join(d.path, tempName)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, d.File()); err != nil {
		return err
	}
	return d.sync()
}

// sync puts the names in the directory on the disk. Windows has no such call and needs none.
func (d *Dir) sync() error {
	if !hasModes {
		return nil
	}
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Aside gives the state another name, so that there is none from now on, and returns that name: "" if there was none. It
// never replaces a file.
func (d *Dir) Aside() (string, error) {
	if _, err := os.Lstat(d.File()); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	base := d.File() + ".old-" + time.Now().UTC().Format("20060102T150405Z")
	to := base
	for n := 2; ; n++ {
		_, err := os.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return "", err
		}
		to = fmt.Sprintf("%s-%d", base, n)
	}
	if err := os.Rename(d.File(), to); err != nil { // we hold the lock, so nobody took the name meanwhile
		return "", err
	}
	return to, d.sync()
}

// Close lets others have the directory.
func (d *Dir) Close() error { return d.lock.Close() }
