// Command rawpeer is a libp2p host that writes whatever bytes it is told to and reports what comes back. The tests of other
// implementations of /brahms/1.0.0 use it to send them what a correct peer never sends, over the transport of go-libp2p.
//
// It prints one JSON object a line: first its id and addresses, then the outcome of each command that it reads, as one JSON
// object a line, from its standard input. It ends with that.
//
//	{"op":"send","to":MULTIADDR,"protocol":ID,"parts":[HEX...],"open":BOOL}
//	{"op":"serve","protocol":ID,"answer":HEX,"eager":BOOL}
//
// send opens a stream and writes the parts; before each but the first it waits for bytes. Then it closes its side, unless open is
// set, reads to the end, and reports {"received":HEX,"end":"eof" or "reset" or "timeout"}. serve answers each stream of a protocol with
// the same bytes, once the other side has closed its own (with eager: once it has written), and reports {"serving":ID}.
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// Bounds of one exchange: nothing of this waits for ever, or keeps what nobody bounds.
const (
	patience = 10 * time.Second
	mostRead = 1 << 20
)

type command struct {
	Op       string      `json:"op"`
	To       string      `json:"to"`
	Protocol protocol.ID `json:"protocol"`
	Parts    []string    `json:"parts"`
	Answer   string      `json:"answer"`
	Open     bool        `json:"open"`
	Eager    bool        `json:"eager"`
}

type outcome struct {
	ID       string   `json:"id,omitempty"`
	Addrs    []string `json:"addrs,omitempty"`
	Serving  string   `json:"serving,omitempty"`
	Received string   `json:"received"`
	End      string   `json:"end,omitempty"`
	Code     uint32   `json:"code,omitempty"` // of a reset
	Security string   `json:"security,omitempty"`
	Muxer    string   `json:"muxer,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func main() {
	seed := flag.String("seed", "", "`HEX` of the 32 bytes that the Ed25519 key is made of")
	flag.Parse()
	if err := run(*seed, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rawpeer:", err)
		os.Exit(1)
	}
}

func run(seed string, in io.Reader, out io.Writer) error {
	h, err := newHost(seed)
	if err != nil {
		return err
	}
	defer h.Close()
	addrs, err := peer.AddrInfoToP2pAddrs(corehost.InfoFromHost(h))
	if err != nil {
		return err
	}
	started := outcome{ID: h.ID().String()}
	for _, a := range addrs {
		started.Addrs = append(started.Addrs, a.String())
	}
	enc := json.NewEncoder(out)
	if err := enc.Encode(started); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4*mostRead)
	for lines.Scan() {
		res, err := do(h, lines.Bytes())
		if err != nil {
			res.Error = err.Error()
		}
		if err := enc.Encode(res); err != nil {
			return err
		}
	}
	return lines.Err()
}

// newHost speaks TCP, Noise and Yamux alone: what other implementations speak too.
func newHost(seed string) (corehost.Host, error) {
	b, err := hex.DecodeString(seed)
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("seed=%q must be 32 bytes in hex", seed)
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(b))
	if err != nil {
		return nil, err
	}
	return libp2p.New(
		libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(),
		libp2p.NoTransports, libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
	)
}

func do(h corehost.Host, line []byte) (outcome, error) {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return outcome{}, err
	}
	switch c.Op {
	case "send":
		return send(h, c)
	case "serve":
		return serve(h, c)
	}
	return outcome{}, fmt.Errorf("op=%q must be send or serve", c.Op)
}

func send(h corehost.Host, c command) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	to, err := peer.AddrInfoFromString(c.To)
	if err != nil {
		return outcome{}, err
	}
	if err := h.Connect(ctx, *to); err != nil {
		return outcome{}, err
	}
	st, err := h.NewStream(ctx, to.ID, c.Protocol)
	if err != nil {
		return outcome{}, err
	}
	defer st.Close()
	_ = st.SetDeadline(time.Now().Add(patience))
	state := st.Conn().ConnState()
	res := outcome{Security: string(state.Security), Muxer: string(state.StreamMultiplexer)}
	var got []byte
	for i, part := range c.Parts {
		b, err := hex.DecodeString(part)
		if err != nil {
			return res, err
		}
		if i > 0 {
			chunk := make([]byte, 4096)
			n, err := st.Read(chunk)
			if got = append(got, chunk[:n]...); err != nil {
				return ended(res, got, err)
			}
		}
		if _, err := st.Write(b); err != nil {
			return ended(res, got, err)
		}
	}
	if !c.Open {
		_ = st.CloseWrite() // a reset that came meanwhile is reported by the read
	}
	rest, err := io.ReadAll(io.LimitReader(st, mostRead))
	return ended(res, append(got, rest...), err)
}

// ended says how a stream came to its end.
func ended(res outcome, got []byte, err error) (outcome, error) {
	var reset *network.StreamError
	res.Received = hex.EncodeToString(got)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		res.End = "eof"
	case errors.As(err, &reset):
		res.End, res.Code = "reset", uint32(reset.ErrorCode)
	case errors.Is(err, network.ErrReset):
		res.End = "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		res.End = "timeout"
	default:
		return res, err
	}
	return res, nil
}

func serve(h corehost.Host, c command) (outcome, error) {
	answer, err := hex.DecodeString(c.Answer)
	if err != nil {
		return outcome{}, err
	}
	h.SetStreamHandler(c.Protocol, func(st network.Stream) {
		_ = st.SetDeadline(time.Now().Add(patience))
		n := int64(mostRead)
		if c.Eager {
			n = 1
		}
		if _, err := io.CopyN(io.Discard, st, n); err != nil && err != io.EOF {
			_ = st.Reset()
			return
		}
		if _, err := st.Write(answer); err != nil {
			_ = st.Reset()
			return
		}
		_ = st.CloseWrite()
		_, _ = io.CopyN(io.Discard, st, mostRead)
		_ = st.Close()
	})
	return outcome{Serving: string(c.Protocol)}, nil
}
