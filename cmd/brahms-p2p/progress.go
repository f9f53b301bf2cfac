package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far something is, on a terminal only. The zero bar shows nothing.
type bar struct{ on *progressbar.ProgressBar }

// newBar returns a bar of that many steps on w, with a guess of the time that is left if steps take equally long.
func newBar(w io.Writer, steps int, left bool) *bar {
	if !isTerminal(w) {
		return &bar{}
	}
	opts := []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(40), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(left), progressbar.OptionSetElapsedTime(left), progressbar.OptionSetRenderBlankState(true),
	}
	if left { // steps may be short
		opts = append(opts, progressbar.OptionThrottle(50*time.Millisecond))
	}
	return &bar{progressbar.NewOptions(steps, opts...)}
}

// show says what is going on, after so many steps.
func (b *bar) show(steps int, text string) {
	if b.on != nil {
		b.on.Describe(text)
		_ = b.on.Set(steps)
	}
}

func (b *bar) clear() {
	if b.on != nil {
		_ = b.on.Clear()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
