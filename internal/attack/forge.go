package attack

import (
	"bytes"
	"context"
	"slices"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var _ = register("forge", "pushes and pull answers with forged records: signed by another key, naming another peer, altered, not canonical, oversized; otherwise balanced",
	func(*Adversary) attack { return forge{} })

type forge struct{ balanced }

// forgery is one way to make a record that nobody may take.
type forgery int

const (
	otherKey     forgery = iota // names a correct peer, signed by a faulty one: libp2p's own check takes it
	inventedID                  // names an id that nobody has, signed by a faulty peer
	altered                     // a signature that does not hold
	notCanonical                // valid but for an unknown field behind it, which no signature covers
	manyAddrs                   // validly signed, with more addresses than a record may have
	oversized                   // validly signed, with more bytes than a record may have
	forgeries
	// replayed is for pushes only: the valid record of another faulty peer.
	replayed = forgeries
)

func (forge) op(f *faulty) func(context.Context) {
	to, ok := f.anyTarget()
	if !ok {
		return nil
	}
	how := forgery(f.intN(int(forgeries) + 1))
	return func(ctx context.Context) {
		if raw := f.forged(how); raw != nil {
			_, _ = f.say(ctx, to, push, pushFrame(raw))
		}
	}
}

// reply hides one forged record among the faulty ones.
func (forge) reply(f *faulty) []byte {
	f.a.mu.RLock()
	records := f.a.records()
	f.a.mu.RUnlock()
	if raw := f.forged(forgery(f.intN(int(forgeries)))); raw != nil {
		records = slices.Insert(records, f.intN(len(records)+1), raw)
	}
	return pullFrame(spread(records, f.a.cfg.Answer))
}

// forged makes a record that nobody may take; nil while f is away or there is nobody to name.
func (f *faulty) forged(how forgery) []byte {
	h, own := f.current(), f.ownRecord()
	target, ok := f.anyTarget()
	if h == nil || own == nil || !ok {
		return nil
	}
	key := h.Peerstore().PrivKey(h.ID())
	closed := f.a.cfg.Closed
	switch how {
	case otherKey:
		return seal(key, target.ID, closed[:1])
	case inventedID:
		f.mu.Lock()
		_, id := newKey(f.rng.Uint32)
		f.mu.Unlock()
		return seal(key, id, closed[:1])
	case altered:
		raw := bytes.Clone(own)
		raw[len(raw)-1] ^= 1 // the envelope ends with the signature
		return raw
	case notCanonical:
		return append(bytes.Clone(own), numberField(100, 1)...)
	case manyAddrs:
		return seal(key, h.ID(), slices.Repeat(closed[:1], wire.MaxRecordAddrs+1))
	case oversized:
		long := multiaddr.StringCast("/dns4/" + string(bytes.Repeat([]byte("a"), wire.MaxRecordSize)) + "/tcp/1")
		return seal(key, h.ID(), []multiaddr.Multiaddr{long})
	default:
		return f.colleague()
	}
}

// colleague is the record of another faulty peer, nil if there is none.
func (f *faulty) colleague() []byte {
	f.a.mu.RLock()
	defer f.a.mu.RUnlock()
	if len(f.a.peers) < 2 {
		return nil
	}
	i := f.intN(len(f.a.peers) - 1)
	if f.a.peers[i] == f {
		i = len(f.a.peers) - 1
	}
	return f.a.peers[i].ownRecord()
}

// seal signs what package wire would not: a record that need not be the signer's, or within the limits.
func seal(key crypto.PrivKey, id peer.ID, addrs []multiaddr.Multiaddr) []byte {
	env, err := record.Seal(&peer.PeerRecord{PeerID: id, Addrs: addrs, Seq: peer.TimestampSeq()}, key)
	if err != nil {
		return nil
	}
	raw, err := env.Marshal()
	if err != nil {
		return nil
	}
	return raw
}
