// Package atomicfile replaces files at once: whoever reads one finds the old content or the new, never a part of it.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A File takes the new content of a file, in another one beside it. It is not safe for concurrent use.
type File struct {
	target string
	tmp    *os.File
	over   bool
}

// Create begins to replace the file, or to make it. It fails where that cannot be written, and leaves it as it is until
// Commit. What a link points to is replaced, not the link, also where there is nothing yet. Permissions stay.
func Create(file string) (*File, error) {
	target, err := follow(file)
	if err != nil {
		return nil, err
	}
	mode, isThere := fs.FileMode(0o666), false // before the umask
	switch info, err := os.Stat(target); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "replace", Path: file, Err: errors.New("it is no regular file")}
	default:
		old, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		old.Close()
		mode, isThere = info.Mode().Perm(), true
	}
	tmp, err := beside(target, mode|0o200)
	if err != nil {
		return nil, err
	}
	f := &File{target: target, tmp: tmp}
	if isThere { // the umask took some
		if err := matchMode(tmp, mode); err != nil {
			f.Discard()
			return nil, err
		}
	}
	return f, nil
}

// follow is where a chain of links ends.
func follow(file string) (string, error) {
	for at, links := file, 0; links < 40; links++ {
		dir, base := filepath.Split(at)
		if dir == "" {
			dir = "."
		}
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return "", err
		}
		at = filepath.Join(dir, base)
		to, err := os.Readlink(at)
		if err != nil { // no link, or nothing there
			return at, nil
		}
		if !filepath.IsAbs(to) {
			to = dir + string(filepath.Separator) + to
		}
		at = to
	}
	return "", &fs.PathError{Op: "follow", Path: file, Err: errors.New("too many links")}
}

// beside makes a file that was not there before.
func beside(target string, mode fs.FileMode) (*os.File, error) {
	for n := 0; ; n++ {
		name := fmt.Sprintf("%s.%d-%d.tmp", target, os.Getpid(), n)
		tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, fs.ErrExist) {
			return tmp, err
		}
	}
}

func matchMode(f *os.File, mode fs.FileMode) error {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() == mode {
		return err
	}
	return f.Chmod(mode)
}

// Write appends to the new content.
func (f *File) Write(b []byte) (int, error) { return f.tmp.Write(b) }

// Commit puts the new content into place. If only that last step fails the content stays where it is, and the error
// says where.
func (f *File) Commit() error {
	if f.over {
		return fmt.Errorf("%s: %w", f.target, fs.ErrClosed)
	}
	if err := errors.Join(f.tmp.Sync(), f.tmp.Close()); err != nil {
		f.Discard()
		return err
	}
	f.over = true
	if err := os.Rename(f.tmp.Name(), f.target); err != nil {
		return fmt.Errorf("%w; the content is in %s", err, f.tmp.Name())
	}
	return nil
}

// Discard throws the new content away. After Commit it does nothing.
func (f *File) Discard() {
	if f.over {
		return
	}
	f.over = true
	f.tmp.Close()
	os.Remove(f.tmp.Name())
}

// Write replaces the file by one of that content.
func Write(file string, content []byte) error {
	f, err := Create(file)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Commit()
}

// Check fails where Write would for the file as it is now.
func Check(file string) error {
	f, err := Create(file)
	if err == nil {
		f.Discard()
	}
	return err
}
