package host

import (
	"bytes"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// counting makes a book count the signatures that it verifies.
func counting(b *book) *int {
	verified := new(int)
	open := b.open
	b.open = func(raw []byte) (*wire.Record, error) { *verified++; return open(raw) }
	return verified
}

// misSigned is a record of s whose signature does not hold.
func misSigned(t testing.TB, s recordSigner, seq uint64) []byte {
	t.Helper()
	raw := s.seal(t, seq, pub2)
	raw[len(raw)-1] ^= 1
	return raw
}

// TestRecordsAreVerifiedWhenUsed: what others tell costs no signature until it is used, and then one. The control, which
// verifies at once, pays for all.
func TestRecordsAreVerifiedWhenUsed(t *testing.T) {
	const n = 40
	for _, lazy := range []bool{true, false} {
		b := newBook("self", false)
		verified := counting(b)
		if !lazy {
			b.peek = b.open
		}
		var ids []peer.ID
		for range n {
			s := newRecordSigner(t)
			ids = append(ids, s.id)
			for range 2 { // also when it is told again
				b.put(s.seal(t, 1, pub1), fromGossip, "x", classPublic)
			}
		}
		if told := *verified; lazy && told != 0 || !lazy && told < n {
			t.Errorf("lazy %v: %d signatures for %d records told", lazy, told, n)
		}
		*verified = 0
		for range 3 {
			if len(b.addrs(ids[0])) != 1 || b.raw(ids[0]) == nil || len(b.info(ids[0]).Addrs) != 1 {
				t.Fatal("it has no address")
			}
		}
		if lazy && *verified != 1 {
			t.Errorf("%d signatures to use one record", *verified)
		}
	}
}

// TestMisSignedRecordsAreNotUsed, whatever they are asked for, and are counted once. A first-hand one is verified at once.
func TestMisSignedRecordsAreNotUsed(t *testing.T) {
	for name, use := range map[string]func(b *book, id peer.ID) bool{
		"addrs": func(b *book, id peer.ID) bool { return len(b.addrs(id)) > 0 },
		"raw":   func(b *book, id peer.ID) bool { return b.raw(id) != nil },
		"info":  func(b *book, id peer.ID) bool { return len(b.info(id).Addrs) > 0 },
		"get":   func(b *book, id peer.ID) bool { e, _ := b.get(id); return e.raw != nil || len(e.addrs) > 0 },
		"known": func(b *book, id peer.ID) bool { _, ok := b.known(b.byID[id].raw); return ok },
	} {
		s := newRecordSigner(t)
		b := newBook("self", false)
		told := 0
		b.unsettled = func(why refusal) {
			if told++; why != errBadRecord {
				t.Errorf("%s: %v", name, why)
			}
		}
		mustPut(t, b, misSigned(t, s, 9), fromGossip, "x", putAdded)
		for range 2 {
			if use(b, s.id) {
				t.Errorf("%s: used", name)
			}
		}
		if name != "known" && (told != 1 || b.stats().refused[errBadRecord] != 1 || !b.misnamed(s.id)) {
			t.Errorf("%s: told %d times, %+v", name, told, b.stats())
		}
		mustPut(t, b, s.seal(t, 1, pub1), fromGossip, "y", putAdded)
		if !use(b, s.id) && name != "known" || b.misnamed(s.id) {
			t.Errorf("%s: the true one is not used", name)
		}
		if _, _, err := b.put(misSigned(t, s, 10), fromFirstHand, s.id, classPublic); err != errBadRecord {
			t.Errorf("%s: first-hand: %v", name, err)
		}
	}
}

// TestTheTruthWins: in whatever order a true record and one that only claims to be come, the true one is held, and who made
// up the other cannot make up one that replaces it.
func TestTheTruthWins(t *testing.T) {
	s := newRecordSigner(t)
	truth, lie := s.seal(t, 5, pub1), misSigned(t, s, 1<<40)
	for name, order := range map[string][][]byte{
		"lie, truth": {lie, truth}, "truth, lie": {truth, lie}, "lie, truth, lie": {lie, truth, lie}, "truth, lie, lie": {truth, lie, misSigned(t, s, 1<<41)},
	} {
		b := newBook("self", false)
		for _, raw := range order {
			by := peer.ID("honest")
			if !bytes.Equal(raw, truth) {
				by = "liar"
			}
			_, _, _ = b.put(raw, fromGossip, by, classPublic)
		}
		if !bytes.Equal(b.raw(s.id), truth) {
			t.Errorf("%s: held %x", name, b.raw(s.id))
		}
	}
}

// TestOneLiarCostsFewSignatures: a peer that sends one false record of an id after the other is refused every second one, so
// that an answer full of them is soon discarded (maxUnverified).
func TestOneLiarCostsFewSignatures(t *testing.T) {
	s := newRecordSigner(t)
	b := newBook("self", false)
	refused := 0
	for seq := range uint64(10) {
		if _, _, err := b.put(misSigned(t, s, seq), fromGossip, "liar", classPublic); err == errBadRecord {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 10 refused, want 5", refused)
	}
}

// TestTheMisnamedRest: an id of which nothing is known but a false record did not fail to answer: it is withheld, not missed.
func TestTheMisnamedRest(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	s := newRecordSigner(t)
	mustPut(t, v.book, misSigned(t, s, 1), fromGossip, "x", putAdded)
	if a := v.exchangeWith(t, probe, s.id); a.outcome != protocol.Withheld {
		t.Errorf("%v, %v", a.outcome, a.err)
	}
	checkRefused(t, v.Status().Refused, ReasonRecordUnverified)
	if a := v.exchangeWith(t, probe, newRecordSigner(t).id); a.outcome != protocol.Missed { // the control: no record at all
		t.Errorf("the control: %v, %v", a.outcome, a.err)
	}
}
