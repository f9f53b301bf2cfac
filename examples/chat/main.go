// Command chat is the chat of before/ with the sampler added: a line goes to peers that nobody had to name, drawn at random from
// all that are there. README.md goes through it step by step.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

const (
	chatID   = "/chat/1.0.0"
	longest  = 1024 // bytes of a line
	patience = 10 * time.Second
	audience = 8 // peers that hear a line
)

// settings are what the command line says.
type settings struct {
	listen, seed string
	lan          bool
	interval     time.Duration
}

func main() {
	var c settings
	flag.StringVar(&c.listen, "listen", "/ip4/0.0.0.0/tcp/0", "`MULTIADDR` to listen on")
	flag.StringVar(&c.seed, "seed", "", "`MULTIADDR` of anybody who is there, ending in /p2p/ID")
	flag.BoolVar(&c.lan, "lan", false, "chat on one machine or LAN: private addresses are good ones")
	flag.DurationVar(&c.interval, "interval", brahmshost.DefaultInterval, "`LENGTH` of a round of the sampler")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second interrupt ends it at once
	if err := run(ctx, c, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c settings, in io.Reader, out io.Writer) error {
	h, err := libp2p.New(libp2p.ListenAddrStrings(c.listen))
	if err != nil {
		return err
	}
	defer h.Close()
	h.SetStreamHandler(chatID, func(s network.Stream) { hear(s, out) })

	sampler, err := newSampler(h, c)
	if err != nil {
		return err
	}
	defer sampler.Close()

	for _, a := range h.Addrs() {
		fmt.Fprintf(out, "%s/p2p/%s\n", a, h.ID())
	}
	lines := typed(ctx, in)
	next := func() (line string, more bool) {
		select {
		case line, more = <-lines:
		case <-ctx.Done():
		}
		return line, more
	}
	for line, more := next(); more; line, more = next() {
		var heard sync.WaitGroup
		for _, p := range sampler.Random(audience) {
			heard.Go(func() { say(ctx, h, p, line) })
		}
		heard.Wait()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = sampler.Leave(ctx) // the others need not find out by themselves
	return nil
}

// typed gives the lines of in until it, or ctx, ends. A goroutine waits for them, since nothing can wake up who reads a terminal.
func typed(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// newSampler joins the network of the chat: peers with another prefix are another network.
func newSampler(h host.Host, c settings) (*brahmshost.Service, error) {
	opts := []brahmshost.Option{
		brahmshost.WithProtocolPrefix("/chat"),
		brahmshost.WithAllowPrivate(c.lan),
		brahmshost.WithRoundInterval(c.interval),
	}
	if c.seed != "" {
		seed, err := peer.AddrInfoFromString(c.seed)
		if err != nil {
			return nil, err
		}
		opts = append(opts, brahmshost.WithBootstrap(*seed))
	}
	return brahmshost.New(h, opts...)
}

// say sends a line to one peer.
func say(ctx context.Context, h host.Host, to peer.AddrInfo, line string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := h.Connect(ctx, to); err != nil {
		return
	}
	s, err := h.NewStream(ctx, to.ID, chatID)
	if err != nil {
		return
	}
	defer s.Close()
	_, _ = fmt.Fprintln(s, line)
}

// hear prints the line of a stream.
func hear(s network.Stream, out io.Writer) {
	defer s.Close()
	_ = s.SetDeadline(time.Now().Add(patience))
	lines := bufio.NewScanner(io.LimitReader(s, longest))
	if lines.Scan() {
		fmt.Fprintf(out, "%s: %q\n", s.Conn().RemotePeer().ShortString(), lines.Text())
	}
}
