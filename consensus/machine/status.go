package machine

// A Phase is where an epoch stands.
type Phase uint8

const (
	// Open: the window; items may be proposed.
	Open Phase = iota + 1
	// Polling: the window is over, and not every item is decided.
	Polling
	// TooFew: the last poll had fewer peers than MinPeers. Nothing is decided until there are more.
	TooFew
	// Full: an item with support found no room. The epoch stays open.
	Full
	// Stalled: more than Stall polls were counted. The epoch may still be closed: it is polled while it is kept.
	Stalled
	// Closed: the set is final.
	Closed
)

// String returns the phase in lower case, fit for a metric's label.
func (p Phase) String() string {
	switch p {
	case Open:
		return "open"
	case Polling:
		return "polling"
	case TooFew:
		return "too_few"
	case Full:
		return "full"
	case Stalled:
		return "stalled"
	case Closed:
		return "closed"
	}
	return "unknown"
}

// Status says how an epoch stands.
type Status struct {
	Epoch     uint64
	Phase     Phase
	Late      bool // the node came after the window
	Items     int  // held
	Preferred int  // of them preferred in
	Decided   int  // of them decided, in or out
	Polls     int  // counted since the window
	Quiet     int  // of them in a row, at the end, without support for an item that the node lacks
}

// Status returns how the kept epochs stand, the oldest first.
func (m *Machine) Status() []Status {
	out := make([]Status, 0, len(m.epochs))
	for _, e := range m.epochs {
		s := Status{Epoch: e.number, Phase: e.phase(m.p), Late: e.late, Items: len(e.items), Polls: e.polls, Quiet: e.quiet}
		for _, x := range e.items {
			if x.prefer == In {
				s.Preferred++
			}
			if x.decided {
				s.Decided++
			}
		}
		out = append(out, s)
	}
	return out
}

func (e *epoch) phase(p Params) Phase {
	switch {
	case e.closed:
		return Closed
	case e.tooFew:
		return TooFew
	case !e.over:
		return Open
	case e.full:
		return Full
	case e.polls > p.Stall:
		return Stalled
	}
	return Polling
}

// Outcome returns what the node prefers for an id, and whether that is decided. An id
// that it does not hold is out, decided once the epoch is closed.
func (m *Machine) Outcome(number uint64, id ID) (c Colour, decided bool) {
	e := m.epoch(number)
	if e == nil {
		return Out, false
	}
	if i, ok := e.find(id); ok {
		return e.items[i].prefer, e.items[i].decided
	}
	return Out, e.closed
}
