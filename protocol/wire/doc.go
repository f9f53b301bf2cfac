// Package wire is the wire format of /brahms/1.0.0: its messages, how they are framed on a stream, their limits, and
// the signed peer records and probe signatures that they carry. spec/brahms.md describes the same for implementers in
// other languages; the limits there and here, and the schema, are compared by tests.
//
// The types of this package are plain Go values. The protobuf schema and its generated code are in the folder pb, which
// callers do not need: every message has a Marshal method and a Decode function that checks every limit, in both
// directions, so that what this package sends is what it would take.
//
// All input is hostile. No function panics on any bytes, and none allocates more than a small multiple of the bytes
// that really arrived, whatever lengths or counts those bytes claim: a message is scanned, without allocation, before
// anything is made from it. What Decode functions return shares no memory with their argument.
//
// The package reads no clock, starts nothing and knows no streams: it works on io.Reader, io.Writer and bytes.
package wire

//go:generate ../../tools/gen-proto.sh
