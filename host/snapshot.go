package host

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// A Snapshot is the state of a service at the end of a round, as it was published then. It is shared: nobody may change
// what it holds.
type Snapshot struct {
	// Round is the round that was closed; 0 before the first round ended.
	Round uint64
	// View is the view, one id a slot. Faulty peers are over-represented in it: it is for the curious.
	View []peer.ID
	// Slots are the slots of the sample, those that hold nothing included.
	Slots []protocol.Sampled
	// Pushers are who pushed to us in the closed round, each once; who is to be drawn from for the view.
	Pushers []peer.ID
	// Peers are the distinct peers of the slots that count, with their addresses.
	Peers []peer.AddrInfo
	// Node is the summary of the closed round by the protocol.
	Node protocol.Status
	// Size is how many peers the network seems to have, this one among them: all that answer, whoever runs them. It is known
	// (OK) from 30 rounds on. With the 30 slots that rank by the id of a sample of 40 its standard error is 19%, and waiting does
	// not lower it: the sample is sticky. More slots do (WithSampleSize), by the root of their number.
	Size protocol.SizeEstimate

	// Planned and Took are how long the closed round should have taken, jitter included, and how long it did; 0 for
	// the first.
	Planned, Took time.Duration
	// Exchanges and Done are how many exchanges the closed round planned, and how many of them finished within it,
	// answered or not.
	Exchanges, Done int
	// Answered is how many exchanges were answered within it, those of earlier rounds included.
	Answered int
	// Offences are how often others sent in it what no correct peer sends, and Offenders how many peers did, at most
	// MaxOffenders. TurnedAway are streams that found all places, or our resource manager, full.
	Offences, Offenders, TurnedAway int
	// Health says what troubles the service, and why.
	Health Health
	// Reachability is what AutoNAT says of the host.
	Reachability network.Reachability
	// Private is true while the peer has no address that it may tell others: it does not push, and nobody learns of it.
	Private bool
	// Leaving is true after Leave was called.
	Leaving bool
	// Records is the number of peers in the book of signed records and seeds.
	Records int
	// Suspects are the ids of view and sample that missed and have not answered since, each once.
	Suspects []peer.ID

	drawn     []peer.AddrInfo // one entry for each slot that counts: what Random draws from when the tray is empty
	tray      *tray           // what the bank hands out
	reply     []byte          // the framed answer to pull requests, the same for everybody in the round
	replyLess []byte          // the same for limited connections
}

// Status is what Service.Status returns: the last snapshot and the counters since the service started.
type Status struct {
	*Snapshot
	ID     peer.ID
	Active bool   // neither closed nor leaving
	Dials  uint64 // peers that we tried to dial
	// DialsWithheld and AddrsWithheld are the dials, and the addresses of dials, that our limits held back (Limits).
	DialsWithheld, AddrsWithheld uint64
	Evicted                      uint64            // records that went from the full book for others
	Served                       uint64            // streams that others opened and that we answered
	Helped                       uint64            // suspects of others that answered a probe of ours
	Refused                      map[Reason]uint64 // refused input by reason; reasons that did not occur are missing

	// EventsDropped counts events, and lines of the canonical log, that found their queue full.
	EventsDropped uint64

	Picks  PickStatus  // fresh peers: what there is of them
	Tokens TokenStatus // push tokens: what they cost and bought
	State  StateStatus // what is kept on disk
}

// Snapshot returns the state at the end of the last round. It never waits.
func (s *Service) Snapshot() *Snapshot { return s.published.Load() }

// Active reports whether the service is running: not closed, and not leaving. It never waits.
func (s *Service) Active() bool { return !s.leaving.Load() && !s.closed.Load() }

// Sample returns the distinct peers of the sample, in no order: a uniform choice of the network's peers that answer,
// but for the slots that rank peers by the prefix of their public address first (WithDiversity, a quarter by default): those
// are uniform over prefixes, and Snapshot.Slots tells which they are. Who needs k independent choices
// should use Random. It is empty until the first peer has answered.
func (s *Service) Sample() []peer.AddrInfo {
	return append([]peer.AddrInfo(nil), s.Snapshot().Peers...)
}

// View returns a copy of the view, one id a slot. It is biased towards faulty peers; use Sample.
func (s *Service) View() []peer.ID {
	return append([]peer.ID(nil), s.Snapshot().View...)
}

// Status returns the state of the service. It never waits for the loop.
func (s *Service) Status() Status {
	status := s.figures()
	status.Refused = s.refused.counts()
	return status
}

// figures is Status without what is refused.
func (s *Service) figures() Status {
	return Status{
		Snapshot:      s.Snapshot(),
		ID:            s.self,
		Active:        s.Active(),
		Dials:         s.dials.Load(),
		DialsWithheld: s.dialling.dials.Load(),
		AddrsWithheld: s.dialling.addrs.Load(),
		Evicted:       s.book.evictions(),
		Served:        s.served.Load(),
		Helped:        s.helped.Load(),
		EventsDropped: s.announcer.dropped.Load(),
		Picks:         s.picks(),
		Tokens:        s.tokens.status(),
		State:         s.keeper.look(),
	}
}
