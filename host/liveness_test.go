//go:build !race

package host

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var livenessRounds = flag.Int("liveness", 0, "rounds of each cell of TestLivenessTable, which then has all that docs/liveness.md has; 0: one cell, 10 rounds")

// leaky hosts lose exchanges: each of them with probability loss, and all that one begins with a share oneway of the others.
type leaky struct {
	loss, oneway float64

	mu  sync.Mutex
	on  bool
	rng *rand.Rand
	cut map[[2]peer.ID]bool
}

type leakyHost struct {
	corehost.Host
	links *leaky
}

func (h leakyHost) NewStream(ctx context.Context, id peer.ID, protocols ...coreprotocol.ID) (network.Stream, error) {
	if h.links.lost(h.ID(), id) {
		return nil, errLost
	}
	return h.Host.NewStream(ctx, id, protocols...)
}

func (l *leaky) lost(from, to peer.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on {
		return false
	}
	cut, known := l.cut[[2]peer.ID{from, to}]
	if !known {
		cut = l.rng.Float64() < l.oneway
		l.cut[[2]peer.ID{from, to}] = cut
	}
	return cut || l.rng.Float64() < l.loss
}

// watchDeaths measures 20 real peers of which two die after so many rounds: the rounds until no sample has one of them, and
// the live ones declared dead before that, a peer and 1000 rounds.
func watchDeaths(t *testing.T, loss, oneway float64, p protocol.Params, rounds int) (noticed int, falsely float64) {
	const peers, killed = 20, 2
	l := &leaky{loss: loss, oneway: oneway, rng: stattest.Rand(7), cut: map[[2]peer.ID]bool{}}
	b := newByHand(t, peers, p, func() corehost.Host { return leakyHost{newHost(t), l} })
	for range 10 { // until all know each other
		b.round()
	}
	l.mu.Lock()
	l.on = true
	l.mu.Unlock()
	deaths := 0
	for range rounds {
		b.round()
		deaths += b.deaths()
	}
	dead := b.kill(t, killed)
	held := func() bool {
		for _, s := range b.services {
			for _, slot := range s.Snapshot().Slots {
				if dead[slot.ID] {
					return true
				}
			}
		}
		return false
	}
	for ; held() && noticed < 60; noticed++ {
		b.round()
	}
	for _, s := range b.services { // the next network has the machine for itself
		_ = s.Close()
	}
	for _, h := range b.hosts {
		_ = h.Close()
	}
	return noticed, 1000 * float64(deaths) / float64(peers*rounds)
}

// TestLivenessTable: where exchanges get lost the dead leave samples within the bound of docs/design.md, and indirect probes spare
// the living; without them (the control) many are declared dead. Where one peer cannot reach another that it knew it gives it up
// once, with helpers or without.
func TestLivenessTable(t *testing.T) {
	type cell struct{ loss, oneway float64 }
	cells, rounds := []cell{{.1, 0}}, 10
	if *livenessRounds > 0 {
		cells, rounds = []cell{{0, 0}, {.1, 0}, {.2, 0}, {.3, 0}, {0, .05}, {0, .1}}, *livenessRounds
	}
	p := protocol.Hardened(40)
	bound := roundsToForget(p, 19, 2, true)
	table := "| loss | oneway | indirect | noticed | false deaths |"
	for _, c := range cells {
		rate := map[int]float64{}
		for _, helpers := range []int{0, p.Indirect} {
			q := p
			q.Indirect = helpers
			noticed, falsely := watchDeaths(t, c.loss, c.oneway, q, rounds)
			rate[helpers] = falsely
			table += fmt.Sprintf("\n| %g | %g | %d | %d | %.1f |", c.loss, c.oneway, helpers, noticed, falsely)
			if noticed < 2 || noticed > bound {
				t.Errorf("loss %g, oneway %g, %d helpers: the dead are noticed after %d rounds, the bound is %d", c.loss, c.oneway, helpers, noticed, bound)
			}
		}
		if plain, helped := rate[0], rate[p.Indirect]; c.loss > 0 && (plain < 50 || helped > plain/5) {
			t.Errorf("loss %g: %.1f live peers declared dead without helpers, %.1f with them", c.loss, plain, helped)
		}
		if c.loss+c.oneway == 0 && rate[0]+rate[p.Indirect] > 0 {
			t.Errorf("%v live peers declared dead where nothing is lost", rate)
		}
	}
	t.Logf("20 peers, %d rounds\n%s", rounds, table)
}
