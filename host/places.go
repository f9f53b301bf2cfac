package host

import (
	"container/list"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// places remembers where ids have answered: of at most most ids, of each the last provenPlaces. The id that answered
// longest ago goes first.
type places struct {
	most  int
	by    map[peer.ID]*list.Element
	order *list.List // of *provenPeer, the one that answered longest ago first
}

type provenPeer struct {
	id     peer.ID
	places []place
}

func newPlaces(most int) places {
	return places{most: most, by: make(map[peer.ID]*list.Element), order: list.New()}
}

// of returns where id has answered, nil if that is nowhere or forgotten.
func (p *places) of(id peer.ID) []place {
	if e := p.by[id]; e != nil {
		return e.Value.(*provenPeer).places
	}
	return nil
}

func (p *places) add(id peer.ID, at place) {
	e := p.by[id]
	if e == nil {
		if len(p.by) >= p.most {
			oldest := p.order.Front()
			delete(p.by, oldest.Value.(*provenPeer).id)
			p.order.Remove(oldest)
		}
		e = p.order.PushBack(&provenPeer{id: id})
		p.by[id] = e
	}
	p.order.MoveToBack(e)
	x := e.Value.(*provenPeer)
	switch i := slices.Index(x.places, at); {
	case i >= 0:
	case len(x.places) < provenPlaces:
		x.places = append(x.places, at)
	default:
		x.places = append(x.places[1:], at) // the one that was proven first goes
	}
}
