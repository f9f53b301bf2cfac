// Package examples plugs a Brahms sampler into libp2p's large consumers of peers: the Kademlia DHT, pubsub, and the
// bootstrapping of kubo. Each function is all that it takes; the tests run it against the real thing.
//
// It is a module of its own, so that the library does not depend on what it is plugged into. What needs no more than
// go-libp2p itself (AutoRelay, routing, the backoff connector, mdns) has its examples beside the adapters.
package examples
