package sim

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

// edges makes a graph from the successors of each node.
func edges(next [][]int) graph {
	g := graph{first: []int32{0}}
	for _, js := range next {
		for _, j := range js {
			g.next = append(g.next, int32(j))
		}
		g.first = append(g.first, int32(len(g.next)))
	}
	return g
}

// TestComponentsAgainstReachability: two nodes are in one component if each reaches the other.
func TestComponentsAgainstReachability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "nodes")
		next := make([][]int, n)
		reach := make([][]bool, n)
		known := make([]bool, n)
		for i := range next {
			next[i] = rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(t, "edges")
			reach[i] = make([]bool, n)
			reach[i][i] = true
			for _, j := range next[i] {
				reach[i][j] = true
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		count, largest := 0, 0
		for i := range n {
			size, first := 0, true
			for j := range n {
				if reach[i][j] && reach[j][i] {
					size++
					first = first && j >= i
				}
			}
			if first {
				count++
			}
			largest = max(largest, size)
			for _, j := range next[i] {
				known[j] = true
			}
		}
		forgotten := 0
		for _, k := range known {
			if !k {
				forgotten++
			}
		}
		g := edges(next)
		if c, l := g.components(); c != count || l != largest {
			t.Fatalf("%d components, the largest of %d; by reachability %d and %d: %v", c, l, count, largest, next)
		}
		if f := g.forgotten(); f != forgotten {
			t.Fatalf("%d forgotten, want %d: %v", f, forgotten, next)
		}
	})
}

func TestComponentsOfADeepPath(t *testing.T) {
	const n = 100_000
	next := make([][]int, n)
	for i := range n - 1 {
		next[i] = []int{i + 1}
	}
	if c, l := edges(next).components(); c != n || l != 1 {
		t.Errorf("a path of %d has %d components, the largest of %d", n, c, l)
	}
	next[n-1] = []int{0}
	if c, l := edges(next).components(); c != 1 || l != n {
		t.Errorf("a ring of %d has %d components, the largest of %d", n, c, l)
	}
}

// TestGraphOfWorld: which ids of views and samples are edges.
func TestGraphOfWorld(t *testing.T) {
	w, p := stage(t, network(8, 1, func(c *Config) { c.Faulty = .25 })) // 0 to 5 are correct, 6 and 7 faulty
	id := func(numbers ...int) (ids []peer.ID) {
		for _, n := range numbers {
			ids = append(ids, w.members[n].id)
		}
		return ids
	}
	set := func(n int, view, sample []peer.ID) { w.members[n].view, p[n].sample = view, sample }
	set(0, id(1, 1, 0), nil)
	set(1, nil, id(2))
	set(2, id(6, 5), id(0))
	set(3, id(0, 7), nil) // sees all, and only a faulty node and it itself see it
	set(4, id(0), id(4))
	set(5, id(0, 4), nil) // is off, so 4 is forgotten
	w.off([]int{5})
	w.members[0].view = append(w.members[0].view, makeID(phantomID, 3), makeID(memberID, 1000)) // nobody has them

	g := w.graph()
	if len(g.first) != 6 || len(g.next) != 5 {
		t.Errorf("%d nodes and %d edges, want 5 and 5", len(g.first)-1, len(g.next))
	}
	r := &Result{}
	last := w.measure()
	r.conclude(w, last, last)
	if r.Components != 3 || r.Eclipsed != 2 || r.Forgotten != 2 {
		t.Errorf("%d components, %d eclipsed, %d forgotten, want 3, 2 and 2", r.Components, r.Eclipsed, r.Forgotten)
	}
	// By the views of 0 to 4: 0 is named by 3 and 4, 1 twice by 0.
	if want := (Spread{Mean: .8, SD: round6(.9797959), Min: 0, Max: 2}); r.InDegree != want {
		t.Errorf("in_degree %+v, want %+v", r.InDegree, want)
	}
}
