package machine

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// An epoch is what a node knows of one.
type epoch struct {
	number uint64
	late   bool // the node has seen nothing of the window: it takes part, and is silent until it has closed the epoch
	over   bool // the window is over: polls count
	closed bool
	full   bool // an item with support found no room: the epoch cannot be closed
	tooFew bool // the last poll had too few peers

	items   []*instance // ascending by id
	origins map[peer.ID]int
	wanted  map[ID]peer.ID // who was asked for what in this round

	poll   *poll
	polls  int    // counted ones, after the window
	quiet  int    // polls in a row in which no item that the node lacks had support
	shut   int    // quiet ones in a row with a quorum of peers that have closed the epoch
	answer Answer // of this round
}

// A poll is open from Ask to the next Tick.
type poll struct {
	nonce   Nonce
	counts  bool // opened after the window; before, polls only spread items
	asked   []peer.ID
	answers []*Answer // by place in asked; nil: none yet
}

func newEpoch(number uint64, late bool) *epoch {
	return &epoch{number: number, late: late, origins: map[peer.ID]int{}, wanted: map[ID]peer.ID{}, answer: Answer{Epoch: number}}
}

func (e *epoch) open(nonce Nonce, k int) Poll {
	e.poll = &poll{nonce: nonce, counts: e.over}
	return Poll{Epoch: e.number, Nonce: nonce, K: k}
}

// conclude counts the open poll and returns what is to be fetched because of it.
func (e *epoch) conclude(p Params) []Fetch {
	clear(e.wanted)
	if e.poll == nil || e.poll.asked == nil || e.closed {
		return nil
	}
	unknown := e.tally()
	if !e.over {
		return e.fetchAll(unknown)
	}
	if !e.poll.counts {
		return nil // the last of the window: what it names comes too late
	}
	answers, closed := 0, 0
	for _, a := range e.poll.answers {
		if a != nil {
			answers++
			if a.Closed {
				closed++
			}
		}
	}
	quorum := p.quorum(len(e.poll.asked))
	for _, x := range e.items {
		x.count(p, answers, quorum)
	}
	contested := e.hush(answers, closed, quorum, unknown)
	e.polls++
	e.close(p)
	return e.fetchContested(contested)
}

// tally counts the votes for the items that the node holds, and returns those for other ids by who gave them.
func (e *epoch) tally() map[ID][]int {
	var unknown map[ID][]int
	for _, x := range e.items {
		x.votes = tally{}
	}
	for from, a := range e.poll.answers {
		if a == nil {
			continue
		}
		i := 0 // both lists ascend
		for _, v := range a.In {
			for ; i < len(e.items) && e.items[i].id.compare(v.ID) < 0; i++ {
				e.items[i].votes.unlisted(a)
			}
			if i == len(e.items) || e.items[i].id != v.ID {
				if unknown == nil {
					unknown = map[ID][]int{}
				}
				unknown[v.ID] = append(unknown[v.ID], from)
				continue
			}
			e.items[i].votes.in++
			if v.Decided || a.Closed {
				e.items[i].votes.decidedIn++
			}
			i++
		}
		for ; i < len(e.items); i++ {
			e.items[i].votes.unlisted(a)
		}
	}
	return unknown
}

func (t *tally) unlisted(a *Answer) {
	if a.Closed {
		t.decidedOut++
	}
}

// hush counts the poll for all items that the node lacks, as one instance that prefers out: an item has support, and is
// returned, if the answers without it are fewer than a quorum. So faulty peers that list items of their own keep no epoch
// open unless they can keep any item undecided. The ids ascend.
func (e *epoch) hush(answers, closed, quorum int, unknown map[ID][]int) (contested []claim) {
	for id, from := range unknown {
		if answers >= quorum && answers-len(from) < quorum {
			contested = append(contested, claim{id, e.poll.asked[from[e.polls%len(from)]]})
		}
	}
	slices.SortFunc(contested, func(a, b claim) int { return a.id.compare(b.id) })
	if answers < quorum || len(contested) > 0 {
		e.quiet, e.shut = 0, 0
		return contested
	}
	e.full = false
	e.quiet++
	if closed >= quorum {
		e.shut++
	} else {
		e.shut = 0
	}
	return nil
}

