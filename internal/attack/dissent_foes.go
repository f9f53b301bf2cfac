package attack

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	consensuswire "github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

// A foe decides what faulty peers say to a poll after the window. They are those of the simulator (internal/consim); its
// methods are called by many goroutines at once.
type foe interface {
	// answer changes what is to be said to asker, which is an empty answer to his poll.
	answer(d *Dissent, asker peer.ID, res *consensuswire.PollResponse)
}

// A watcher is told of each new picture before it is used, from one goroutine.
type watcher interface {
	watch(d *Dissent, p *picture)
}

const silentName = "silent"

// Eclipse is the attack on agreement for which whoever runs the peers gives a share of the correct ones, Eclipsed, picks that are
// faulty with probability EclipsedBy: the figures of the simulator's runs.
const (
	Eclipse    = "eclipse"
	Eclipsed   = .05
	EclipsedBy = .6
)

var foes = map[string]struct {
	about string
	make  func() foe
}{
	silentName: {"take polls and never answer them", func() foe { return nil }},
	"contrary": {"say of each item what fewer correct peers prefer", func() foe { return contrary{} }},
	Eclipse: {fmt.Sprintf("are contrary, and the picks of one correct peer in %.0f are faulty with probability %v", 1/Eclipsed, EclipsedBy),
		func() foe { return contrary{} }},
	"equivocating": {"say to one half of the peers that all items are in, to the other that none is", func() foe { return equivocating{} }},
	"turncoat": {"confirm each peer in what it prefers until one has decided an item in, and deny it from then on",
		func() foe { return turncoat{} }},
	"replay": {"answer with what they said at first, and with the nonce of that poll", func() foe { return &stale{first: make(map[peer.ID]consensuswire.PollResponse)} }},
	"drip":   {"say what most prefer, and list an item of their own each round, made just then", func() foe { return &drip{} }},
}

// A picture is what the correct peers said when they were polled last.
type picture struct {
	by          map[peer.ID]machine.Answer
	known       []machine.ID // that anybody listed, ascending
	in, decided map[machine.ID]int
}

// newPicture counts what was said; nil is nothing.
func newPicture(correct []peer.AddrInfo, said []*machine.Answer) *picture {
	p := &picture{by: make(map[peer.ID]machine.Answer), in: make(map[machine.ID]int), decided: make(map[machine.ID]int)}
	for i, a := range said {
		if a == nil {
			continue
		}
		p.by[correct[i].ID] = *a
		for _, v := range a.In {
			p.in[v.ID]++
			if v.Decided {
				p.decided[v.ID]++
			}
		}
	}
	p.known = slices.SortedFunc(maps.Keys(p.in), func(a, b machine.ID) int { return bytes.Compare(a[:], b[:]) })
	return p
}

// lists reports whether a peer listed the item.
func (p *picture) lists(id peer.ID, item machine.ID) bool {
	_, ok := slices.BinarySearchFunc(p.by[id].In, machine.Vote{ID: item}, byID)
	return ok
}

// all says that each known item for which keep holds is in and decided, all others out, and the epoch closed.
func (p *picture) all(res *consensuswire.PollResponse, keep func(machine.ID) bool) {
	res.Answer.Closed = true
	for _, id := range p.known {
		if keep(id) && len(res.Answer.In) < machine.MaxItems {
			res.Answer.In = append(res.Answer.In, machine.Vote{ID: id, Decided: true})
		}
	}
}

type contrary struct{}

func (contrary) answer(d *Dissent, _ peer.ID, res *consensuswire.PollResponse) {
	p := d.seen.Load()
	p.all(res, func(id machine.ID) bool { return 2*p.in[id] < len(p.by) })
}

type equivocating struct{}

func (equivocating) answer(d *Dissent, asker peer.ID, res *consensuswire.PollResponse) {
	all := d.chance(asker, -1) < .5
	d.seen.Load().all(res, func(machine.ID) bool { return all })
}

type turncoat struct{}

func (turncoat) answer(d *Dissent, asker peer.ID, res *consensuswire.PollResponse) {
	p := d.seen.Load()
	p.all(res, func(id machine.ID) bool { return p.lists(asker, id) && p.decided[id] == 0 })
}

type stale struct {
	mu    sync.Mutex
	first map[peer.ID]consensuswire.PollResponse
}

func (f *stale) answer(_ *Dissent, asker peer.ID, res *consensuswire.PollResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := f.first[asker]; ok {
		*res = old
		return
	}
	res.Answer.Closed = true
	f.first[asker] = *res
}

// drip keeps the epoch open, if anything of what it lists is taken up.
type drip struct {
	mu   sync.Mutex
	last *machine.ID // the one of this round
	made int
	next int // round
}

func (f *drip) watch(d *Dissent, _ *picture) {
	age := d.age()
	f.mu.Lock()
	defer f.mu.Unlock()
	if age < f.next || age < d.cfg.Window {
		return
	}
	f.next, f.last = age+1, nil
	if f.made >= len(d.hosts)*machine.MaxItemsPerOrigin {
		return
	}
	id, err := d.sign(d.hosts[f.made%len(d.hosts)], fmt.Sprintf("drip %d", f.made))
	if err == nil {
		f.last = &id
	}
	f.made++
}

func (f *drip) answer(d *Dissent, _ peer.ID, res *consensuswire.PollResponse) {
	p := d.seen.Load()
	p.all(res, func(id machine.ID) bool { return 2*p.in[id] >= len(p.by) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		return
	}
	v := machine.Vote{ID: *f.last}
	at, known := slices.BinarySearchFunc(res.Answer.In, v, byID)
	if known || len(res.Answer.In) == machine.MaxItems {
		return
	}
	res.Answer.Closed = false // a closed epoch gets no new item
	res.Answer.In = slices.Insert(res.Answer.In, at, v)
}
