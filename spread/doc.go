// Package spread carries messages to all peers of a network, over the uniform sample that a Brahms service (package host)
// keeps: each peer that gets a message for the first time passes it on to ln n + 7 peers of its sample. That is enough for all
// to get it, and enough when a fifth of the peers take messages and drop them (docs/spread.md has the figures).
//
//	s, err := spread.New(h, sampler) // sampler: a *brahmshost.Service on the same host
//	sub, err := s.Subscribe("news")
//	report, err := s.Spread(ctx, "news", []byte("hello"))
//	m, err := sub.Receive(ctx)
//
// A message is signed by its origin, and has a topic, a time and a payload of at most 64 KiB. Each peer delivers it once, to
// those who subscribed to its topic, and passes it on whoever subscribed. It is no channel: messages come in no order, who is
// away misses them, and what reached whom is not known.
//
// What others send is bounded: size, age, hops, messages of one origin, copies from one neighbour, messages that are
// remembered, streams at once. Whatever is refused is counted by reason (Status).
//
// The decisions are those of package gossip, the wire is that of package message; here are the network, the clock and the
// goroutines.
package spread
