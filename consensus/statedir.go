package consensus

import (
	"fmt"

	"github.com/brahms-p2p/brahms-p2p/internal/statefile"
)

// A StateDir is a Store: a directory that keeps the state of one service (WithStore), locked against other processes. The
// directory of a sampler (brahmshost.OpenStateDir) is another one. It is not safe for concurrent use.
type StateDir struct{ dir *statefile.Dir }

// OpenStateDir takes the directory for this process, and makes it if there is none; its parent must be there. It fails
// where another process has it, and where others may write to it. Close it after the service.
func OpenStateDir(path string) (*StateDir, error) {
	d, err := statefile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("consensus: state directory: %w", err)
	}
	return &StateDir{dir: d}, nil
}

// Load returns the state, nil if there is none yet. It fails where others may read or change it.
func (d *StateDir) Load(most int64) ([]byte, error) { return d.dir.Load(most) }

// Save replaces the state. Who is killed at any instant leaves the old one or the new one.
func (d *StateDir) Save(b []byte) error { return d.dir.Save(b) }

// File is the name of the file that holds the state.
func (d *StateDir) File() string { return d.dir.File() }

// Reset lets the next New start without a state. The state that is there is kept under another name, which is returned:
// "" if there is none. It must not be called while a service uses d.
func (d *StateDir) Reset() (kept string, err error) {
	if kept, err = d.dir.Aside(); err != nil {
		return "", fmt.Errorf("consensus: state directory: %w", err)
	}
	return kept, nil
}

// Close lets others have the directory.
func (d *StateDir) Close() error { return d.dir.Close() }
