package consensus_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// A peer that puts a word up in each epoch of a minute, and prints what all agree on. It has no output: it needs a network of
// four others at least.
func Example() {
	h, err := libp2p.New()
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	seed, err := peer.AddrInfoFromString("/dnsaddr/seed.example.org/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	if err != nil {
		log.Fatal(err)
	}
	sampler, err := brahmshost.New(h, brahmshost.WithBootstrap(*seed))
	if err != nil {
		log.Fatal(err)
	}
	defer sampler.Close()
	state, err := consensus.OpenStateDir("agreement") // so that a restart loses no epoch
	if err != nil {
		log.Fatal(err)
	}
	defer state.Close()
	agree, err := consensus.New(h, sampler, consensus.WithEpochs(time.Minute, time.Unix(0, 0)), consensus.WithStore(state))
	if err != nil {
		log.Fatal(err)
	}
	defer agree.Close()
	for {
		item, err := agree.Propose(context.Background(), []byte("a word"))
		if err != nil {
			log.Fatal(err)
		}
		switch set, err := agree.Wait(context.Background(), item.Epoch); {
		case errors.Is(err, consensus.ErrNotKept): // nobody agreed for three epochs: agree.Status says why
		case err != nil:
			log.Fatal(err)
		default:
			for _, it := range set {
				fmt.Println(item.Epoch, it.Origin, string(it.Payload))
			}
		}
	}
}
