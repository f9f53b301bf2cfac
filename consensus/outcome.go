package consensus

import "github.com/brahms-p2p/brahms-p2p/consensus/machine"

// Outcomes returns what this peer has decided of the items of a kept epoch that it holds, also while the epoch is open:
// true is in the set. What is decided stays so; an item that is not there is undecided, or, in an epoch that is closed,
// out. It never waits.
func (s *Service) Outcomes(epoch uint64) map[machine.ID]bool {
	out := make(map[machine.ID]bool)
	if e := s.board().epoch(epoch); e != nil {
		for id, in := range e.decided {
			out[id] = in
		}
	}
	return out
}

// outcomes is what the machine has decided of its items.
func (l *loopState) outcomes(epoch uint64) map[machine.ID]bool {
	out := make(map[machine.ID]bool)
	for id := range l.machine.Items(epoch) {
		if c, decided := l.machine.Outcome(epoch, id); decided {
			out[id] = c == machine.In
		}
	}
	return out
}
