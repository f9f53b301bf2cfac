package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/spread"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// spreaders answers each message in turn.
type spreaders struct {
	got  []string
	errs []error // of the first
}

func (s *spreaders) Spread(_ context.Context, _ string, payload []byte) (spread.Report, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		if s.errs = s.errs[1:]; err != nil {
			return spread.Report{}, err
		}
	}
	s.got = append(s.got, string(payload))
	return spread.Report{}, nil
}

// TestInput: each line is a message, as long as messages may be; what could not be sent is said, and the rest is sent.
func TestInput(t *testing.T) {
	long := strings.Repeat("x", message.MaxPayload)
	few := fmt.Errorf("%w: 1 of 2", spread.ErrFewTook)
	for _, c := range []struct {
		in     string
		errs   []error
		got    []string
		stderr string
	}{
		{"", nil, nil, ""},
		{"a\nb", nil, []string{"a", "b"}, ""},
		{"\n\r\na\r\n\n", nil, []string{"a"}, ""},
		{long + "\nb\n", nil, []string{long, "b"}, ""},
		{long + "y\nb\n", nil, []string{long + "y", "b"}, ""}, // the service says that it is too long
		{long + long + "yy\nb\n", nil, []string{"b"}, "brahms-p2p: a line of more than 65536 bytes was not sent\n"},
		{long + long, nil, nil, "brahms-p2p: a line of more than 65536 bytes was not sent\n"},
		{"a\nb\n", []error{few}, []string{"b"}, "brahms-p2p: message: too few peers took the message: 1 of 2\n"},
		{"a\nb\n", []error{spread.ErrNoPeers, spread.ErrNoPeers}, []string{"a", "b"}, ""}, // as soon as somebody is known
		{"a\nb\n", []error{spread.ErrClosed}, nil, ""},
	} {
		turn := make(chan struct{}, 2)
		turn <- struct{}{}
		turn <- struct{}{}
		to := &spreaders{errs: c.errs}
		var stderr bytes.Buffer
		(&input{from: strings.NewReader(c.in), to: to, topic: "t", turn: turn, stderr: &stderr}).run(t.Context())
		if !slices.Equal(to.got, c.got) || stderr.String() != c.stderr {
			t.Errorf("%.20q: sent %d lines, stderr %q", c.in, len(to.got), &stderr)
		}
	}
	// While nobody is known it waits, and ends with the peer.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	to := &spreaders{errs: []error{spread.ErrNoPeers, spread.ErrNoPeers}}
	(&input{from: strings.NewReader("a\nb\n"), to: to, turn: make(chan struct{}), stderr: io.Discard}).run(ctx)
	if len(to.got) != 0 {
		t.Errorf("sent %q", to.got)
	}
	to = &spreaders{errs: []error{errors.New("x")}}
	broken := io.MultiReader(strings.NewReader("a"), &failing{})
	(&input{from: broken, to: to, turn: make(chan struct{}), stderr: io.Discard}).run(t.Context()) // ends
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no terminal") }

// TestPrintable: a message cannot move the cursor, nor look like another line.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"hello": "hello", `say "hi" \o/`: `say "hi" \o/`, "ä€😀": "ä€😀", "a\nround 5": `a\nround 5`, "\x1b[2J": `\x1b[2J`, "\xff": `\xff`, "a\u202eb": `a\u202eb`, "": "",
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q is printed as %s, want %s", in, got, want)
		}
	}
}
