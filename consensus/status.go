package consensus

import (
	"time"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// Status says how a service stands. All but the counters is as it was when the last round was opened.
type Status struct {
	Round uint64 // rounds since the start
	Epoch uint64 // the current one; 0 before there is any
	// Epochs are the kept ones, the oldest first: phase, items, polls. Those of the phase machine.TooFew had too few
	// peers for their last poll, and nothing is decided in them until there are more.
	Epochs []machine.Status
	// Trouble says what is wrong with the sample, or with the clock.
	Trouble Trouble
	// Polls are those that this round has opened, the oldest epoch first.
	Polls []PollStatus

	Picked      uint64 // peers that were asked in polls, since the start
	PickedFresh uint64 // of them fresh ones, from the bank
	PassedOver  uint64 // peers that were drawn and not asked, since they are known not to speak the protocol
	Answered    uint64 // polls of ours that were answered in time with what the peer prefers
	Served      uint64 // streams of others that we answered
	Waiting     int    // items of ours that wait for the window of the next epoch

	Refused       map[Reason]uint64 // refused input by reason; reasons that did not occur are missing
	EventsDropped uint64            // events that found their queue full
	State         StateStatus
}

// PollStatus says whom a poll asks.
type PollStatus struct {
	Epoch uint64
	Peers int // asked; 0 if there were too few
	Fresh int // of them, peers of the bank that were never handed out before; the others are drawn from the sample
}

// A Trouble is why a service cannot, or should not, decide. They are a closed set: see Troubles.
type Trouble string

// The troubles, the worst first. The first that holds is reported.
const (
	NoTrouble Trouble = ""
	// ClockBack: the wall clock stands before the epoch that was reached. Nothing goes on until it has caught up.
	ClockBack Trouble = "clock_back"
	// NotBegun: the wall clock stands before the start of the first epoch.
	NotBegun Trouble = "not_begun"
	// Alone: the sample is empty. Nothing is decided.
	Alone Trouble = "alone"
	// TooFew: there are too few verified peers for a poll, or, for a newcomer whose sample is young, fewer than K for one of an
	// epoch whose window it has missed. Nothing is decided.
	TooFew Trouble = "too_few"
	// Young: no slot of the sample is mature, so that it is not uniform yet. Epochs are decided all the same.
	Young Trouble = "young"
)

// Troubles returns the closed set of troubles.
func Troubles() []Trouble { return []Trouble{ClockBack, NotBegun, Alone, TooFew, Young} }

// StateStatus says what became of the service's state.
type StateStatus struct {
	Store    string // empty if no state is kept
	Restored bool   // New went on from a state
	Writes   uint64 // since the start
	Failures uint64 // writes that failed, since the start
	Written  time.Time
	Error    string // of the last write; empty if it did not fail
}
