package host

import (
	"time"

	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// An Exchange is one of the kinds of exchanges. They are a closed set: see Exchanges.
type Exchange uint8

// The exchanges, in the words that metrics and logs use.
const (
	ExchangePull  = Exchange(pull)  // "pull"
	ExchangePush  = Exchange(push)  // "push"
	ExchangeProbe = Exchange(probe) // "probe"
)

var exchangeNames = [kinds]string{pull: "pull", push: "push", probe: "probe"}

func (e Exchange) String() string {
	if int(e) < len(exchangeNames) {
		return exchangeNames[e]
	}
	return "unknown"
}

// Exchanges returns the closed set of exchanges: the i-th is Exchange(i).
func Exchanges() []Exchange { return []Exchange{ExchangePull, ExchangePush, ExchangeProbe} }

// A Tracer is told what a service does, as it happens: package metrics makes Prometheus metrics of it. Its methods are
// called from the service's loop, workers and stream handlers, several at once. They must return at once and must not call
// Close or Leave; what they take, every exchange takes longer.
type Tracer interface {
	// Exchanged: an exchange of ours ended after that time, a dial included, and told this of the other peer.
	Exchanged(e Exchange, o protocol.ProbeOutcome, took time.Duration)
	// Served: we answered a stream of another peer, that time after it came.
	Served(e Exchange, took time.Duration)
	// Refused: input of others was refused so many times.
	Refused(why Reason, times uint64)
	// RoundEnded: a round was closed and published. s is shared: nobody may change what it holds, and Status.Refused is
	// nil in it. It is called from the service's loop alone.
	RoundEnded(s *Status)
}

// WithTracer lets t see what the service does. It may be given more than once, and then all see it; nil is none.
func WithTracer(t Tracer) Option {
	return func(c *config) error {
		if t != nil {
			c.tracers = append(c.tracers[:len(c.tracers):len(c.tracers)], t)
		}
		return nil
	}
}

// tracers are those of a service.
type tracers []Tracer

func (ts tracers) exchanged(k kind, o protocol.ProbeOutcome, began time.Time) {
	for _, t := range ts {
		t.Exchanged(Exchange(k), o, time.Since(began))
	}
}

func (ts tracers) refused(why Reason, times uint64) {
	for _, t := range ts {
		t.Refused(why, times)
	}
}

// traceServed tells of a stream of the given protocol that was answered.
func (s *Service) traceServed(id coreprotocol.ID, began time.Time) {
	for k := range kinds {
		if s.protocols[k] == id {
			for _, t := range s.cfg.tracers {
				t.Served(Exchange(k), time.Since(began))
			}
		}
	}
}

// traceRound tells of the round that was published last.
func (s *Service) traceRound() {
	if len(s.cfg.tracers) == 0 {
		return
	}
	status := s.figures()
	if status.Round == 0 { // what the first tick closes was no round
		return
	}
	for _, t := range s.cfg.tracers {
		t.RoundEnded(&status)
	}
}
