package swarm

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// peers makes states from edges: views["a"] = "bc" says that a's view names b and c.
func peers(views, samples map[string]string) []state {
	split := func(s string) []peer.ID {
		var ids []peer.ID
		for _, c := range s {
			ids = append(ids, peer.ID(c))
		}
		return ids
	}
	var names []string
	for name := range views {
		names = append(names, name)
	}
	slices.Sort(names)
	var states []state
	for _, name := range names {
		states = append(states, state{id: peer.ID(name), veteran: true, view: split(views[name]), sample: split(samples[name])})
	}
	return states
}

func TestGraph(t *testing.T) {
	for _, c := range []struct {
		about            string
		views, samples   map[string]string
		dead             string
		components       int
		largest          int
		forgotten        int
		deadViews, dead2 int
	}{
		{about: "one peer that knows nobody", views: map[string]string{"a": ""}, components: 1, largest: 1, forgotten: 1},
		{about: "a ring by views", views: map[string]string{"a": "b", "b": "c", "c": "a"}, components: 1, largest: 3},
		{about: "a ring by view and sample edges", views: map[string]string{"a": "b", "b": "", "c": "a"},
			samples: map[string]string{"b": "c"}, components: 1, largest: 3},
		{about: "a chain is connected weakly, and everybody apart strongly", views: map[string]string{"a": "b", "b": "c", "c": ""},
			components: 3, largest: 1, forgotten: 1},
		{about: "two rings without an edge between", views: map[string]string{"a": "b", "b": "a", "c": "d", "d": "e", "e": "c"},
			components: 2, largest: 3},
		{about: "two rings with edges one way", views: map[string]string{"a": "bc", "b": "a", "c": "d", "d": "c"}, components: 2, largest: 2},
		{about: "an eclipsed peer: it sees all and nobody sees it", views: map[string]string{"a": "b", "b": "a", "c": "ab"},
			components: 2, largest: 2, forgotten: 1},
		{about: "a path through the dead is none", views: map[string]string{"a": "bx", "b": "x"}, dead: "x", components: 2, largest: 1,
			forgotten: 1, deadViews: 2},
		{about: "who knows himself is forgotten all the same", views: map[string]string{"a": "b", "b": "b"}, samples: map[string]string{"a": "a"},
			components: 2, largest: 1, forgotten: 1},
		{about: "repeats are one edge", views: map[string]string{"a": "bbb", "b": "aaa"}, components: 1, largest: 2},
		{about: "dead ids in samples are counted by slot", views: map[string]string{"a": "b", "b": "a"}, samples: map[string]string{"a": "xxb"},
			dead: "x", components: 1, largest: 2, dead2: 2},
	} {
		states := peers(c.views, c.samples)
		dead := map[peer.ID]bool{}
		for _, d := range c.dead {
			dead[peer.ID(d)] = true
		}
		var s Summary
		s.judge(states, dead)
		if s.Components != c.components || s.Eclipsed != len(states)-c.largest || s.Forgotten != c.forgotten {
			t.Errorf("%s: %d components, %d eclipsed, %d forgotten; want %d, %d, %d", c.about,
				s.Components, s.Eclipsed, s.Forgotten, c.components, len(states)-c.largest, c.forgotten)
		}
		if s.DeadInViews != c.deadViews || s.DeadInSamples != c.dead2 {
			t.Errorf("%s: dead in %d view slots and %d sample slots, want %d and %d", c.about, s.DeadInViews, s.DeadInSamples, c.deadViews, c.dead2)
		}
		if fails := s.Failure() != ""; fails != (c.components != 1 || c.dead2 > 0) {
			t.Errorf("%s: Failure() = %q", c.about, s.Failure())
		}
	}
}

// TestComponentsOfALongPath: the depth of the recursion is that of the longest path, and every order of visits counts.
func TestComponentsOfALongPath(t *testing.T) {
	states := make([]state, MaxPeers)
	for i := range states {
		states[i] = state{id: peer.ID(fmt.Sprint(i)), view: []peer.ID{peer.ID(fmt.Sprint(i + 1))}}
	}
	if sizes := newGraph(states).components(); len(sizes) != MaxPeers {
		t.Errorf("a path of %d peers has %d components", MaxPeers, len(sizes))
	}
	states[MaxPeers-1].view = []peer.ID{"0"}
	if sizes := newGraph(states).components(); !slices.Equal(sizes, []int{MaxPeers}) {
		t.Errorf("a ring of %d peers has components of %v", MaxPeers, sizes)
	}
}
