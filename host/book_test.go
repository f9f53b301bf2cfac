package host

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

type recordSigner struct {
	id  peer.ID
	key crypto.PrivKey
}

func newRecordSigner(t testing.TB) recordSigner {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return recordSigner{id, key}
}

func (s recordSigner) seal(t testing.TB, seq uint64, addrs ...string) []byte {
	t.Helper()
	raw, err := wire.SealRecord(s.key, s.id, addrList(addrs...), seq)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fakeOpen opens what fakeRecord makes: records without signatures, for tests of room alone.
func fakeOpen(raw []byte) (*wire.Record, error) {
	f := strings.SplitN(string(raw), "|", 3)
	seq, err := strconv.ParseUint(f[1], 10, 64)
	return &wire.Record{ID: peer.ID(f[0]), Seq: seq, Addrs: fakeAddrs, Raw: raw}, err
}

var fakeAddrs = addrList("/ip4/1.2.3.4/tcp/4001")

func fakeRecord(id string, seq, pad int) []byte {
	return fmt.Appendf(nil, "%s|%d|%s", id, seq, strings.Repeat(".", pad))
}

func fakeBook(entries, size int) *book {
	b := newBookOf("self", false, entries, size)
	b.open, b.peek = fakeOpen, fakeOpen
	return b
}

// mustPut puts a record that has to be taken with the outcome want.
func mustPut(t testing.TB, b *book, raw []byte, from provenance, by peer.ID, want outcome) entry {
	t.Helper()
	e, did, err := b.put(raw, from, by, classPublic)
	if err != nil || did != want {
		t.Fatalf("put: outcome %d, error %v, want outcome %d", did, err, want)
	}
	return e
}

const pub1, pub2, lanAddr = "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2", "/ip4/10.0.0.1/tcp/1"

// TestBookForgery is test no. 1: libp2p's own check takes a record that names a victim and is signed by the attacker.
func TestBookForgery(t *testing.T) {
	victim, attacker := newRecordSigner(t), newRecordSigner(t)
	env, err := record.Seal(&peer.PeerRecord{PeerID: victim.id, Addrs: addrList(pub1), Seq: 9}, attacker.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := env.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain); err != nil {
		t.Fatalf("libp2p refuses it as well: the test does not test: %v", err)
	}
	b := newBook("self", true)
	for from := fromGossip; from < provenances; from++ {
		for _, by := range []peer.ID{attacker.id, victim.id} {
			if _, did, err := b.put(raw, from, by, classLoopback); err != errForged || did != putNone {
				t.Errorf("provenance %d: outcome %d, error %v", from, did, err)
			}
		}
	}
	if b.len() != 0 || len(b.notes) != 0 || b.addrs(victim.id) != nil || b.raw(victim.id) != nil {
		t.Error("something was stored")
	}
	if got := b.stats().refused[errForged]; got != 6 {
		t.Errorf("%d refusals counted, want 6", got)
	}
}

func TestBookRefusals(t *testing.T) {
	s, self := newRecordSigner(t), newRecordSigner(t)
	good := s.seal(t, 1, pub1)
	many := make([]multiaddr.Multiaddr, wire.MaxRecordAddrs+1)
	for i := range many {
		many[i] = addrList(fmt.Sprintf("/ip4/1.2.3.4/tcp/%d", i+1))[0]
	}
	env, err := record.Seal(&peer.PeerRecord{PeerID: s.id, Addrs: many, Seq: 1}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	tooMany, err := env.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name string
		raw  []byte
		from provenance
		by   peer.ID
		want refusal
	}{
		{"nil", nil, fromGossip, "x", errBadRecord},
		{"garbage", []byte("garbage"), fromGossip, "x", errBadRecord + 1}, // its form is judged first
		{"signature", flipped, fromFirstHand, s.id, errBadRecord},
		{"padded", append(bytes.Clone(good), 0x32, 1, 0), fromGossip, "x", errNotCanonical},
		{"large", make([]byte, wire.MaxRecordSize+1), fromGossip, "x", errTooLarge},
		{"addresses", tooMany, fromFirstHand, s.id, errTooManyAddrs},
		{"unusable", s.seal(t, 1, lanAddr, "/dns4/a.example/tcp/1"), fromFirstHand, s.id, errNoUsableAddr},
		{"no address", s.seal(t, 1), fromFirstHand, s.id, errNoUsableAddr},
		{"self", self.seal(t, 1, pub1), fromGossip, "x", errSelf},
		{"wrong peer", good, fromFirstHand, self.id, errWrongPeer},
		{"nobody", good, fromFirstHand, "", errWrongPeer},
	} {
		b := newBook(self.id, true)
		for range 2 { // a note must not change the answer
			if _, did, err := b.put(c.raw, c.from, c.by, classPublic); err != c.want || did != putNone {
				t.Errorf("%s: outcome %d, error %v, want %v", c.name, did, err, c.want)
			}
		}
		if b.len() != 0 || b.stats().refused[c.want] != 2 {
			t.Errorf("%s: %d entries, %+v", c.name, b.len(), b.stats())
		}
		if c.want.String() == "" || c.want.Error() == "" {
			t.Errorf("%s: no name", c.name)
		}
	}
	// A known record is not another's first-hand one either.
	b := newBook(self.id, true)
	mustPut(t, b, good, fromGossip, "x", putAdded)
	for _, did := range []outcome{putUpgraded, putKnown} {
		if _, _, err := b.put(good, fromFirstHand, "x", classPublic); err != errWrongPeer {
			t.Errorf("known record of another peer as first-hand: %v", err)
		}
		mustPut(t, b, good, fromFirstHand, s.id, did)
	}
	if err := b.addSeed(peer.AddrInfo{ID: self.id}); !errors.Is(err, errSelf) {
		t.Errorf("self as seed: %v", err)
	}
}

// TestBookReplacement goes through the rules of who replaces whom.
func TestBookReplacement(t *testing.T) {
	s := newRecordSigner(t)
	old, mid, high := s.seal(t, 1, pub1), s.seal(t, 5, pub1), s.seal(t, 9, pub2)
	same := s.seal(t, 5, pub2) // the same seq, other content
	clock, met := time.Unix(1000, 0), time.Time{}
	b := newBook("self", false)
	b.now = func() time.Time { return clock }
	for i, c := range []struct {
		raw  []byte
		from provenance
		want outcome
		held provenance // after it
		raws []byte     // after it
	}{
		{mid, fromGossip, putAdded, fromGossip, mid},
		{mid, fromGossip, putKnown, fromGossip, mid},
		{mid, fromRestored, putKnown, fromGossip, mid},
		{old, fromGossip, putStale, fromGossip, mid}, // a replay
		{old, fromGossip, putStale, fromGossip, mid}, // by the note
		{same, fromGossip, putStale, fromGossip, mid},
		{old, fromRestored, putStale, fromGossip, mid},
		{mid, fromFirstHand, putUpgraded, fromFirstHand, mid},
		{mid, fromGossip, putKnown, fromFirstHand, mid},
		{same, fromGossip, putStale, fromFirstHand, mid},
		{mid, fromFirstHand, putKnown, fromFirstHand, mid},
		{same, fromFirstHand, putReplaced, fromFirstHand, same},
		{high, fromGossip, putNewer, fromGossip, high},
		{old, fromFirstHand, putReplaced, fromFirstHand, old}, // its clock went back
		{old, fromGossip, putKnown, fromFirstHand, old},
		{mid, fromGossip, putNewer, fromGossip, mid}, // stale a while ago, not any longer: a note must not say so
		{high, fromFirstHand, putNewer, fromFirstHand, high},
	} {
		clock = clock.Add(time.Second)
		if c.from == fromFirstHand {
			met = clock
		}
		e := mustPut(t, b, c.raw, c.from, s.id, c.want)
		if e.from != c.held || !bytes.Equal(e.raw, c.raws) || !bytes.Equal(b.raw(s.id), c.raws) || e.id != s.id {
			t.Fatalf("step %d: entry of provenance %d, seq %d", i, e.from, e.seq)
		}
		if got, _ := b.get(s.id); !got.met.Equal(met) {
			t.Fatalf("step %d: met at %v, want %v", i, got.met, met)
		}
		if id, ok := b.known(c.raws); !ok || id != s.id {
			t.Fatalf("step %d: not known", i)
		}
	}
	if _, ok := b.known(mid); ok {
		t.Error("a replaced record is still known")
	}
	if st := b.stats(); st.entries != 1 || st.evicted != [provenances]uint64{} || len(b.namers) != 0 {
		t.Errorf("stats %+v, %d namers", st, len(b.namers))
	}
	b.forget(s.id)
	b.forget(s.id)
	if e := mustPut(t, b, old, fromGossip, "x", putAdded); e.namer != "x" {
		t.Errorf("namer %q", e.namer)
	}
}

// TestBookScope: the same record gives more addresses over a connection of less reach, and none are lost again.
func TestBookScope(t *testing.T) {
	s := newRecordSigner(t)
	raw := s.seal(t, 1, pub1, lanAddr, "/ip4/127.0.0.1/tcp/1/p2p/"+s.id.String())
	hidden := s.seal(t, 2, "/ip4/127.0.0.1/tcp/1")
	b := newBook("self", true)
	for i, c := range []struct {
		raw   []byte
		from  provenance
		scope class
		want  outcome
		addrs int
	}{
		{raw, fromGossip, classPublic, putAdded, 2},
		{raw, fromGossip, classLoopback, putKnown, 2},
		{raw, fromFirstHand, classPublic, putUpgraded, 1},
		{raw, fromFirstHand, classLoopback, putUpgraded, 3},
		{raw, fromFirstHand, classPublic, putKnown, 3},
		{hidden, fromGossip, classPrivate, putNone, 3},
		{hidden, fromGossip, classPublic, putNone, 3}, // by the note
		{hidden, fromGossip, classLoopback, putNewer, 1},
	} {
		if _, did, err := b.put(c.raw, c.from, s.id, c.scope); did != c.want || (err == nil) != (c.want != putNone) {
			t.Fatalf("step %d: outcome %d, error %v", i, did, err)
		}
		if got := b.info(s.id); len(got.Addrs) != c.addrs || got.ID != s.id {
			t.Fatalf("step %d: %v", i, got)
		}
	}
}

// TestBookAliasing: nothing in the book changes with the message buffer, or with what it returned.
func TestBookAliasing(t *testing.T) {
	s := newRecordSigner(t)
	raw := s.seal(t, 1, pub1, pub2)
	buf := bytes.Clone(raw)
	seedAddrs := addrList(lanAddr)
	b := newBook("self", false)
	if err := b.addSeed(peer.AddrInfo{ID: s.id, Addrs: seedAddrs}); err != nil {
		t.Fatal(err)
	}
	b.addrs(s.id)[0] = nil
	mustPut(t, b, buf, fromGossip, "x", putAdded)
	for i := range buf {
		buf[i] = 0xff
	}
	seedAddrs[0][0] = multiaddr.Component{}
	seedAddrs[0] = nil
	if got := b.addrs(s.id); fmt.Sprint(got) != fmt.Sprint(addrList(lanAddr, pub1, pub2)) {
		t.Errorf("addresses %v", got)
	} else {
		got[0], got[1] = nil, nil
	}
	if got := b.addrs(s.id); fmt.Sprint(got) != fmt.Sprint(addrList(lanAddr, pub1, pub2)) {
		t.Errorf("addresses %v after the caller wrote to its slice", got)
	}
	if _, ok := b.known(raw); !ok || !bytes.Equal(b.raw(s.id), raw) {
		t.Error("the record changed with the buffer")
	}
}

func TestBookSeeds(t *testing.T) {
	s := newRecordSigner(t)
	b := newBookOf("self", false, 16, 1<<20)
	dns := "/dns4/seed.example/tcp/1"
	seed := peer.AddrInfo{ID: s.id, Addrs: append(addrList(dns, pub1, "/ip4/127.0.0.1/tcp/1/p2p/"+s.id.String(), dns), nil)}
	if err := b.addSeed(seed); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(addrList(dns, pub1, "/ip4/127.0.0.1/tcp/1"))
	if e, ok := b.get(s.id); !ok || e.from != fromSeed || e.raw != nil || fmt.Sprint(b.addrs(s.id)) != want {
		t.Errorf("%+v, addresses %v", e, b.addrs(s.id))
	}
	mustPut(t, b, s.seal(t, 0, pub1, pub2), fromGossip, "x", putAdded)
	if got := fmt.Sprint(b.addrs(s.id)); got != fmt.Sprint(addrList(dns, pub1, "/ip4/127.0.0.1/tcp/1", pub2)) {
		t.Errorf("merged addresses %v", got)
	}
	b.open, b.peek = fakeOpen, fakeOpen
	for i := range 100 {
		mustPut(t, b, fakeRecord(fmt.Sprint("p", i), 1, 0), fromGossip, peer.ID(fmt.Sprint(i)), putAdded)
	}
	if e, _ := b.get(s.id); e.from != fromGossip || b.len() != 16 {
		t.Errorf("a flood evicted the seed's record: %+v", e)
	}
	if err := b.addSeed(peer.AddrInfo{ID: s.id, Addrs: addrList(pub1)}); err != nil {
		t.Fatal(err)
	}
	b.forget(s.id)
	want = fmt.Sprint(addrList(pub1))
	if e, ok := b.get(s.id); !ok || e.from != fromSeed || e.raw != nil || fmt.Sprint(b.addrs(s.id)) != want {
		t.Errorf("after forget: %+v, addresses %v", e, b.addrs(s.id))
	}
}
