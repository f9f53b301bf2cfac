package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A push, from the sender's record to the receiver's check. The buffer stands in for the stream.
func Example() {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		panic(err)
	}
	sender, err := peer.IDFromPrivateKey(key)
	if err != nil {
		panic(err)
	}

	// The sender.
	addr := multiaddr.StringCast("/ip4/198.51.100.1/udp/4001/quic-v1")
	record, err := wire.SealRecord(key, sender, []multiaddr.Multiaddr{addr}, 1)
	if err != nil {
		panic(err)
	}
	msg, err := wire.PushRequest{Record: record}.Marshal()
	if err != nil {
		panic(err)
	}
	var stream bytes.Buffer
	if err := wire.WriteFrame(&stream, msg); err != nil {
		panic(err)
	}

	// The receiver.
	r := wire.NewReader(&stream)
	frame, err := r.Frame(wire.MaxPushRequest)
	if err != nil {
		panic(err)
	}
	req, err := wire.DecodePushRequest(frame)
	if err != nil {
		panic(err)
	}
	opened, err := wire.OpenRecord(req.Record)
	if err != nil {
		panic(err)
	}
	fmt.Println("from the authenticated sender:", opened.ID == sender)
	fmt.Println(opened.Addrs[0], "seq", opened.Seq)
	fmt.Println("end of stream:", r.EOF() == nil)
	// Output:
	// from the authenticated sender: true
	// /ip4/198.51.100.1/udp/4001/quic-v1 seq 1
	// end of stream: true
}
