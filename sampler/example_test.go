package sampler_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/sampler"
)

// Ids win slots only after a probe. A liar names many that do not answer; the sample holds none of them.
func ExampleGroup() {
	r := rand.New(rand.NewPCG(1, 2)) // a node on an open network seeds ChaCha8 from a secret
	group, err := sampler.NewGroup(sampler.Config{L2: 8, Secret: [32]byte{1}, Self: "self"})
	if err != nil {
		fmt.Println(err)
		return
	}
	alive := func(id peer.ID) bool { return id[0] != '?' }
	for round := range uint64(20) {
		for i := range 10 {
			group.Offer(peer.ID(fmt.Sprintf("?%d", round*10+uint64(i))), sampler.Namer{ID: "liar"}, false)
			group.Offer(peer.ID(fmt.Sprintf("honest%d", i)), sampler.Namer{ID: "friend"}, false)
		}
		for _, id := range group.Challengers(4, round+1, r.Shuffle) {
			if alive(id) {
				group.Confirm(id)
			} else {
				group.Refuse(id)
			}
		}
		group.EndRound()
	}
	sample := group.Sample()
	phantoms := 0
	for _, id := range sample {
		if !alive(id) {
			phantoms++
		}
	}
	fmt.Println(len(sample), "slots filled,", phantoms, "by phantoms")
	// Output: 8 slots filled, 0 by phantoms
}
