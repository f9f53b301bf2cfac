package view_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/view"
)

// A round brought one push and two pull replies. Each message fills one slot; the rest comes from the history.
func ExampleFill() {
	shares := view.Split(10, .40, .30, .30)
	fmt.Printf("%+v\n", shares)

	r := rand.New(rand.NewPCG(1, 2)) // a node on an open network seeds ChaCha8 from a secret
	v := view.Fill(r, shares, []peer.ID{"pusher"}, []peer.ID{"named-by-x", "named-by-y"}, []peer.ID{"sampled"}, nil, nil)
	for _, id := range view.Distinct(v) {
		fmt.Println(string(id), len(v)-len(view.Without(v, func(x peer.ID) bool { return x == id })))
	}
	// Output:
	// {Push:4 Pull:3 History:3}
	// pusher 1
	// named-by-x 1
	// named-by-y 1
	// sampled 7
}
