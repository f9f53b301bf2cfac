package swarm

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// state is what a live peer holds at the end of a run.
type state struct {
	id      peer.ID
	veteran bool      // up for the maturity time: the chi-square tests look at these alone
	view    []peer.ID // one a slot
	sample  []peer.ID // one a slot, empty where the slot holds nothing
	counted []peer.ID // of those, what counts for users
}

// graph has an edge from each live peer to each live peer in its view or sample. Ids of the dead lead nowhere: a path
// through them is none.
type graph struct {
	next  [][]int // distinct, without self
	known []bool  // in somebody else's view or sample
}

func newGraph(states []state) graph {
	index := make(map[peer.ID]int, len(states))
	for i, s := range states {
		index[s.id] = i
	}
	g := graph{next: make([][]int, len(states)), known: make([]bool, len(states))}
	for i, s := range states {
		seen := make(map[int]bool)
		for _, ids := range [][]peer.ID{s.view, s.sample} {
			for _, id := range ids {
				j, live := index[id]
				if !live || j == i || seen[j] {
					continue
				}
				seen[j], g.known[j] = true, true
				g.next[i] = append(g.next[i], j)
			}
		}
	}
	return g
}

// components returns the sizes of the strongly connected components, in no order.
func (g graph) components() (sizes []int) {
	for _, p := range g.parts() {
		sizes = append(sizes, len(p))
	}
	return sizes
}

// parts returns the strongly connected components, in no order (Tarjan 1972). The recursion is as deep as the longest
// path, at most MaxPeers.
func (g graph) parts() [][]int {
	var (
		parts   [][]int
		stack   []int
		counter int
		order   = make([]int, len(g.next)) // of the visit, from 1; 0 is not visited
		low     = make([]int, len(g.next))
		stacked = make([]bool, len(g.next))
		visit   func(i int)
	)
	visit = func(i int) {
		counter++
		order[i], low[i] = counter, counter
		stack, stacked[i] = append(stack, i), true
		for _, j := range g.next[i] {
			if order[j] == 0 {
				visit(j)
				low[i] = min(low[i], low[j])
			} else if stacked[j] {
				low[i] = min(low[i], order[j])
			}
		}
		if low[i] != order[i] {
			return
		}
		from := slices.Index(stack, i)
		for _, j := range stack[from:] {
			stacked[j] = false
		}
		parts = append(parts, slices.Clone(stack[from:]))
		stack = stack[:from]
	}
	for i := range g.next {
		if order[i] == 0 {
			visit(i)
		}
	}
	return parts
}

// outside reports of each peer whether it is not in the largest component.
func (g graph) outside() []bool {
	var largest []int
	for _, p := range g.parts() {
		if len(p) > len(largest) {
			largest = p
		}
	}
	out := slices.Repeat([]bool{true}, len(g.next))
	for _, i := range largest {
		out[i] = false
	}
	return out
}

// forgotten is the number of peers in nobody else's view or sample.
func (g graph) forgotten() int {
	n := 0
	for _, known := range g.known {
		if !known {
			n++
		}
	}
	return n
}
