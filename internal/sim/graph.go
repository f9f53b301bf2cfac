package sim

// graph has an edge from each correct node that is up to each such node in its view or sample. Paths through faulty
// nodes and the dead are none: they would hide an eclipse.
type graph struct {
	first []int32 // node i has the edges to next[first[i]:first[i+1]]
	next  []int32
}

func (w *world) graph() graph {
	index := make([]int32, len(w.members))
	for i := range index {
		index[i] = -1
	}
	for i, n := range w.correct {
		index[n] = int32(i)
	}
	rows := make([][]int32, len(w.members))
	w.each(w.correct, func(m *member) {
		row := make([]int32, 0, 2*w.params.L1)
		seen := make(map[int32]bool, 2*w.params.L1)
		for _, id := range append(m.slots(), m.view...) {
			if x := w.member(id); x != nil && x != m && index[x.number] >= 0 && !seen[index[x.number]] {
				seen[index[x.number]] = true
				row = append(row, index[x.number])
			}
		}
		rows[m.number] = row
	})
	edges := 0
	for _, row := range rows {
		edges += len(row)
	}
	g := graph{first: make([]int32, 1, len(w.correct)+1), next: make([]int32, 0, edges)}
	for _, n := range w.correct {
		g.next = append(g.next, rows[n]...)
		g.first = append(g.first, int32(len(g.next)))
	}
	return g
}

// components returns the number of strongly connected components and the size of the largest (Tarjan 1972, without
// recursion: a path may visit every node).
func (g graph) components() (count, largest int) {
	n := len(g.first) - 1
	var (
		order   = make([]int32, n) // of the visit, from 1; 0 is not visited
		low     = make([]int32, n)
		at      = make([]int32, n) // edges of the node that were followed
		stacked = make([]bool, n)
		stack   []int32
		path    []int32
		counter int32
	)
	for root := range n {
		if order[root] != 0 {
			continue
		}
		path = append(path[:0], int32(root))
		for len(path) > 0 {
			i := path[len(path)-1]
			if order[i] == 0 {
				counter++
				order[i], low[i] = counter, counter
				stack, stacked[i] = append(stack, i), true
			}
			deeper := false
			for edges := g.next[g.first[i]:g.first[i+1]]; int(at[i]) < len(edges); at[i]++ {
				j := edges[at[i]]
				if order[j] == 0 {
					path, deeper = append(path, j), true
					break
				}
				if stacked[j] {
					low[i] = min(low[i], low[j])
				}
			}
			if deeper {
				continue
			}
			path = path[:len(path)-1]
			if low[i] != order[i] {
				continue
			}
			count++
			for size := 1; ; size++ {
				j := stack[len(stack)-1]
				stack, stacked[j] = stack[:len(stack)-1], false
				if j == i {
					largest = max(largest, size)
					break
				}
			}
		}
	}
	return count, largest
}

// forgotten is the number of nodes that no other knows.
func (g graph) forgotten() int {
	known := make([]bool, len(g.first)-1)
	for _, j := range g.next {
		known[j] = true
	}
	n := 0
	for _, k := range known {
		if !k {
			n++
		}
	}
	return n
}
