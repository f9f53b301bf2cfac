package host

import (
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxOffenders is how many misbehaving peers one round names, in events and in the log. Ids are free, so there may be any
// number; offences of the rest are counted (Snapshot.Offences).
const MaxOffenders = 64

// offences gathers the misbehaviour of the open round, by peer.
type offences struct {
	mu    sync.Mutex
	count int // of all, those of peers that are not listed included
	list  []EvtPeerMisbehaved
	index map[peer.ID]int
}

func newOffences() *offences { return &offences{index: make(map[peer.ID]int)} }

// note holds one offence against a peer.
func (o *offences) note(from origin, why Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	i, ok := o.index[from.peer]
	switch {
	case ok:
		o.list[i].Count++
	case len(o.list) < MaxOffenders:
		o.index[from.peer] = len(o.list)
		o.list = append(o.list, EvtPeerMisbehaved{
			Peer: from.peer, Addr: from.addr, Reason: why, Protocol: from.protocol, Count: 1,
		})
	}
}

// take ends the round: it returns what was noted and forgets it.
func (o *offences) take(round uint64) (list []EvtPeerMisbehaved, count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list, count = o.list, o.count
	o.list, o.count = nil, 0
	clear(o.index)
	for i := range list {
		list[i].Round = round
	}
	return list, count
}

// canonicalError is a reason as the error of a log line.
type canonicalError Reason

func (e canonicalError) Error() string { return string(e) }

// canonicalText is the sentence of a log line.
func canonicalText(e EvtPeerMisbehaved) string {
	return fmt.Sprintf("%s: %d in round %d", e.Protocol, e.Count, e.Round)
}
