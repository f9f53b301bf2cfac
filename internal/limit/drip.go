package limit

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// A message that comes a byte at a time until its time is over is an attack: it holds a place and costs its sender
// nothing. A message that is large and slow is not, and one that never comes may be lost. What tells them apart is the
// pieces: no transport cuts a message that was written at once below a few hundred bytes, but for its last piece.
const (
	dripPieces = 4  // so many pieces at least
	dripSize   = 64 // of fewer bytes than this on average
)

// ErrTrickled is the error of a message that was sent in so small pieces that its time ran out.
var ErrTrickled = errors.New("brahms: trickled")

// Drip is a stream's reading side that looks at the pieces in which the bytes come.
type Drip struct {
	From          io.Reader
	pieces, bytes int
}

// Read reads from From.
func (d *Drip) Read(b []byte) (int, error) {
	n, err := d.From.Read(b)
	if n > 0 {
		d.pieces++
		d.bytes += n
	}
	return n, err
}

// Judge returns err, the error of what was read from d, as ErrTrickled if it is that.
func (d *Drip) Judge(err error) error {
	var timeout net.Error
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	if late && d.pieces >= dripPieces && d.bytes < d.pieces*dripSize {
		return fmt.Errorf("%w: %d bytes in %d pieces: %w", ErrTrickled, d.bytes, d.pieces, err)
	}
	return err
}
