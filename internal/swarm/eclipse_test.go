package swarm

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// plenty is a sampler of correct peers.
type plenty struct{ consensus.Sampler }

func (plenty) Draw(n int) []peer.AddrInfo {
	got := make([]peer.AddrInfo, n)
	for i := range got {
		got[i].ID = peer.ID(fmt.Sprint("correct ", i))
	}
	return got
}

func (p plenty) Fresh(_ context.Context, n int) ([]peer.AddrInfo, error) { return p.Draw(n), nil }

// TestFed: of an eclipsed peer's picks the stated share is faulty (within four standard errors of 2,000 draws, seed 1), and the
// faulty take turns.
func TestFed(t *testing.T) {
	faulty := []peer.AddrInfo{{ID: "f0"}, {ID: "f1"}, {ID: "f2"}}
	for name, draw := range map[string]func(f *fed) []peer.AddrInfo{
		"draw":  func(f *fed) []peer.AddrInfo { return f.Draw(2000) },
		"fresh": func(f *fed) []peer.AddrInfo { got, _ := f.Fresh(t.Context(), 2000); return got },
	} {
		f := &fed{Sampler: plenty{}, faulty: faulty, rng: rand.New(stream(1, "eclipse", 0))}
		var found []peer.ID
		for i, p := range draw(f) {
			if p.ID[0] == 'f' {
				found = append(found, p.ID)
			} else if want := peer.ID(fmt.Sprint("correct ", i)); p.ID != want {
				t.Fatalf("%s: %s in the place of %s", name, string(p.ID), string(want))
			}
		}
		if share := float64(len(found)) / 2000; math.Abs(share-attack.EclipsedBy) > 4*math.Sqrt(.6*.4/2000) {
			t.Errorf("%s: %v of the picks are faulty, want %v", name, share, attack.EclipsedBy)
		}
		for i, id := range found {
			if id != faulty[i%3].ID {
				t.Fatalf("%s: faulty pick %d is %s", name, i, string(id))
			}
		}
	}
}

// TestWhoIsEclipsed: the last twentieth of the correct peers, at least one, and nobody under another attack.
func TestWhoIsEclipsed(t *testing.T) {
	for _, c := range []struct{ correct, want int }{{1, 1}, {20, 1}, {21, 2}, {54, 3}} {
		r := &run{members: []*member{{faulty: true}}}
		for range c.correct {
			r.members = append(r.members, &member{})
		}
		for _, name := range []string{attack.Eclipse, "contrary", ""} {
			r.cfg.AgreeAttack = name
			var got []int
			for i, m := range r.members {
				if r.eclipsed(m) {
					got = append(got, i)
				}
			}
			want := c.want
			if name != attack.Eclipse {
				want = 0
			}
			if len(got) != want || want > 0 && (got[0] != 1+c.correct-want) {
				t.Errorf("%d correct peers, attack %q: eclipsed %v, want %d at the end", c.correct, name, got, want)
			}
		}
	}
}
