package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/encoding/protowire"
)

// Record is an opened signed peer record. It proves that the holder of ID's key once claimed these addresses: neither
// that the claim is recent nor that the addresses are the peer's.
type Record struct {
	ID peer.ID
	// Seq orders the records of one peer. It is not a time: some implementations count milliseconds, some nothing.
	Seq uint64
	// Addrs are the addresses that this node can parse, none empty, otherwise as the peer wrote them: unfiltered.
	Addrs []multiaddr.Multiaddr
	// Raw is the argument of OpenRecord itself, not a copy.
	Raw []byte
}

// OpenRecord verifies a signed peer record: its size, its form, the envelope's signature, and that the key which signed
// is the key of the peer which the record names. The last is not checked by libp2p's record.ConsumeEnvelope. It fails
// with ErrTooLarge, ErrBadRecord, ErrNotCanonical, ErrForged or ErrTooManyAddrs.
//
// The form: an envelope's signature covers its payload alone, so anybody can add unknown fields, reorder fields or
// lengthen a varint and get other bytes that verify. Records are remembered by their bytes, once verified, and each
// such variant would cost another verification and another place. Therefore only the form that every encoder writes is
// taken: the fields 1, 2, 3 and 5, once each, in this order, all lengths minimal, nothing after them, the key as libp2p
// serialises it. go-libp2p and js-libp2p write exactly that, for every type of key (testdata/js_records.txt). The price
// is that a new field in libp2p's envelope would need a change here. The payload is covered by the signature and may
// have fields that we do not know. A peer may still sign as many records as it likes, and the holder of an ECDSA
// signature can make a second one of it: bytes are a key of a cache, not an identity.
//
// It costs about 85 µs with an Ed25519 key; the size and the form are checked before anything is verified.
func OpenRecord(raw []byte) (rec *Record, err error) {
	// Parsers of keys, multihashes and multiaddrs from several modules see these bytes, and a record travels through
	// gossip: one that made a parser panic would stop every node of the network.
	defer func() {
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("%w: panic: %v", ErrBadRecord, p)
		}
	}()
	return openRecord(raw, true)
}

// PeekRecord is OpenRecord without the signature, at a tenth of its cost: what it returns is what somebody says. It
// is for what may never be used. Before it is, OpenRecord has to have its say on the same bytes.
func PeekRecord(raw []byte) (rec *Record, err error) {
	defer func() { // as in OpenRecord
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("%w: panic: %v", ErrBadRecord, p)
		}
	}()
	return openRecord(raw, false)
}

func openRecord(raw []byte, verify bool) (*Record, error) {
	if len(raw) > MaxRecordSize {
		return nil, fmt.Errorf("%w: record of %d bytes, limit %d", ErrTooLarge, len(raw), MaxRecordSize)
	}
	key, payload, err := splitEnvelope(raw)
	if err != nil {
		return nil, err
	}
	if err := walk(key, func(protowire.Number, []byte) error { return nil }); err != nil {
		return nil, err
	}
	if err := checkAddrs(payload); err != nil {
		return nil, err
	}
	env, r, err := consume(raw, verify)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBadRecord, err)
	}
	pr, ok := r.(*peer.PeerRecord)
	if !ok {
		// The payload type chooses among all types of record that the process has registered.
		return nil, fmt.Errorf("%w: payload type %x", ErrBadRecord, env.PayloadType)
	}
	if !pr.PeerID.MatchesPublicKey(env.PublicKey) {
		return nil, ErrForged
	}
	if canonical, err := crypto.MarshalPublicKey(env.PublicKey); err != nil || !bytes.Equal(key, canonical) {
		return nil, fmt.Errorf("%w: public key", ErrNotCanonical)
	}
	return &Record{ID: pr.PeerID, Seq: pr.Seq, Addrs: pr.Addrs, Raw: raw}, nil
}

// consume parses an envelope and what is in it, and verifies its signature if it shall.
func consume(raw []byte, verify bool) (*record.Envelope, record.Record, error) {
	if verify {
		return record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain)
	}
	env, err := record.UnmarshalEnvelope(raw)
	if err != nil {
		return nil, nil, err
	}
	r, err := env.Record()
	return env, r, err
}

