package gossip

import (
	"math"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// world is a network of machines whose samples are perfect, in which copies arrive in the order in which they were sent.
type world struct {
	machines []*Machine
	drops    []bool // of faulty peers
	draw     func(from, n int) []peer.AddrInfo
	index    map[peer.ID]int
	fanout   int
}

func newWorld(t testing.TB, n, faulty int, seed uint64, change func(*Params)) *world {
	w := &world{index: map[peer.ID]int{}, drops: make([]bool, n), fanout: Fanout(float64(n))}
	for i := range n {
		w.machines = append(w.machines, machine(t, change))
		w.index[name(i)] = i
		w.drops[i] = i < faulty
	}
	rng := stattest.Rand(seed)
	w.draw = func(from, k int) []peer.AddrInfo {
		var out []peer.AddrInfo
		for len(out) < k {
			if i := rng.IntN(n); i != from {
				out = append(out, peer.AddrInfo{ID: name(i)})
			}
		}
		return out
	}
	return w
}

// spread lets origin send message number m, and returns how many correct peers but it were reached, and all copies that correct
// peers got.
func (w *world) spread(origin, m int) (reached, copies int) {
	type letter struct{ from, to, hops int }
	var post []letter
	pass := func(from, hops int, not ...peer.ID) {
		for _, p := range Targets(w.draw(from, w.fanout+len(not)), w.fanout, not...) {
			post = append(post, letter{from, w.index[p.ID], hops})
		}
	}
	h := Header{ID: id(m), Origin: name(origin), Time: start}
	w.machines[origin].Accept(start, h)
	pass(origin, 0)
	for len(post) > 0 {
		l := post[0]
		post = post[1:]
		if w.drops[l.to] {
			continue
		}
		copies++
		h.Hops = l.hops
		v, relay := w.machines[l.to].Accept(start, h)
		if v == Unseen {
			reached++
		}
		if relay {
			pass(l.to, l.hops+1, name(origin), name(l.from))
		}
	}
	return reached, copies
}

// TestCoverage: with ln n + 7 copies of each peer all get all messages, at no more than 1.5 times what theory needs, and all
// but a few per 100,000 where a fifth drops them. Negative controls: with 2 copies of each, and where nobody passes on what
// has come one hop, many get nothing.
func TestCoverage(t *testing.T) {
	const seed = 1
	for _, c := range []struct {
		about     string
		n, faulty int
		messages  int
		fanout    int // 0: ln n + 7
		hops      int
		most      float64 // share of those not reached
		least     float64
	}{
		{"64 peers", 64, 0, 300, 0, 10, 1e-4, 0},
		{"64 peers, a fifth drops", 64, 13, 300, 0, 10, 1e-3, 0},
		{"1000 peers", 1000, 0, 20, 0, 10, 1e-4, 0},
		{"1000 peers, a fifth drops", 1000, 200, 20, 0, 10, 1e-3, 0},
		{"two copies of each", 64, 13, 300, 2, 10, 1, .1},
		{"one hop", 64, 0, 300, 0, 0, 1, .5},
	} {
		w := newWorld(t, c.n, c.faulty, seed, func(p *Params) {
			unlimited(p)
			p.MaxHops = c.hops
		})
		if c.fanout > 0 {
			w.fanout = c.fanout
		}
		var missed, all, copies int
		for m := range c.messages {
			origin := c.faulty + m%(c.n-c.faulty)
			n, k := w.spread(origin, m)
			missed += c.n - c.faulty - 1 - n
			all += c.n - c.faulty - 1
			copies += k
		}
		share := float64(missed) / float64(all)
		each, theory := float64(copies)/float64(all+c.messages), math.Log(float64(c.n))+7
		t.Logf("%s: %d of %d missed, %.2f copies each, theory needs %.2f", c.about, missed, all, each, theory)
		if share > c.most || share < c.least {
			t.Errorf("%s: a share of %v was missed, want %v to %v", c.about, share, c.least, c.most)
		}
		if each > 1.5*theory {
			t.Errorf("%s: %v copies each, theory needs %v", c.about, each, theory)
		}
	}
}
