package protocol

import "github.com/libp2p/go-libp2p/core/peer"

// Actions is the work for the driver in the round that Tick opened. The zero value is nothing to do. Ids are distinct
// within each list unless Params.Tuples is set, where a repeated id asks for a repeated message.
type Actions struct {
	Round  uint64    // the round that was opened, from 1
	Pushes []peer.ID // send them a push
	Pulls  []peer.ID // ask them for their views
	// Probes are to be probed. An id that is pushed to or pulled from in this round is not among them: that exchange
	// tells as much, and its result is reported all the same.
	Probes []peer.ID
	// Indirect are sampled ids that one more miss would kill, with those to ask to probe them too: HandleIndirect.
	Indirect []Indirect
	// Dead are the sampled ids that were declared dead at the end of the round that was closed.
	Dead []peer.ID
	// Outcome is what became of the view in the round that was closed.
	Outcome Outcome
	// Trying is true in the rounds in which a node that knows nobody tries its seeds. Drivers that can find further peers
	// do so then (Node.Revisit, Node.SetSeeds).
	Trying bool
}

// Outcome says what became of the view in a round.
type Outcome uint8

// The outcomes, in the words that logs and JSON use.
const (
	Renewed      Outcome = iota // "renewed": from pushes, pulls and history
	Refilled                    // "refilled": too many pushes, the push share was filled from the sample (or left empty)
	KeptOverload                // "kept_overload": too many pushes, the view was kept
	KeptNoPush                  // "kept_no_push": kept because no push came
	KeptNoPull                  // "kept_no_pull": kept because no pull reply came
	Alone                       // "alone": the node knows nobody
)

var outcomeNames = [...]string{"renewed", "refilled", "kept_overload", "kept_no_push", "kept_no_pull", "alone"}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Kept reports whether the view kept all of its entries for want of a renewal.
func (o Outcome) Kept() bool { return o == KeptOverload || o == KeptNoPush || o == KeptNoPull }

// ProbeOutcome is what an exchange that the node ordered told of the peer's life.
type ProbeOutcome uint8

// The outcomes of an exchange. Only a real attempt is evidence: an exchange that failed for reasons of our own (a full
// resource manager, a gater, dial back-off, shutdown) says nothing.
const (
	NoEvidence    ProbeOutcome = iota // neither of life nor of death
	Alive                             // answered over a connection that we dialled: reachable
	AliveUnproven                     // answered over a connection that the peer dialled: it lives, reachable or not
	Missed                            // a real attempt failed
	Leaving                           // answered that it is leaving
	Withheld                          // not asked, or not everywhere: dials of its addresses failed for too many others
)

func (o ProbeOutcome) String() string {
	switch o {
	case Alive:
		return "alive"
	case AliveUnproven:
		return "alive_unproven"
	case Missed:
		return "missed"
	case Leaving:
		return "leaving"
	case Withheld:
		return "withheld"
	}
	return "no_evidence"
}

// Status is a summary of the node at the end of the last closed round.
type Status struct {
	Round   uint64 // the open round
	Outcome Outcome

	L1, L2 int          // sizes of view and sample in the open round: those of Params unless they adapt
	Size   SizeEstimate // how many nodes the network seems to have

	ViewLen, ViewDistinct        int
	SampleFilled, SampleMature   int // slots, of L2 (that of the closed round); mature ones only if they count
	SampleDistinct, SampleProven int // distinct ids, and those among them that were reached by a dial of ours

	Pushes       int // pushes that counted
	PushRepeats  int // pushes beyond one a sender and round, not counted
	PushOverflow int // pushes that were dropped unread: beyond MaxPushers, or by the driver
	Threshold    int // pushes that a round may bring
	Pulls        int // pull replies used
	Probes       int // probes answered
	Deaths       int // sampled ids that died
	Postponed    int // sampled ids that would have died, but for what a helper heard of them

	Overloaded bool // more pushes than the threshold
	Doubting   bool // half of the sample seems dead at once, so nobody dies
	Young      bool // no slot is mature, so the sample is not uniform yet
	Suspects   int  // sampled ids that missed and have not answered since
	Tombstones int  // ids whose death is remembered
	Waiting    int  // distinct sampled ids that were restored and have not answered since: their slots do not count

	// While the node knows nobody (Outcome is Alone): how often it has tried to reach its seeds and those who answered it
	// once, the open round included, in how many rounds it tries next, and how many these are.
	Tries, NextTry, Acquaintances int
	BankSlots, BankFilled         int // slots of the bank, and those that hold an id
	BankPicks                     int // ids that the bank could hand out when the round ended
	BankProbes                    int // probes of the open round that are for the bank's sake alone
}

// A Sampled is one slot of the sample, as published.
type Sampled struct {
	ID     peer.ID // empty if the slot holds nothing
	Mature bool
	// Diverse slots rank ids by the prefix of their address first (Params.Diverse).
	Diverse bool
	Proven  bool // reached by a dial of ours, not only over a connection that it dialled
	Waiting bool // restored, and has not answered since: the slot does not count

	// Hash is that of ID under the slot's current key, 0 for an empty slot, and Key tells keys apart: it changes when the
	// slot is re-keyed. They are for tests and simulations, and must never leave the process (Node.Hashes).
	Hash uint64 `json:"-"`
	Key  uint64 `json:"-"`
}
