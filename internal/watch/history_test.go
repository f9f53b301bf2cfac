package watch

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

func roundOf(round uint64, view, sample []peer.ID) *brahmshost.Status {
	s := &brahmshost.Snapshot{Round: round, View: view}
	for _, id := range sample {
		s.Slots = append(s.Slots, protocol.Sampled{ID: id})
	}
	return &brahmshost.Status{Snapshot: s}
}

func TestHistory(t *testing.T) {
	h := NewHistory()
	ids := func(names ...peer.ID) []peer.ID { return names }
	h.Refused(brahmshost.ReasonBadFrame, 2)
	h.Refused(brahmshost.ReasonPushCrowded, 3)
	h.RoundEnded(roundOf(1, ids("a", "a", "b"), ids("a", "", "a")))
	h.RoundEnded(roundOf(2, ids("b", "c"), ids("a", "", "b")))
	h.RoundEnded(roundOf(3, ids("b", "c"), ids("b", "a", "")))
	last := roundOf(4, nil, ids("", "", "c"))
	last.Node.Pushes, last.Node.PushOverflow, last.Node.Threshold = 5, 6, 7
	last.Size, last.Node.SampleDistinct = protocol.SizeEstimate{N: 10, StdErr: 5, OK: true}, 3
	h.RoundEnded(last)
	p := h.past()

	type flow struct{ viewNew, viewGone, sampleNew, sampleGone, refused int }
	var got []flow
	for _, x := range p.points {
		got = append(got, flow{x.ViewNew, x.ViewGone, x.SampleNew, x.SampleGone, int(x.Refused)})
	}
	if want := []flow{{2, 0, 1, 0, 5}, {1, 1, 1, 0, 0}, {}, {0, 2, 1, 2, 0}}; !slices.Equal(got, want) {
		t.Errorf("view came and went, sample came and went, refused: %v, want %v", got, want)
	}
	if got, want := fmt.Sprint(p.changes), "[{1 [a] []} {2 [b] []} {4 [c] [a b]}]"; got != fmt.Sprintf("[{1 %v []} {2 %v []} {4 %v %v}]", ids("a"), ids("b"), ids("c"), ids("a", "b")) {
		t.Errorf("changes %s, want %s", got, want)
	}
	if p.sampled["c"] != 4 || len(p.sampled) != 1 || len(p.inView) != 0 {
		t.Errorf("since when: %v %v", p.sampled, p.inView)
	}
	at := p.points[3]
	if at.Pushes != 11 || at.Threshold != 7 || at.Size == nil || *at.Size != (Size{N: 10, StdErr: 5, Low: 4, High: 19.8}) || p.points[0].Size != nil {
		t.Errorf("the last round is %+v, size %+v", at, at.Size)
	}

	// It is bounded, and what it gave away is not written to.
	for r := range uint64(3 * maxPoints) {
		h.RoundEnded(roundOf(r, ids(peer.ID(fmt.Sprint(r))), ids(peer.ID(fmt.Sprint(r)))))
	}
	more := h.past()
	if len(more.points) != maxPoints || len(more.changes) != maxChanges || len(more.inView) != 1 || len(more.sampled) != 1 {
		t.Errorf("it holds %d rounds, %d changes, %d and %d peers", len(more.points), len(more.changes), len(more.inView), len(more.sampled))
	}
	if r := more.points[maxPoints-1].Round; r != 3*maxPoints-1 || more.points[0].Round != 2*maxPoints {
		t.Errorf("rounds %d to %d are left", more.points[0].Round, r)
	}
	if p.points[0].Round != 1 || len(p.points) != 4 {
		t.Error("an older answer has changed")
	}
}
