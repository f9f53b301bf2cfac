package limit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// Only a message in many small pieces that ran out of its time has trickled. What is large and slow has not, nor what
// stopped early, nor what failed otherwise.
func TestDrip(t *testing.T) {
	late := fmt.Errorf("wire: read frame: %w", os.ErrDeadlineExceeded)
	for _, c := range []struct {
		name   string
		pieces int
		size   int
		err    error
		want   bool
	}{
		{"a byte at a time", 10, 1, late, true},
		{"as many pieces as it takes", dripPieces, 1, late, true},
		{"one piece fewer", dripPieces - 1, 1, late, false},
		{"as large as pieces may be", 10, dripSize - 1, late, true},
		{"a byte larger", 10, dripSize, late, false},
		{"nothing came", 0, 0, late, false},
		{"in time", 10, 1, nil, false},
		{"reset", 10, 1, io.ErrClosedPipe, false},
	} {
		d := &Drip{}
		for range c.pieces {
			d.From = bytes.NewReader(make([]byte, c.size))
			if n, err := d.Read(make([]byte, 2*dripSize)); n != c.size || err != nil {
				t.Fatalf("read %d, %v", n, err)
			}
		}
		d.From = iotest.ErrReader(errors.New("over"))
		if n, err := d.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("read %d, %v", n, err)
		}
		err := d.Judge(c.err)
		if got := errors.Is(err, ErrTrickled); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
