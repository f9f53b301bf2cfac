package host

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A benchPair is two services on loopback hosts with one connection between them, and rounds so long that nothing but
// the benchmark happens.
type benchPair struct{ client, server *victim }

func newBenchPair(b *testing.B) benchPair {
	p := benchPair{newVictim(b, WithRoundInterval(MaxInterval)), newVictim(b, WithRoundInterval(MaxInterval))}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	if err := p.client.host.Connect(ctx, p.server.info()); err != nil {
		b.Fatal(err)
	}
	eventuallyTrue(b, "identified", func() bool {
		known, err := p.client.host.Peerstore().SupportsProtocols(p.server.self, p.client.protocols[:]...)
		return err == nil && len(known) == int(kinds)
	})
	return p
}

// publish makes the server's view one of n peers, whose records the client has as well.
func (p benchPair) publish(b *testing.B, n int) {
	var view []peer.ID
	for i := range n {
		signer := newRecordSigner(b)
		addr := func(k int) string { return fmt.Sprintf("/ip4/10.0.%d.%d/udp/4001/quic-v1", k, i) }
		raw := signer.seal(b, 1, addr(1), addr(2), addr(3), addr(4))
		for _, s := range []*victim{p.client, p.server} {
			if _, _, err := s.book.put(raw, fromGossip, "namer", classPrivate); err != nil {
				b.Fatal(err)
			}
		}
		view = append(view, signer.id)
	}
	snap := *p.server.Snapshot()
	snap.View, snap.reply = view, p.server.encodeView(wire.StatusTaken, view, wire.MaxPullResponse)
	p.server.published.Store(&snap)
}

// exchange returns one exchange of the client with the server.
func (p benchPair) exchange(b *testing.B, k kind, ids int) func() {
	ctx := context.Background()
	return func() {
		a := p.client.net.exchange(ctx, k, p.server.self)
		if a.outcome != protocol.Alive || a.replied != (k == pull) || len(a.ids) != ids {
			b.Fatalf("%s: %v, %d ids, %v", kindNames[k], a.outcome, len(a.ids), a.err)
		}
	}
}

// frames returns the bytes that the exchange k sends each way.
func (p benchPair) frames(b *testing.B, k kind) (request, response []byte) {
	switch k {
	case push:
		return pushOf(p.client.own.Load().raw), unhexFrame("020801")
	case pull:
		return []byte{0}, p.server.Snapshot().reply
	}
	m, err := wire.ProbeRequest{Nonce: make([]byte, wire.MinNonceSize)}.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	return wire.AppendFrame(nil, m), unhexFrame("020801")
}

// echo returns a bare exchange of the same bytes: a new stream of a known protocol, a deadline, half-close, read to EOF.
func (p benchPair) echo(b *testing.B, k kind) func() {
	request, response := p.frames(b, k)
	id := coreprotocol.ID(fmt.Sprintf("/brahms/bench/%d/%d", k, len(response)))
	timeout := p.client.cfg.exchange
	p.server.host.SetStreamHandler(id, func(st network.Stream) {
		_ = st.SetDeadline(time.Now().Add(timeout))
		if n, err := io.Copy(io.Discard, st); err != nil || n != int64(len(request)) {
			b.Errorf("echo got %d bytes, %v", n, err)
		}
		_, _ = st.Write(response)
		_ = st.Close()
	})
	if err := p.client.host.Peerstore().AddProtocols(p.server.self, id); err != nil {
		b.Fatal(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		st, err := p.client.host.NewStream(ctx, p.server.self, id)
		if err != nil {
			b.Fatal(err)
		}
		_ = st.SetDeadline(time.Now().Add(timeout))
		if _, err := st.Write(request); err != nil {
			b.Fatal(err)
		}
		if err := st.CloseWrite(); err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, st); err != nil || n != int64(len(response)) {
			b.Fatalf("echo answered %d bytes, %v", n, err)
		}
		_ = st.Close()
	}
}

func benchExchange(b *testing.B, k kind, ids int) {
	p := newBenchPair(b)
	p.publish(b, ids)
	b.Run("exchange", func(b *testing.B) {
		do := p.exchange(b, k, ids)
		b.ReportAllocs()
		for b.Loop() {
			do()
		}
	})
	b.Run("echo", func(b *testing.B) {
		do := p.echo(b, k)
		b.ReportAllocs()
		for b.Loop() {
			do()
		}
	})
}

func BenchmarkPush(b *testing.B)    { benchExchange(b, push, 0) }
func BenchmarkProbe(b *testing.B)   { benchExchange(b, probe, 0) }
func BenchmarkPull40(b *testing.B)  { benchExchange(b, pull, 40) }
func BenchmarkPull100(b *testing.B) { benchExchange(b, pull, 100) }

// BenchmarkRatio reports what the exchanges cost beside a bare echo of the same bytes: the median of 10 runs, in each of
// which the two alternate.
func BenchmarkRatio(b *testing.B) {
	const runs, batch = 10, 300
	for _, c := range []struct {
		name string
		k    kind
		ids  int
	}{{"push", push, 0}, {"probe", probe, 0}, {"pull40", pull, 40}, {"pull100", pull, 100}} {
		b.Run(c.name, func(b *testing.B) {
			p := newBenchPair(b)
			p.publish(b, c.ids)
			exchange, echo := p.exchange(b, c.k, c.ids), p.echo(b, c.k)
			timed := func(do func()) float64 {
				begin := time.Now()
				for range batch {
					do()
				}
				return float64(time.Since(begin).Microseconds()) / batch
			}
			timed(exchange)
			timed(echo)
			for b.Loop() {
				var ratios, each, bare []float64
				for i := range runs {
					var x, e float64
					if i%2 == 0 {
						x, e = timed(exchange), timed(echo)
					} else {
						e, x = timed(echo), timed(exchange)
					}
					ratios, each, bare = append(ratios, x/e), append(each, x), append(bare, e)
				}
				b.ReportMetric(median(ratios), "x-echo")
				b.ReportMetric(median(each), "µs/exchange")
				b.ReportMetric(median(bare), "µs/echo")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
