// Package host joins a libp2p host to the Brahms peer sampler: New takes any host of go-libp2p, speaks `/brahms/1.0.0` on
// it, and hands out uniform random peers of the network.
//
//	h, _ := libp2p.New()
//	svc, err := brahmshost.New(h, brahmshost.WithBootstrap(seed))
//	...
//	for _, p := range svc.Random(3) { svc.Connect(ctx, p) }
//
// Import it as brahmshost, since libp2p has a core/host of its own.
//
// The service is the only part of the project with a clock, goroutines and locks. One goroutine owns the protocol's
// state (loop.go, where the round is); a fixed number of workers does what it orders (exchange.go); stream handlers
// answer others from what the loop published last and never wait for it (serve.go). What users read (Sample, Random,
// View, Status) is that published snapshot too: it takes no lock and never waits.
package host

import "github.com/brahms-p2p/brahms-p2p/protocol"

// ServiceName is the name under which streams and memory are booked with the resource manager.
const ServiceName = "brahms"

// ID is the protocol that the service speaks, before the prefix of WithProtocolPrefix.
const ID = protocol.ID
