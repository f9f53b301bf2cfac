package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/brahms-p2p/brahms-p2p/spread"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// defaultTopic is the topic of the lines that peers send to each other unless they agree on another.
const defaultTopic = "chat"

// input sends the lines of a terminal, a pipe or a file as messages.
type input struct {
	from   io.Reader
	to     spreader
	topic  string
	turn   <-chan struct{} // a round is over: somebody may be known now
	stderr io.Writer
	agree  *agreement // nil: no line is a proposal
}

type spreader interface {
	Spread(ctx context.Context, topic string, payload []byte) (spread.Report, error)
}

// run sends one line after the other until the input, or ctx, ends, but for those that propose a word. Empty lines are none. It goes on to wait for input after
// ctx has ended, since nothing can wake it up: it ends with the process.
func (in *input) run(ctx context.Context) {
	ignoreTerminalStop()
	r := bufio.NewReaderSize(in.from, message.MaxPayload+2) // a line of full size, and its end
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			fmt.Fprintf(in.stderr, "%s: a line of more than %d bytes was not sent\n", name, message.MaxPayload)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
			line = nil
		}
		line = trimEnd(line)
		if len(line) > 0 && !in.send(ctx, line) {
			return
		}
		if err != nil { // the end, or a terminal that is not ours any more
			return
		}
	}
}

// send sends one line, as soon as somebody is there to send it to. It reports whether to go on.
func (in *input) send(ctx context.Context, line []byte) bool {
	failed := func(err error) { fmt.Fprintf(in.stderr, "%s: %s\n", name, oneLine(err)) }
	if is, err := in.agree.take(ctx, line, failed); is {
		if err != nil {
			failed(err)
		}
		return true
	}
	for {
		_, err := in.to.Spread(ctx, in.topic, line)
		switch {
		case errors.Is(err, spread.ErrNoPeers):
			select {
			case <-in.turn:
				continue
			case <-ctx.Done():
				return false
			}
		case errors.Is(err, spread.ErrClosed), ctx.Err() != nil:
			return false
		case err != nil:
			fmt.Fprintf(in.stderr, "%s: message: %s\n", name, oneLine(err))
		}
		return true
	}
}

// trimEnd cuts the end of a line off, of any system.
func trimEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}