// A claim is an id and a peer that lists it.
type claim struct {
	id   ID
	from peer.ID
}

// close closes the epoch if it can be.
func (e *epoch) close(p Params) {
	if e.full || e.quiet < p.Beta && e.shut < p.Adopt {
		return
	}
	for _, x := range e.items {
		if !x.decided {
			return
		}
	}
	e.closed = true
	e.poll = nil
}

// fetchAll shares out the unknown ids of a poll in the window: to each answer the ids that it lists and that no answer
// before it was given, MaxFetch of them. A peer that lists what it cannot serve spends its own share only.
func (e *epoch) fetchAll(unknown map[ID][]int) []Fetch {
	if len(unknown) == 0 {
		return nil
	}
	var out []Fetch
	for at, a := range e.poll.answers {
		if a == nil {
			continue
		}
		var ids []ID
		for _, v := range a.In {
			if _, ok := unknown[v.ID]; ok && len(ids) < MaxFetch {
				delete(unknown, v.ID)
				ids = append(ids, v.ID)
			}
		}
		out = e.want(out, e.poll.asked[at], ids)
	}
	return out
}

// fetchContested asks for items with support, of one peer each.
func (e *epoch) fetchContested(contested []claim) []Fetch {
	var out []Fetch
	var done []peer.ID
	for _, c := range contested {
		if slices.Contains(done, c.from) {
			continue
		}
		done = append(done, c.from)
		var ids []ID
		for _, d := range contested {
			if d.from == c.from && len(ids) < MaxFetch {
				ids = append(ids, d.id)
			}
		}
		out = e.want(out, c.from, ids)
	}
	return out
}

func (e *epoch) want(out []Fetch, from peer.ID, ids []ID) []Fetch {
	if len(ids) == 0 {
		return out
	}
	for _, id := range ids {
		e.wanted[id] = from
	}
	return append(out, Fetch{Epoch: e.number, From: from, IDs: ids})
}

// add takes an item, preferred in while the window is open and out later. After the window an item comes only because it
// has support, so the limit by origin does not hold any more: nodes may hold different items of an origin with too many,
// and those with support must be settled everywhere.
func (e *epoch) add(id ID, it Item) error {
	_, known := e.find(id)
	switch {
	case known:
		return nil
	case e.closed:
		return ErrWindow
	case !e.over && e.origins[it.Origin] >= MaxItemsPerOrigin:
		return ErrOriginFull
	case len(e.items) >= MaxItems && (!e.over || !e.giveWay()):
		e.full = e.over
		return ErrFull
	}
	x := &instance{id: id, item: it, prefer: In}
	if e.over {
		x.prefer = Out
	}
	at, _ := e.find(id) // another item may have given way
	e.items = slices.Insert(e.items, at, x)
	e.origins[it.Origin]++
	return nil
}

// giveWay drops an item that is undecided, preferred out and never had a quorum for in: it is counted as one that the
// node lacks from then on, which is out too.
func (e *epoch) giveWay() bool {
	for i, x := range e.items {
		if !x.decided && x.prefer == Out && x.conf[In] == 0 {
			e.items = slices.Delete(e.items, i, i+1)
			e.origins[x.item.Origin]--
			return true
		}
	}
	return false
}

// find returns the place of an id among the items, or where it belongs.
func (e *epoch) find(id ID) (int, bool) {
	return slices.BinarySearchFunc(e.items, id, func(x *instance, id ID) int { return x.id.compare(id) })
}

// publish makes the answer of the round.
func (e *epoch) publish() {
	if e.closed && e.answer.Closed {
		return
	}
	a := Answer{Epoch: e.number, Closed: e.closed}
	for _, x := range e.items {
		if x.prefer == In {
			a.In = append(a.In, Vote{ID: x.id, Decided: x.decided})
		}
	}
	e.answer = a
}
