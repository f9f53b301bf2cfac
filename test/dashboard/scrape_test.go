package dashboard

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb/chunks"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/metrics"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// The names of two processes that are scraped, as Prometheus would give them.
const instanceA, instanceB = "127.0.0.1:7780", "127.0.0.1:7781"

// scraped is what Prometheus has of two peers that have run for a while.
type scraped struct {
	store    *store
	engine   *promql.Engine
	from, to time.Time
}

// waiter tells when a round of a service has ended.
type waiter struct {
	*metrics.Tracer
	ended chan struct{}
}

func (w waiter) RoundEnded(s *brahmshost.Status) {
	w.Tracer.RoundEnded(s)
	select {
	case w.ended <- struct{}{}:
	default:
	}
}

// scrape runs a network of real peers, the first two of them with a registry each, and scrapes those after every round; by the time
// of the series 15 s lie between. It ends when both know the size of the network and have refused something.
func scrape(t *testing.T) scraped {
	t.Helper()
	const peers, most = 8, 200
	var registries []*prometheus.Registry
	var services []*brahmshost.Service
	var first waiter
	var seeds []peer.AddrInfo
	for i := range peers {
		h := newHost(t)
		// A minute has hundreds of rounds here: what is dialled in vain at the start would not be dialled again in the test.
		opts := []brahmshost.Option{
			brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50 * time.Millisecond), brahmshost.WithBootstrap(seeds...),
			brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}),
		}
		if i < 2 {
			// As in the binary's swarm, where each peer has a number.
			reg := prometheus.NewRegistry()
			tracer, err := metrics.New(reg, prometheus.Labels{"peer": fmt.Sprint(i)})
			if err != nil {
				t.Fatal(err)
			}
			w := waiter{tracer, make(chan struct{}, 1)}
			if i == 0 {
				first = w
			}
			registries = append(registries, reg)
			opts = append(opts, brahmshost.WithTracer(w))
		}
		svc, err := brahmshost.New(h, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { svc.Close() })
		services = append(services, svc)
		seeds = append(seeds, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	}
	s := newScraped(t)
	at := time.Unix(1_700_000_000, 0)
	s.from = at
	for range most {
		<-first.ended
		at = at.Add(scrapeEvery)
		for i, instance := range []string{instanceA, instanceB} {
			s.take(t, registries[i], instance, at)
		}
		s.to = at
		known, refused := true, true
		for i := range registries {
			status := services[i].Status()
			known = known && status.Size.OK
			if len(status.Refused) == 0 {
				refused = false
				misbehave(t, seeds[i])
			}
		}
		if known && refused && at.Sub(s.from) > 2*time.Minute {
			return s
		}
	}
	t.Fatalf("after %d scrapes the size of the network is not known, or nothing was refused", most)
	return s
}

func newHost(t *testing.T) corehost.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// misbehave sends what must be refused: a frame whose length is not in its shortest form.
func misbehave(t *testing.T, to peer.AddrInfo) {
	t.Helper()
	h := newHost(t)
	defer h.Close()
	if err := h.Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	st, err := h.NewStream(t.Context(), to.ID, protocol.PushID)
	if err != nil {
		t.Fatal(err)
	}
	_ = st.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := st.Write([]byte{0x80, 0}); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(st) // to the reset
}

func newScraped(t *testing.T) scraped {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{EnableAtModifier: true, MaxSamples: 1_000_000, Timeout: time.Minute})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return scraped{store: &store{series: make(map[string][]chunks.Sample)}, engine: engine}
}

// take scrapes a registry: what Prometheus would read over HTTP, by its own parser.
func (s scraped) take(t *testing.T, reg prometheus.Gatherer, instance string, at time.Time) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&text, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	p, err := textparse.New(text.Bytes(), string(format), labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		entry, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := p.Series()
		var l labels.Labels
		p.Labels(&l)
		b := labels.NewBuilder(l)
		b.Set("instance", instance)
		b.Set("job", "brahms")
		s.store.add(b.Labels(), sample{at.UnixMilli(), value})
	}
}
