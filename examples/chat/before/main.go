// Command before is the chat that the tutorial (../README.md) starts from: two peers, each a line at a time, and whoever joins must be
// given the address of the one to talk to.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	chatID   = "/chat/1.0.0"
	longest  = 1024 // bytes of a line
	patience = 10 * time.Second
)

func main() {
	listen := flag.String("listen", "/ip4/0.0.0.0/tcp/0", "`MULTIADDR` to listen on")
	to := flag.String("to", "", "`MULTIADDR` of the peer to talk to, ending in /p2p/ID")
	flag.Parse()
	if err := run(context.Background(), *listen, *to, os.Stdin, os.Stdout); err != nil { // until an interrupt kills it
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, to string, in io.Reader, out io.Writer) error {
	h, err := libp2p.New(libp2p.ListenAddrStrings(listen))
	if err != nil {
		return err
	}
	defer h.Close()
	h.SetStreamHandler(chatID, func(s network.Stream) { hear(s, out) })
	for _, a := range h.Addrs() {
		fmt.Fprintf(out, "%s/p2p/%s\n", a, h.ID())
	}
	if to == "" {
		<-ctx.Done()
		return nil
	}
	friend, err := peer.AddrInfoFromString(to)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		say(ctx, h, *friend, lines.Text())
	}
	return nil
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
