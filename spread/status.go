package spread

import "sync/atomic"

// Status is what a service has done since it started.
type Status struct {
	Sent        uint64 // messages of our own
	Taken       uint64 // messages of others, each once
	Copies      uint64 // copies that arrived of what we took or had already
	Delivered   uint64 // messages to subscribers
	Undelivered uint64 // messages that a subscriber was too slow for
	Passed      uint64 // copies that other peers took from us, or had already
	Failed      uint64 // copies that could not be sent or were not taken
	Overflow    uint64 // copies that were not sent since too many waited
	Withheld    uint64 // copies that were not sent since too many bytes went for others already (Limits.RelayBytes)

	Pending    int // copies that are being sent or wait for it
	Remembered int // messages

	Refused map[Reason]uint64 // refused input by reason; reasons that did not occur are missing
}

type counts struct {
	sent, taken, copies, delivered, undelivered, passed, failed, overflow, withheld atomic.Uint64
}

// Status returns the state of the service.
func (s *Service) Status() Status {
	s.mu.Lock()
	remembered := s.machine.Remembered()
	s.mu.Unlock()
	return Status{
		Sent: s.counts.sent.Load(), Taken: s.counts.taken.Load(), Copies: s.counts.copies.Load(),
		Delivered: s.counts.delivered.Load(), Undelivered: s.counts.undelivered.Load(),
		Passed: s.counts.passed.Load(), Failed: s.counts.failed.Load(), Overflow: s.counts.overflow.Load(),
		Withheld: s.counts.withheld.Load(),
		Pending:  int(s.queue.pending.Load()), Remembered: remembered, Refused: s.refused.counts(),
	}
}
