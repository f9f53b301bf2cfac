// Package consensus agrees on sets of items over the uniform sample that a Brahms service (package host) keeps. In each
// epoch peers may propose a few small items, signed with the keys of their hosts; all peers then poll fresh peers of their
// samples until they have decided which items are in the set of the epoch, the same at all of them.
//
//	agree, err := consensus.New(h, sampler) // sampler: a *brahmshost.Service on the same host
//	item, err := agree.Propose(ctx, []byte("apple"))
//	set, err := agree.Wait(ctx, item.Epoch)
//
// It is a layer on top, which an application may leave: it only draws from the sampler. Agreement holds with high
// probability while fewer than a quarter of the picks are faulty or silent; docs/consensus.md says what it bears, and what
// not. With too few peers it decides nothing and says so (Status).
//
// The decisions are those of package machine, the wire is that of package wire; here are the network, the clock and the
// goroutines.
package consensus
