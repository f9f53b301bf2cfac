// Package wire is the wire format of /brahms/consensus/1.0.0: its four messages, their limits, and the signatures of items.
// spec/consensus.md describes the same for implementers in other languages. Frames are those of protocol/wire.
//
// All input is hostile. No function panics on any bytes; a message is measured against its limits before anything is made
// from it, and what Decode functions return shares no memory with their argument. Every Marshal refuses what a Decode
// function would.
package wire

// Limits of /brahms/consensus/1.0.0, in bytes of a message without its length.
const (
	MaxPollRequest   = 128 // an epoch, a nonce, and room for fields of later revisions
	MaxPollResponse  = 9 << 10
	MaxFetchRequest  = 1 << 10
	MaxFetchResponse = 9 << 10
)
