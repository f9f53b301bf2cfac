package spread_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/spread"
)

// Two peers on this machine: what one says the other hears.
func Example() {
	local := []brahmshost.Option{brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50 * time.Millisecond)}
	first, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	second, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer first.Close()
	defer second.Close()
	hears, err := brahmshost.New(first, local...)
	check(err)
	defer hears.Close()
	found := make(chan bool, 1)
	speaks, err := brahmshost.New(second, append(local,
		brahmshost.WithBootstrap(peer.AddrInfo{ID: first.ID(), Addrs: first.Addrs()}),
		brahmshost.WithRoundHook(func(s *brahmshost.Snapshot) {
			if len(s.Peers) > 0 {
				select {
				case found <- true:
				default:
				}
			}
		}))...)
	check(err)
	defer speaks.Close()

	ears, err := spread.New(first, hears)
	check(err)
	defer ears.Close()
	news, err := ears.Subscribe("news")
	check(err)
	mouth, err := spread.New(second, speaks)
	check(err)
	defer mouth.Close()

	<-found
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := mouth.Spread(ctx, "news", []byte("hello"))
	check(err)
	m, err := news.Receive(ctx)
	check(err)
	fmt.Println(report.Taken, string(m.Payload), m.Origin == second.ID())
	// Output: 1 hello true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
