package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/multiformats/go-varint"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// countingWriter counts calls of Write.
type countingWriter struct {
	bytes.Buffer
	calls int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(p)
}

// readers are the two ways to read a frame; each returns the frame and a function that checks for the end.
var readers = map[string]func(io.Reader, int) ([]byte, func() error, error){
	"ReadFrame": func(r io.Reader, max int) ([]byte, func() error, error) {
		b, err := wire.ReadFrame(r, max)
		return b, func() error { return wire.ReadEOF(r) }, err
	},
	"Reader": func(r io.Reader, max int) ([]byte, func() error, error) {
		fr := wire.NewReader(r)
		b, err := fr.Frame(max)
		return b, fr.EOF, err
	},
}

func TestFrameRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 1023, 1024, 4095, 4096, 4097, 16383, 16384, wire.MaxPullResponse} {
		msg := bytes.Repeat([]byte{0xab}, n)
		var w countingWriter
		must(t, wire.WriteFrame(&w, msg))
		if w.calls != 1 {
			t.Errorf("%d bytes: %d writes, want 1", n, w.calls)
		}
		if !bytes.Equal(w.Bytes(), wire.AppendFrame(nil, msg)) {
			t.Errorf("%d bytes: WriteFrame and AppendFrame differ", n)
		}
		for name, read := range readers {
			for chunks, r := range map[string]io.Reader{
				"whole": bytes.NewReader(w.Bytes()), "single bytes": iotest.OneByteReader(bytes.NewReader(w.Bytes())),
				"data with EOF": iotest.DataErrReader(bytes.NewReader(w.Bytes())),
			} {
				got, eof, err := read(r, n) // exactly the limit
				if err != nil || got == nil || !bytes.Equal(got, msg) {
					t.Errorf("%s, %s, %d bytes: got %d, %v", name, chunks, n, len(got), err)
				}
				if err := eof(); err != nil {
					t.Errorf("%s, %s, %d bytes: end: %v", name, chunks, n, err)
				}
			}
			if n == 0 {
				continue
			}
			if _, _, err := read(bytes.NewReader(w.Bytes()), n-1); !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("%s: %d bytes with limit %d: %v, want ErrTooLarge", name, n, n-1, err)
			}
		}
	}
}

func TestFrameErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, wire.ErrEmpty},
		{"half a length", []byte{0x80}, wire.ErrTruncated},
		{"no body", []byte{5}, wire.ErrTruncated},
		{"half a body", []byte{5, 1, 2}, wire.ErrTruncated},
		{"length not minimal", []byte{0x80, 0x00}, wire.ErrVarint},
		{"length not minimal, with body", []byte{0x81, 0x00, 1}, wire.ErrVarint},
		{"length of 10 bytes", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, wire.ErrVarint},
		{"longest length", varint.ToUvarint(varint.MaxValueUvarint63), wire.ErrTooLarge},
		{"one too large, no body", []byte{101}, wire.ErrTooLarge},
	} {
		for name, read := range readers {
			if got, _, err := read(bytes.NewReader(c.in), 100); !errors.Is(err, c.want) || got != nil {
				t.Errorf("%s: %s: %v, %v, want %v", c.name, name, got, err, c.want)
			}
		}
	}
	if _, err := wire.ReadFrame(bytes.NewReader([]byte{0}), -1); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("negative limit: %v", err)
	}
}

// The stream's own error, a reset with its code for example, stays visible, wherever it strikes.
func TestFrameKeepsStreamError(t *testing.T) {
	reset := errors.New("reset")
	frame := wire.AppendFrame(nil, bytes.Repeat([]byte{1}, 300))
	for cut := range len(frame) {
		for name, read := range readers {
			r := io.MultiReader(bytes.NewReader(frame[:cut]), iotest.ErrReader(reset))
			if _, _, err := read(r, 300); !errors.Is(err, reset) {
				t.Errorf("%s: error after %d bytes: %v", name, cut, err)
			}
		}
	}
	for name, read := range readers {
		r := io.MultiReader(bytes.NewReader(frame), iotest.ErrReader(reset))
		_, eof, err := read(r, 300)
		must(t, err)
		if err := eof(); !errors.Is(err, reset) {
			t.Errorf("%s: error at the end: %v", name, err)
		}
	}
	if err := wire.WriteFrame(errWriter{reset}, []byte{1}); !errors.Is(err, reset) {
		t.Errorf("WriteFrame: %v", err)
	}
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }

// ReadFrame takes no byte of what follows, and both readers report it as trailing.
func TestFrameTrailing(t *testing.T) {
	in := append(wire.AppendFrame(nil, []byte("one")), wire.AppendFrame(nil, []byte("two"))...)
	buf := bytes.NewReader(in)
	// Hide ReadByte, so that the length is read through Read.
	_, err := wire.ReadFrame(struct{ io.Reader }{buf}, 10)
	must(t, err)
	if buf.Len() != 4 {
		t.Errorf("%d bytes left, want 4", buf.Len())
	}
	if err := wire.ReadEOF(buf); !errors.Is(err, wire.ErrTrailing) {
		t.Errorf("ReadEOF = %v, want ErrTrailing", err)
	}
	fr := wire.NewReader(bytes.NewReader(in))
	for _, want := range []string{"one", "two"} {
		got, err := fr.Frame(10)
		if err != nil || string(got) != want {
			t.Errorf("Frame = %q, %v, want %q", got, err, want)
		}
	}
	must(t, fr.EOF())
	if _, err := fr.Frame(10); !errors.Is(err, wire.ErrEmpty) {
		t.Errorf("Frame at the end = %v, want ErrEmpty", err)
	}
	fr = wire.NewReader(bytes.NewReader(in))
	_, err = fr.Frame(10)
	must(t, err)
	if err := fr.EOF(); !errors.Is(err, wire.ErrTrailing) {
		t.Errorf("EOF = %v, want ErrTrailing", err)
	}
}

// A connection that breaks is not the end of its streams, although its error may wrap io.EOF, as yamux's does.
func TestBrokenConnectionIsNoEnd(t *testing.T) {
	for _, cause := range []error{io.EOF, io.ErrUnexpectedEOF} {
		broken := fmt.Errorf("stream reset: connection closed: %w", cause)
		for sent, want := range map[string]error{"": wire.ErrEmpty, "\x80": wire.ErrTruncated, "\x08ab": wire.ErrTruncated, "\x01a": nil} {
			for name, read := range readers {
				r := io.MultiReader(strings.NewReader(sent), iotest.ErrReader(broken))
				_, end, err := read(r, 100)
				if want == nil {
					if err != nil {
						t.Errorf("%s, %q: %v", name, sent, err)
					}
					err = end()
				}
				if !errors.Is(err, broken) || errors.Is(err, wire.ErrEmpty) || errors.Is(err, wire.ErrTruncated) {
					t.Errorf("%s, %q: %v", name, sent, err)
				}
				// The control: the end of the stream itself.
				_, end, err = read(strings.NewReader(sent), 100)
				if !errors.Is(err, want) || want == nil && end() != nil {
					t.Errorf("%s, %q: %v, want %v", name, sent, err, want)
				}
			}
		}
	}
}
