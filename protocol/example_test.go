package protocol_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Three nodes in lock step. The loop is all that a driver does: the work that Tick asks for, and what came of it.
func ExampleNode() {
	ids := []peer.ID{"alice", "bob", "carol"}
	nodes := map[peer.ID]*protocol.Node{}
	for i, id := range ids {
		// A node on an open network seeds its generator from crypto/rand: the keys of its sample are drawn from it.
		rng := rand.New(rand.NewChaCha8([32]byte{byte(i)}))
		node, err := protocol.New(id, protocol.Hardened(40), ids[:1], rng) // all know alice
		if err != nil {
			fmt.Println(err)
			return
		}
		nodes[id] = node
	}
	for range 10 {
		work := map[peer.ID]protocol.Actions{}
		views := map[peer.ID][]peer.ID{}
		for _, id := range ids {
			work[id] = nodes[id].Tick()
			views[id] = nodes[id].View() // pull requests of this round are answered with it
		}
		for _, id := range ids {
			for _, to := range work[id].Pushes {
				nodes[to].HandlePush(id)
				nodes[id].HandleProbeResult(to, protocol.Alive)
			}
			for _, to := range work[id].Pulls {
				if err := nodes[id].HandlePullReply(to, views[to]); err != nil {
					fmt.Println(err)
				}
				nodes[id].HandleProbeResult(to, protocol.Alive)
			}
			for _, to := range work[id].Probes {
				nodes[id].HandleProbeResult(to, protocol.Alive)
			}
		}
	}
	for _, id := range ids {
		s := nodes[id].Status()
		fmt.Printf("%s: %s, %d in view, %d sampled, %d reachable\n", string(id), s.Outcome, s.ViewDistinct, s.SampleDistinct, s.SampleProven)
	}
	// Output:
	// alice: renewed, 2 in view, 2 sampled, 2 reachable
	// bob: renewed, 2 in view, 2 sampled, 2 reachable
	// carol: renewed, 2 in view, 2 sampled, 2 reachable
}
