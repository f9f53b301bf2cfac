package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// converged returns a node of a network that has run for a while, and what a round brings it, over and over.
func converged(p Params) (n *Node, round func() Actions) {
	net := newTestNet(300, 0, p, 1)
	for range 30 {
		net.round()
	}
	n = net.nodes[net.ids[0]]
	pushers := net.ids[1:]
	at := 0
	return n, func() Actions {
		a := n.Tick()
		for range n.shares.Push {
			at++
			n.HandlePush(pushers[at%len(pushers)])
		}
		for _, id := range a.Pulls {
			if n.HandlePullReply(id, net.views[id]) == nil {
				n.HandleProbeResult(id, Alive)
			}
		}
		for _, ids := range [][]peer.ID{a.Pushes, a.Probes} {
			for _, id := range ids {
				n.HandleProbeResult(id, Alive)
			}
		}
		return a
	}
}

// BenchmarkRound is all that a node computes in a round: Tick and what the round brings.
func BenchmarkRound(b *testing.B) {
	for _, name := range Presets() {
		for _, l := range []int{40, 100} {
			b.Run(fmt.Sprintf("%s/l=%d", name, l), func(b *testing.B) {
				p, _ := Preset(name, l)
				_, round := converged(p)
				b.ReportAllocs()
				for b.Loop() {
					round()
				}
			})
		}
	}
}

// BenchmarkTick is Tick alone, of a round that brought its usual pushes and replies.
func BenchmarkTick(b *testing.B) {
	n, round := converged(Hardened(40))
	round()
	pushers, replies := slices.Clone(n.in.pushers), slices.Clone(n.in.replies)
	b.ReportAllocs()
	for b.Loop() {
		n.in.pushers, n.in.replies = append(n.in.pushers[:0], pushers...), append(n.in.replies[:0], replies...)
		n.Tick()
	}
}

func BenchmarkHandlePush(b *testing.B) {
	n, _ := converged(Hardened(40))
	ids := make([]peer.ID, 1000)
	for i := range ids {
		ids[i] = testID(i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i%len(ids) == 0 {
			n.open()
		}
		n.HandlePush(ids[i%len(ids)])
	}
}

// BenchmarkNet is a node-round of the test network, its driver included.
func BenchmarkNet(b *testing.B) {
	for _, faulty := range []float64{0, .2} {
		b.Run(fmt.Sprintf("n=300,f=%v", faulty), func(b *testing.B) {
			net := newTestNet(300, faulty, Hardened(40), 1)
			for range 30 {
				net.round()
			}
			b.ReportAllocs()
			for b.Loop() {
				net.round()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(net.nodes)), "ns/node-round")
		})
	}
}
