package consensus

import "time"

// An Exchange is one of the kinds of exchanges. They are a closed set: see Exchanges.
type Exchange uint8

// The exchanges, in the words that metrics and logs use.
const (
	ExchangePoll  Exchange = iota // "poll"
	ExchangeFetch                 // "fetch"
	exchanges
)

var exchangeNames = [exchanges]string{ExchangePoll: "poll", ExchangeFetch: "fetch"}

func (e Exchange) String() string {
	if e < exchanges {
		return exchangeNames[e]
	}
	return "unknown"
}

// Exchanges returns the closed set of exchanges: the i-th is Exchange(i).
func Exchanges() []Exchange { return []Exchange{ExchangePoll, ExchangeFetch} }

// An Outcome is what came of an exchange of ours. They are a closed set: see Outcomes.
type Outcome uint8

// The outcomes, in the words that metrics and logs use. All but Answered leave the pick silent.
const (
	Answered    Outcome = iota // "answered": with what was asked for
	Unknown                    // "unknown": the peer cannot speak of the epoch, or has no room now
	Unreached                  // "unreached": no stream could be opened
	Unsupported                // "unsupported": it does not speak the protocol
	Failed                     // "failed": the stream broke, or the answer was refused
	Late                       // "late": not before its round ended
	outcomes
)

var outcomeNames = [outcomes]string{"answered", "unknown", "unreached", "unsupported", "failed", "late"}

func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// Outcomes returns the closed set of outcomes: the i-th is Outcome(i).
func Outcomes() []Outcome {
	return []Outcome{Answered, Unknown, Unreached, Unsupported, Failed, Late}
}

// A Tracer is told what a service does, as it happens: package metrics makes Prometheus metrics of it. Its methods are
// called from the service's loop, workers and stream handlers, several at once. They must return at once and must not
// call Close.
type Tracer interface {
	// Exchanged: an exchange of ours ended after that time, a dial included.
	Exchanged(e Exchange, o Outcome, took time.Duration)
	// Served: we answered a stream of another peer, that time after it came.
	Served(e Exchange, took time.Duration)
	// Refused: input of others was refused.
	Refused(why Reason)
	// RoundOpened: a round was opened and published. s is shared: nobody may change what it holds, and Status.Refused is
	// nil in it. It is called from the service's loop alone.
	RoundOpened(s *Status)
}

type tracers []Tracer

func (ts tracers) exchanged(e Exchange, o Outcome, took time.Duration) {
	for _, t := range ts {
		t.Exchanged(e, o, took)
	}
}

func (ts tracers) served(e Exchange, took time.Duration) {
	for _, t := range ts {
		t.Served(e, took)
	}
}

func (ts tracers) refused(why Reason) {
	for _, t := range ts {
		t.Refused(why)
	}
}
