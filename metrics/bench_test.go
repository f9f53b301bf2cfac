package metrics

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/usage"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// maxShare is what recording may take of the processor time of a round.
const maxShare = .02

// counted is a tracer that counts what it is told, besides recording it.
type counted struct {
	*Tracer
	svc            *brahmshost.Service
	events, rounds atomic.Int64
	ended          chan struct{}
}

func (c *counted) Exchanged(e brahmshost.Exchange, o protocol.ProbeOutcome, took time.Duration) {
	c.events.Add(1)
	c.Tracer.Exchanged(e, o, took)
}

func (c *counted) Served(e brahmshost.Exchange, took time.Duration) {
	c.events.Add(1)
	c.Tracer.Served(e, took)
}

func (c *counted) Refused(why brahmshost.Reason, times uint64) {
	c.events.Add(1)
	c.Tracer.Refused(why, times)
}

func (c *counted) RoundEnded(s *brahmshost.Status) {
	c.rounds.Add(1)
	c.Tracer.RoundEnded(s)
	select {
	case c.ended <- struct{}{}:
	default:
	}
}

// network starts n peers on loopback, each with a tracer that registers with reg.
func network(b testing.TB, reg prometheus.Registerer, n int, interval time.Duration) []*counted {
	b.Helper()
	var out []*counted
	var last []peer.AddrInfo
	for i := range n {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { h.Close() })
		c := &counted{Tracer: newTracer(b, reg, prometheus.Labels{"peer": fmt.Sprint(i)}), ended: make(chan struct{}, 1)}
		svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(interval),
			brahmshost.WithBootstrap(last...), brahmshost.WithTracer(c))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { svc.Close() })
		c.svc = svc
		out, last = append(out, c), []peer.AddrInfo{{ID: h.ID(), Addrs: h.Addrs()}}
	}
	return out
}

// wait returns after the given number of rounds of c.
func (c *counted) wait(rounds int) {
	for range rounds {
		<-c.ended
	}
}

func total64(peers []*counted) (events, rounds int64) {
	for _, c := range peers {
		events, rounds = events+c.events.Load(), rounds+c.rounds.Load()
	}
	return events, rounds
}

// BenchmarkShareOfRound runs 24 real peers on loopback and compares, in one run, the processor time of a round of one of
// them with that of recording as much as a round brings. It fails where that is more than 2%.
func BenchmarkShareOfRound(b *testing.B) {
	const peers, warmUp, rounds = 24, 10, 30
	for b.Loop() {
		net := network(b, prometheus.NewRegistry(), peers, 200*time.Millisecond)
		net[0].wait(warmUp) // connections are there by then
		events, ended := total64(net)
		cpu := usage.CPUTime()
		net[0].wait(rounds)
		cpu = usage.CPUTime() - cpu
		e, r := total64(net)
		events, ended = e-events, r-ended
		perRound := float64(events) / float64(ended)
		round := cpu.Seconds() / float64(ended)

		// The same again without a network: that many events, half of them ours, then the end of the round.
		tracer := newTracer(b, prometheus.NewRegistry(), nil)
		status := statusOf(make([]peer.ID, 40)...)
		const repeats = 2000
		n := int(perRound)
		cpu = usage.CPUTime()
		for range repeats {
			for i := range n {
				if i%2 == 0 {
					tracer.Exchanged(brahmshost.ExchangePull, protocol.Alive, 3*time.Millisecond)
				} else {
					tracer.Served(brahmshost.ExchangePush, 3*time.Millisecond)
				}
			}
			tracer.RoundEnded(status)
		}
		recording := (usage.CPUTime() - cpu).Seconds() / repeats
		share := recording / round
		b.ReportMetric(perRound, "events/round")
		b.ReportMetric(1e9*recording/float64(n+1), "ns/event")
		b.ReportMetric(1e6*round, "cpu-us/round")
		b.ReportMetric(100*share, "%-of-round")
		b.ReportMetric(0, "ns/op") // means nothing
		if share > maxShare {
			b.Errorf("recording takes %.2f%% of a round, more than %v%%", 100*share, 100*maxShare)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	tracer := newTracer(b, prometheus.NewRegistry(), nil)
	status := statusOf(make([]peer.ID, 40)...)
	b.Run("exchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tracer.Exchanged(brahmshost.ExchangePull, protocol.Alive, 3*time.Millisecond)
		}
	})
	b.Run("served", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tracer.Served(brahmshost.ExchangePull, 3*time.Millisecond)
		}
	})
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tracer.Refused(brahmshost.ReasonRateLimited, 1)
		}
	})
	b.Run("round", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tracer.RoundEnded(status)
		}
	})
}
