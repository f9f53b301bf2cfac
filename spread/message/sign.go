package message

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// ErrForged: the message is not signed by its origin, for this network.
var ErrForged = errors.New("spread: not signed by its origin")

// Sign makes the message of a serialised body, with the key of its origin. protocol is the id of the streams on which the
// message will travel, with its prefix: it keeps the signature to one network, and apart from everything else that the key
// of a peer signs. It fails with ErrForged if the key is not origin's.
func Sign(key crypto.PrivKey, protocol string, origin peer.ID, body []byte) (Message, error) {
	if !origin.MatchesPrivateKey(key) {
		return Message{}, ErrForged
	}
	m := Message{Body: body}
	if _, err := origin.ExtractPublicKey(); err != nil {
		if m.Key, err = crypto.MarshalPublicKey(key.GetPublic()); err != nil {
			return Message{}, fmt.Errorf("spread: sign: %w", err)
		}
	}
	var err error
	if m.Signature, err = key.Sign(signed(protocol, body)); err != nil {
		return Message{}, fmt.Errorf("spread: sign: %w", err)
	}
	return m, nil
}

// Verify checks that origin, which the body names, signed the message. It fails with ErrForged if it did not, and with
// ErrMalformed for a key that is none, or that stands beside a peer id which holds it.
func (m Message) Verify(protocol string, origin peer.ID) (err error) {
	// Parsers of keys from several modules see these bytes, and a message travels far: one that made a parser panic would
	// stop every node of the network.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", wire.ErrMalformed, p)
		}
	}()
	key, err := origin.ExtractPublicKey()
	switch {
	case err == nil && m.Key != nil:
		return fmt.Errorf("%w: a key beside an origin that holds it", wire.ErrMalformed)
	case err != nil:
		if key, err = crypto.UnmarshalPublicKey(m.Key); err != nil {
			return fmt.Errorf("%w: key: %v", wire.ErrMalformed, err)
		}
		if !origin.MatchesPublicKey(key) {
			return ErrForged
		}
	}
	if ok, err := key.Verify(signed(protocol, m.Body), m.Signature); err != nil || !ok {
		return ErrForged
	}
	return nil
}

// signed is what a signature covers: the protocol id and the body, each behind its length, as libp2p's envelopes do, so
// that no two pairs give the same bytes.
func signed(protocol string, body []byte) []byte {
	b := make([]byte, 0, 2*binary.MaxVarintLen32+len(protocol)+len(body))
	b = binary.AppendUvarint(b, uint64(len(protocol)))
	b = append(b, protocol...)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}
