package host

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestWhere: where an exchange succeeded, else what is claimed, by the first address that has a prefix; nothing of ids that
// the book does not hold.
func TestWhere(t *testing.T) {
	at := func(prefix, wide string) protocol.Prefix { return protocol.Prefix{Coarse: wide, Fine: prefix} }
	claimed, nowhere := at("8.8.9.0/24", "8.8.0.0/16"), protocol.Prefix{}
	b := newBook("self", true)
	s := newRecordSigner(t)
	expect := func(what string, id peer.ID, want protocol.Prefix) {
		t.Helper()
		if got := b.where(id); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	expect("an id that nobody named", s.id, nowhere)
	b.locate(s.id, multiaddr.StringCast("/ip4/9.9.9.9/tcp/1"))
	expect("an id that the book does not hold", s.id, nowhere)
	mustPut(t, b, s.seal(t, 1, lanAddr, "/ip4/8.8.9.1/tcp/1", pub1), fromGossip, "namer", putAdded)
	expect("a claim", s.id, claimed)
	b.locate(s.id, multiaddr.StringCast(pub1))
	expect("an answer", s.id, at("1.2.3.0/24", "1.2.0.0/16"))
	mustPut(t, b, s.seal(t, 2, "/ip4/8.8.9.1/tcp/1"), fromFirstHand, s.id, putNewer)
	expect("another claim after the answer", s.id, at("1.2.3.0/24", "1.2.0.0/16"))
	b.locate(s.id, multiaddr.StringCast("/ip4/7.7.7.7/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"))
	expect("an answer over a relay", s.id, at("7.7.7.0/24", "7.7.0.0/16"))
	b.locate(s.id, multiaddr.StringCast(lanAddr))
	expect("an answer from a private address", s.id, nowhere)
	b.forget(s.id)
	expect("a forgotten id", s.id, nowhere)

	seed := newRecordSigner(t)
	if err := b.addSeed(peer.AddrInfo{ID: seed.id, Addrs: addrList("/ip4/8.8.9.1/tcp/1")}); err != nil {
		t.Fatal(err)
	}
	expect("a seed", seed.id, claimed)
	b.locate(seed.id, multiaddr.StringCast(pub1))
	mustPut(t, b, seed.seal(t, 1, "/ip4/8.8.9.1/tcp/1"), fromGossip, "namer", putAdded)
	b.dropSeed(seed.id)
	expect("a seed that is none any longer", seed.id, at("1.2.3.0/24", "1.2.0.0/16"))
}

// TestTheLoopLocates whom an exchange reached, and nobody whom it did not.
func TestTheLoopLocates(t *testing.T) {
	for _, o := range []protocol.ProbeOutcome{
		protocol.NoEvidence, protocol.Alive, protocol.AliveUnproven, protocol.Missed, protocol.Leaving,
	} {
		s := memService(t)
		peer := newRecordSigner(t)
		mustPut(t, s.book, peer.seal(t, 1, "/ip4/8.8.9.1/tcp/1"), fromGossip, "namer", putAdded)
		conn := &memConn{remote: peer.id, addr: multiaddr.StringCast(pub1)}
		s.take(result{job: job{id: peer.id}, answer: answer{outcome: o, conn: conn}, last: true, life: o})
		want := protocol.Prefix{Coarse: "8.8.0.0/16", Fine: "8.8.9.0/24"}
		if o == protocol.Alive || o == protocol.AliveUnproven {
			want = protocol.Prefix{Coarse: "1.2.0.0/16", Fine: "1.2.3.0/24"}
		}
		if got := s.book.where(peer.id); got != want {
			t.Errorf("after %v: %+v, want %+v", o, got, want)
		}
	}
}
