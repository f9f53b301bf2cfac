package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/multiformats/go-varint"
)

const (
	// firstRead is what a frame's body may allocate before any of it has arrived; later steps double.
	firstRead = 4 << 10
	// bufferSize of a Reader: most requests and answers fit, a long pull answer is read past it.
	bufferSize = 1 << 10
)

// AppendFrame appends msg, behind its length, to dst.
func AppendFrame(dst, msg []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(msg)))
	return append(dst, msg...)
}

// WriteFrame writes msg behind its length with a single call of w.Write, so that it leaves as one packet of the muxer.
func WriteFrame(w io.Writer, msg []byte) error {
	_, err := w.Write(AppendFrame(make([]byte, 0, binary.MaxVarintLen64+len(msg)), msg))
	return err
}

// ReadFrame reads one frame of at most max bytes and not a byte beyond it. A frame of no bytes is legal and returned as
// an empty slice: the hello of a push and every pull request of r0 are such.
//
// It fails with ErrEmpty, ErrTruncated, ErrVarint or ErrTooLarge, or with the error of r, wrapped. It allocates in
// proportion to the bytes that arrived. The length is read byte by byte unless r is an io.ByteReader; for streams whose
// reads take a lock use a Reader.
func ReadFrame(r io.Reader, max int) ([]byte, error) {
	br, ok := r.(io.ByteReader)
	if !ok {
		br = &byteReader{r: r}
	}
	return readFrame(r, br, max, nil)
}

// ReadEOF reports whether the stream ends here: nil if so, ErrTrailing if there is another byte, else the error of r.
func ReadEOF(r io.Reader) error {
	var b [1]byte
	switch _, err := io.ReadFull(r, b[:]); err {
	case nil:
		return ErrTrailing
	case io.EOF: // itself: see readFrame
		return nil
	default:
		return fmt.Errorf("wire: read to the end: %w", err)
	}
}

// Reader reads the frames of one stream through buffers of its own. It must own the stream's reading side: it may take
// more than it returns. Its buffers serve one stream after the other: see Reset.
type Reader struct {
	br  *bufio.Reader
	buf []byte
}

// keepBuffer is the largest frame buffer that Reset keeps: most pull answers fit, and the largest are not held on to.
const keepBuffer = 32 << 10

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, bufferSize)}
}

// Reset makes the Reader read another stream, or with nil let go of the last. Frames that it returned are no longer valid.
func (r *Reader) Reset(from io.Reader) {
	r.br.Reset(from)
	if cap(r.buf) > keepBuffer {
		r.buf = nil
	}
}

// Frame is ReadFrame, but for the slice, which is valid until the next call of Frame or Reset. What Decode functions make
// of it stays valid.
func (r *Reader) Frame(max int) ([]byte, error) {
	frame, err := readFrame(r.br, r.br, max, r.buf)
	if cap(frame) > cap(r.buf) {
		r.buf = frame
	}
	return frame, err
}

// EOF is ReadEOF.
func (r *Reader) EOF() error { return ReadEOF(r.br) }

// readFrame takes io.EOF for the end of the stream, but no error that wraps it: yamux wraps the end of a connection, which
// nobody has to answer for, into the error of each stream that was open on it.
func readFrame(r io.Reader, br io.ByteReader, max int, buf []byte) ([]byte, error) {
	n, err := varint.ReadUvarint(br)
	switch {
	case err == nil:
	case err == io.ErrUnexpectedEOF:
		return nil, fmt.Errorf("%w: in the length", ErrTruncated)
	case err == io.EOF:
		return nil, ErrEmpty
	case errors.Is(err, varint.ErrOverflow), errors.Is(err, varint.ErrNotMinimal):
		return nil, fmt.Errorf("%w: %v", ErrVarint, err)
	default:
		return nil, fmt.Errorf("wire: read frame: %w", err)
	}
	if max < 0 || n > uint64(max) {
		return nil, fmt.Errorf("%w: frame of %d bytes, limit %d", ErrTooLarge, n, max)
	}
	return readBody(r, int(n), buf)
}

// readBody reads n bytes, into buf as far as that has room. What it allocates is never larger than firstRead or twice
// what has arrived: a peer that declares 256 KiB and sends nothing costs 4 KiB.
func readBody(r io.Reader, n int, buf []byte) ([]byte, error) {
	if room := min(n, max(firstRead, cap(buf))); cap(buf) < room || buf == nil {
		buf = make([]byte, room)
	} else {
		buf = buf[:room]
	}
	for have := 0; ; {
		m, err := io.ReadFull(r, buf[have:])
		have += m
		switch {
		case err == nil:
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return nil, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, have, n)
		default:
			return nil, fmt.Errorf("wire: read frame: %w", err)
		}
		if have == n {
			return buf, nil
		}
		next := make([]byte, min(n, 2*have))
		copy(next, buf)
		buf = next
	}
}

// byteReader reads single bytes of a reader that has no ReadByte, never more than it is asked for.
type byteReader struct {
	r io.Reader
	b [1]byte
}

func (r *byteReader) ReadByte() (byte, error) {
	_, err := io.ReadFull(r.r, r.b[:])
	return r.b[0], err
}
