// Package message is the wire format of /brahms/spread/1.0.0: its messages, their limits, and the signature by which a
// message is its origin's. spec/spread.md describes the same for implementers in other languages.
//
// All input is hostile. No function panics on any bytes, and none allocates more than a small multiple of them: a message
// is scanned, without allocation, before anything is made from it. What Decode functions return shares no memory with
// their argument. Frames are those of package protocol/wire, and so are the errors: ErrTooLarge, ErrMalformed, ErrLimit and
// ErrUnknownStatus.
//
// The package reads no clock, starts nothing and draws nothing.
package message

//go:generate ../../tools/gen-proto.sh

// ID is the protocol id. A network of its own prepends a prefix: "/myapp" makes "/myapp/brahms/spread/1.0.0".
const ID = "/brahms/spread/1.0.0"
