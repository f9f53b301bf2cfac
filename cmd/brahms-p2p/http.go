package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
	"github.com/brahms-p2p/brahms-p2p/internal/watch"
	"github.com/brahms-p2p/brahms-p2p/metrics"
	"github.com/brahms-p2p/brahms-p2p/spread"
)

// httpFlag is the flag --http of run and swarm.
func httpFlag(shows string) cli.Flag {
	return stringFlag(inOutput, "http", "", "`ADDR` to serve "+shows+" at: PORT of this machine alone, or HOST:PORT")
}

// httpAddress returns what --http says; ok is false where it is not there.
func httpAddress(cmd *cli.Command) (a watch.Address, ok bool, err error) {
	text := cmd.String("http")
	if text == "" {
		return a, false, nil
	}
	if a, err = watch.ParseAddress(text); err != nil {
		return a, false, usageError{err}
	}
	return a, true, nil
}

// web is what run and swarm need for --http. The nil web is none.
type web struct {
	at      watch.Address
	reg     *prometheus.Registry
	tracer  *metrics.Tracer
	history *watch.History
	ln      net.Listener // of open, until it is served
	server  *watch.Server
}

// newWeb makes what a service or a swarm needs before it starts, nil where --http is not there.
func newWeb(cmd *cli.Command) (*web, error) {
	at, ok, err := httpAddress(cmd)
	if !ok {
		return nil, err
	}
	return &web{at: at, reg: prometheus.NewRegistry()}, nil
}

// gatherer has ours, and what libp2p and the Go runtime register by default.
func (w *web) gatherer() prometheus.Gatherer {
	return prometheus.Gatherers{w.reg, prometheus.DefaultGatherer}
}

// options are those of a service that is watched.
func (w *web) options() ([]brahmshost.Option, error) {
	if w == nil {
		return nil, nil
	}
	var err error
	if w.tracer, err = metrics.New(w.reg, nil); err != nil {
		return nil, err
	}
	w.history = watch.NewHistory()
	return []brahmshost.Option{brahmshost.WithTracer(w.tracer), brahmshost.WithTracer(w.history)}, nil
}

// messages shows what a service of messages counts among the metrics.
func (w *web) messages(s *spread.Service) error {
	if w == nil {
		return nil
	}
	_, err := metrics.NewSpread(w.reg, s, nil)
	return err
}

// open takes the address of the page of a peer, before the peer starts: one that is taken is a mistake in the command line.
func (w *web) open() (err error) {
	if w != nil {
		w.ln, err = watch.Open(w.at)
	}
	return err
}

// serveNode serves the page of a peer where open has been, and prints where it is.
func (w *web) serveNode(svc *brahmshost.Service, interval time.Duration, out *reporter, stderr io.Writer) error {
	if w == nil {
		return nil
	}
	n := &watch.Node{
		Service: svc, History: w.history, Metrics: w.gatherer(), Interval: interval, Version: version(), Started: time.Now(),
	}
	w.server, w.ln = watch.Serve(w.at, w.ln, n.Handler()), nil
	w.warn(stderr, "")
	return out.serving(w.server.URL())
}

// watchSwarm makes cfg that of a swarm that is watched, and serves its page.
func (w *web) watchSwarm(cfg *swarm.Config, stderr io.Writer) (err error) {
	cfg.Console = swarm.NewConsole()
	cfg.Tracer = func(number int) (brahmshost.Tracer, func(), error) {
		t, err := metrics.New(w.reg, prometheus.Labels{"peer": strconv.Itoa(number)})
		if err != nil {
			return nil, nil, err
		}
		return t, t.Close, nil
	}
	s := &watch.Swarm{Console: cfg.Console, Metrics: w.gatherer(), Version: version()}
	if w.server, err = watch.Listen(w.at, s.Handler()); err != nil {
		return err
	}
	w.warn(stderr, ", and kill peers")
	_, err = fmt.Fprintf(stderr, "%s: the swarm can be seen at %s\n", name, w.server.URL())
	return err
}

// warn says so where the page is open to other machines.
func (w *web) warn(stderr io.Writer, more string) {
	if w.server.Exposed() {
		fmt.Fprintf(stderr, "%s: other machines can reach http=%s: there is no password, so they can see all that is shown, take profiles%s\n", name, w.at, more)
	}
}

// close ends the server, or gives the address back. It may be called more than once.
func (w *web) close() {
	switch {
	case w == nil:
	case w.server != nil:
		_ = w.server.Close()
		w.server = nil
	case w.ln != nil:
		_ = w.ln.Close()
		w.ln = nil
	}
}

type httpEvent struct {
	Event string `json:"event"` // "http"
	URL   string `json:"url"`
}

// serving prints where the page is.
func (r *reporter) serving(url string) error {
	if r.json {
		return json.NewEncoder(r.w).Encode(httpEvent{"http", url})
	}
	_, err := fmt.Fprintf(r.w, "page     %s\n", url)
	return err
}