// SealRecord signs a record with id's key and returns what OpenRecord opens. Empty addresses are left out. It fails with
// ErrForged if the key is not id's, and with ErrTooManyAddrs or ErrTooLarge if no peer would take the record: choosing
// addresses is up to the caller.
func SealRecord(key crypto.PrivKey, id peer.ID, addrs []multiaddr.Multiaddr, seq uint64) ([]byte, error) {
	if !id.MatchesPrivateKey(key) {
		return nil, ErrForged
	}
	kept := make([]multiaddr.Multiaddr, 0, len(addrs))
	for _, a := range addrs {
		if len(a) > 0 {
			kept = append(kept, a)
		}
	}
	if len(kept) > MaxRecordAddrs {
		return nil, fmt.Errorf("%w: %d, limit %d", ErrTooManyAddrs, len(kept), MaxRecordAddrs)
	}
	env, err := record.Seal(&peer.PeerRecord{PeerID: id, Addrs: kept, Seq: seq}, key)
	if err != nil {
		return nil, fmt.Errorf("wire: seal record: %w", err)
	}
	raw, err := env.Marshal()
	if err != nil {
		return nil, fmt.Errorf("wire: seal record: %w", err)
	}
	if len(raw) > MaxRecordSize {
		return nil, fmt.Errorf("%w: record of %d bytes, limit %d", ErrTooLarge, len(raw), MaxRecordSize)
	}
	return raw, nil
}

// splitEnvelope returns the public key and the payload of an envelope in canonical form.
func splitEnvelope(raw []byte) (key, payload []byte, err error) {
	var fields [4][]byte // public_key = 1, payload_type = 2, payload = 3, signature = 5
	for i, num := range [...]protowire.Number{1, 2, 3, 5} {
		if len(raw) == 0 {
			return nil, nil, fmt.Errorf("%w: no field %d", ErrBadRecord, num)
		}
		if raw[0] != byte(protowire.EncodeTag(num, protowire.BytesType)) {
			return nil, nil, fmt.Errorf("%w: tag %#x where field %d should be", ErrNotCanonical, raw[0], num)
		}
		size, n, err := varint.FromUvarint(raw[1:])
		if errors.Is(err, varint.ErrNotMinimal) {
			return nil, nil, fmt.Errorf("%w: length of field %d", ErrNotCanonical, num)
		}
		if raw = raw[1+n:]; err != nil || size > uint64(len(raw)) {
			return nil, nil, fmt.Errorf("%w: truncated field %d", ErrBadRecord, num)
		}
		fields[i], raw = raw[:size], raw[size:]
	}
	if len(raw) > 0 {
		return nil, nil, fmt.Errorf("%w: %d bytes after the envelope", ErrNotCanonical, len(raw))
	}
	return fields[0], fields[2], nil
}

// checkAddrs counts the addresses of a serialised PeerRecord before anything is made of them. Empty addresses and those
// of unknown protocols count as well: whether a record is valid must not depend on who reads it.
func checkAddrs(payload []byte) error {
	const addresses = 3
	addrs := 0
	return walk(payload, func(num protowire.Number, body []byte) error {
		if num != addresses {
			return nil
		}
		if addrs++; addrs > MaxRecordAddrs {
			return fmt.Errorf("%w: limit %d", ErrTooManyAddrs, MaxRecordAddrs)
		}
		return walk(body, func(protowire.Number, []byte) error { return nil })
	})
}

// walk calls visit for each field of a message that is of the type bytes. It refuses groups, which libp2p's parser
// would otherwise follow down to a depth of thousands.
func walk(b []byte, visit func(num protowire.Number, body []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ == protowire.StartGroupType || typ == protowire.EndGroupType {
			return fmt.Errorf("%w: malformed", ErrBadRecord)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return fmt.Errorf("%w: malformed", ErrBadRecord)
		}
		if typ == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(b)
			if err := visit(num, body); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}
