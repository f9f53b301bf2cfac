package host

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// MaxOffenders is how many misbehaving peers one round names, in events and in the log. Ids are free, so there may be any
// number; offences of the rest are counted (Snapshot.Offences).
const MaxOffenders = 64

// offences gathers the misbehaviour of the open round, by peer.
type offences struct {
	mu    sync.Mutex
	rng   *rand.Rand
	count int // of all, those of peers that are not listed included
	list  []EvtPeerMisbehaved
	index map[peer.ID]int    // in list
	at    map[netip.Addr]int // listed ones by machine
	more  int                // machines that found the list full, each with one place
}

func newOffences() *offences {
	return &offences{
		rng:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		index: make(map[peer.ID]int), at: make(map[netip.Addr]int),
	}
}

// machineOf is whose address an offence came from: the relay's, if it was relayed. Without an address all are one.
func machineOf(from multiaddr.Multiaddr) netip.Addr {
	t, _ := targetOf(from)
	return t.ip
}

// note holds one offence against a peer. Where the list is full, the places go round: who comes from a machine with fewer
// of them than another takes one of the other's, or a crowd behind one address would hide all that come later.
func (o *offences) note(from origin, why Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	if i, ok := o.index[from.peer]; ok {
		o.list[i].Count++
		return
	}
	i := len(o.list)
	if i < MaxOffenders {
		o.list = append(o.list, EvtPeerMisbehaved{})
	} else if i = o.place(machineOf(from.addr)); i < 0 {
		return
	} else {
		delete(o.index, o.list[i].Peer)
		count(o.at, machineOf(o.list[i].Addr), -1)
	}
	o.list[i] = EvtPeerMisbehaved{Peer: from.peer, Addr: from.addr, Reason: why, Protocol: from.protocol, Count: 1}
	o.index[from.peer] = i
	o.at[machineOf(from.addr)]++
}

// place returns which place of the full list goes to a peer at a machine, below 0 if none does: the last of the machine
// that has the most, if that is two more than this one has; where each has one, any, as if drawn from all in turn.
func (o *offences) place(machine netip.Addr) int {
	most := 0
	for _, n := range o.at {
		most = max(most, n)
	}
	switch {
	case most > o.at[machine]+1:
		return o.lastOf(most)
	case most == 1 && o.at[machine] == 0:
		if o.more++; o.rng.IntN(MaxOffenders+o.more) < MaxOffenders {
			return o.rng.IntN(MaxOffenders)
		}
	}
	return -1
}

// lastOf returns the last place of a machine that has n.
func (o *offences) lastOf(n int) int {
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.at[machineOf(o.list[i].Addr)] == n {
			return i
		}
	}
	return -1
}

// take ends the round: it returns what was noted and forgets it.
func (o *offences) take(round uint64) (list []EvtPeerMisbehaved, count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list, count = o.list, o.count
	o.list, o.count, o.more = nil, 0, 0
	clear(o.index)
	clear(o.at)
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
