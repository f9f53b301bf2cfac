package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// hostileRequest is a request that breaks the protocol: the stream is to be reset with StreamProtocolViolation.
type hostileRequest struct {
	name string
	raw  []byte
	why  Reason
}

// hostileFrames are requests that are wrong whatever the exchange is; max is the limit of its request.
func hostileFrames(max int) []hostileRequest {
	overlong := bytes.Repeat([]byte{0xff}, 10)
	return []hostileRequest{
		{"nothing", nil, "bad_frame"},
		{"length cut off", []byte{0x80}, "bad_frame"},
		{"frame cut off", []byte{0x10, 1, 2, 3}, "bad_frame"},
		{"length one over the limit", binary.AppendUvarint(nil, uint64(max)+1), "bad_frame"},
		{"frame one over the limit", framed(make([]byte, max+1)), "bad_frame"},
		{"length of exabytes", binary.AppendUvarint(nil, 1<<62), "bad_frame"},
		{"length not minimal", []byte{0x82, 0x00, 0x08, 0x01}, "bad_frame"},
		{"length of zero, not minimal", []byte{0x80, 0x00}, "bad_frame"},
		{"length of ten bytes", append(overlong, 1), "bad_frame"},
		{"garbage", framed(bytes.Repeat([]byte{0xff}, 40)), "bad_message"},
		{"a group", framed([]byte{0x5b, 0x5c}), "bad_message"},
		{"nested groups", framed(bytes.Repeat([]byte{0x5b}, max/2), bytes.Repeat([]byte{0x5c}, max/2)), "bad_message"},
		{"field number 0", framed([]byte{0x00, 0x00}), "bad_message"},
		{"field cut off", framed(field(1, make([]byte, 20))[:10]), "bad_message"},
	}
}

// hostileRequests lists what an attacker may send to v that must change nothing.
func hostileRequests(t *testing.T, v *victim, a *attacker) map[kind][]hostileRequest {
	third := newRecordSigner(t)
	thirds := third.seal(t, 1, "/ip4/127.0.0.1/tcp/1")
	own := a.record(t, 1)
	sealed := func(addrs []multiaddr.Multiaddr) []byte { return sealAny(t, a.key, a.ID(), addrs) }
	var tooMany, tooLong []multiaddr.Multiaddr
	for i := range wire.MaxRecordAddrs + 1 {
		tooMany = append(tooMany, addrList(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", i+1))...)
	}
	for i := range wire.MaxRecordAddrs {
		tooLong = append(tooLong, addrList(fmt.Sprintf("/dns4/%d%s/tcp/1", i, strings.Repeat(".example", 64)))...)
	}
	large := sealed(tooLong)
	if len(large) <= wire.MaxRecordSize || len(pushOf(large)) > wire.MaxPushRequest {
		t.Fatalf("the large record has %d bytes: it does not test", len(large))
	}
	broken := bytes.Clone(own)
	broken[len(broken)-1] ^= 1
	token := field(2, number(1, 1))
	out := map[kind][]hostileRequest{
		push: append(hostileFrames(wire.MaxPushRequest), []hostileRequest{
			{"second hello", []byte{0, 0}, "bad_message"},
			{"second hello and a record", append([]byte{0, 0}, pushOf(own)...), "bad_message"},
			{"record twice", framed(field(1, own), field(1, own)), "bad_message"},
			{"record as a number", framed(number(1, 1)), "bad_message"},
			{"record over its limit", pushOf(large), "bad_message"},
			{"record of a third", pushOf(thirds), "wrong_peer"},
			{"hello and a record of a third", append([]byte{0}, pushOf(thirds)...), "wrong_peer"},
			{"record of the receiver", pushOf(v.own.Load().raw), "wrong_peer"},
			{"forged record of a third", pushOf(forged(t, third.id)), "record_forged"},
			{"forged record of the sender", pushOf(forged(t, a.ID())), "record_forged"},
			{"forged record of the receiver", pushOf(forged(t, v.self)), "record_forged"},
			{"too many addresses", pushOf(sealed(tooMany)), "record_too_many_addrs"},
			{"wrong signature", pushOf(broken), "record_bad"},
			{"cut record", pushOf(own[:len(own)-1]), "record_bad"},
			{"no record but a token", framed(token), "record_bad"},
			{"record with a field more", pushOf(append(bytes.Clone(own), 0x78, 0x01)), "record_not_canonical"},
			{"solution over its limit", framed(field(1, own), field(2, field(4, make([]byte, 65)))), "bad_message"},
		}...),
		pull: append(hostileFrames(wire.MaxPullRequest), []hostileRequest{
			{"byte after the request", []byte{0, 0}, "bad_frame"},
			{"a second request", append([]byte{0}, framed(number(9, 1))...), "bad_frame"},
		}...),
		probe: append(hostileFrames(wire.MaxProbeRequest), []hostileRequest{
			{"byte after the request", []byte{0, 1}, "bad_frame"},
			{"sign without a nonce", framed(number(3, 1)), "bad_message"},
			{"sign with a short nonce", framed(field(1, make([]byte, wire.MinNonceSize-1)), number(3, 1)), "bad_message"},
			{"nonce over its limit", framed(field(1, make([]byte, wire.MaxNonceSize+1))), "bad_message"},
			{"target that is no id", framed(field(2, []byte("nobody"))), "bad_message"},
			{"target over its limit", framed(field(2, make([]byte, wire.MaxPeerIDSize+1))), "bad_message"},
			{"asker that is no id", framed(field(4, []byte{0x12, 0x20})), "bad_message"},
		}...),
	}
	return out
}

// Every hostile request ends in a reset with the code of a violation, is counted under its reason, and changes nothing.
func TestHostileRequests(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t)
	a.connect(t, v.host)
	for k, requests := range hostileRequests(t, v, a) {
		for _, r := range requests {
			t.Run(kindNames[k]+"/"+r.name, func(t *testing.T) {
				before := v.Status()
				_, err := a.say(t, v, k, r.raw)
				checkReset(t, err, network.StreamProtocolViolation)
				checkRefused(t, v.refusedSince(before.Refused), r.why)
				if !r.why.Misbehaviour() {
					t.Errorf("%s is held against nobody", r.why)
				}
				if n := v.Status().Records; n != 0 {
					t.Errorf("%d records", n)
				}
			})
		}
	}
	v.checkUntouched(t)
	v.checkNoStreams(t)
	if n := v.Status().Served; n != 0 {
		t.Errorf("%d were served", n)
	}
	// The control: this very attacker, with a correct push, is taken.
	if got, err := a.say(t, v, push, pushOf(a.record(t, 1))); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Fatalf("correct push: %x, %v", got, err)
	}
	eventuallyTrue(t, "the pusher enters the view", func() bool { return v.saw(a.ID()) })
}

// A request of exactly the bytes that its kind may have is read and answered, one of a byte more is not.
func TestFrameLimits(t *testing.T) {
	for k, most := range [kinds]int{push: wire.MaxPushRequest, pull: wire.MaxPullRequest, probe: wire.MaxProbeRequest} {
		for over := range 2 {
			s := memService(t)
			var msg []byte // of unknown fields; the two bytes are tag and length of a one-byte varint field
			for len(msg) < most+over-3 {
				msg = append(msg, number(9, 1)...)
			}
			for want := most + over; len(msg) < want; {
				msg = append(msg, field(9, make([]byte, want-len(msg)-2))...)
			}
			st := newMemStream("a", lanAddr, framed(msg))
			serve(s, kind(k), st)
			if len(msg) != most+over || st.isReset != (over == 1) || over == 0 && st.out.Len() == 0 {
				t.Errorf("%s: %d bytes of %d: reset %v, %d bytes answered", kindNames[k], len(msg), most, st.isReset, st.out.Len())
			}
			if n := s.refused.of(ReasonBadFrame); n != uint64(over) {
				t.Errorf("%s: %d bytes of %d: %d counted", kindNames[k], len(msg), most, n)
			}
		}
	}
}

// A hostile request does not have to end: what is wrong already is refused although the sender keeps its side open.
func TestHostileRequestsUnended(t *testing.T) {
	v := newVictim(t, WithServeTimeout(10*time.Minute))
	a := newAttacker(t)
	a.connect(t, v.host)
	for k, raw := range map[kind][]byte{push: pushOf(forged(t, v.self)), pull: {0, 0}, probe: binary.AppendUvarint(nil, 1<<30)} {
		_, err := io.ReadAll(a.open(t, v, k, raw))
		checkReset(t, err, network.StreamProtocolViolation)
	}
	v.checkUntouched(t)
}

// Odd but legal requests are answered.
func TestOddRequests(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t)
	a.connect(t, v.host)
	own := a.record(t, 1)
	helloAnswer := "0408021200" // scheme 0: no token is asked
	var unknown []byte
	for i := range 100 {
		unknown = append(unknown, number(9+3*16, uint64(i))...)
	}
	nonce := field(1, make([]byte, 16))
	for _, c := range []struct {
		name    string
		k       kind
		raw     []byte
		answer  string
		stored  int
		counted []Reason // none of which is a violation
	}{
		// A hello alone is how a sender learns that no token is asked: no violation.
		{"hello and end", push, []byte{0}, helloAnswer, 0, nil},
		{"hello with unknown fields and end", push, framed(number(9, 1)), helloAnswer, 0, nil},
		{"hello and record", push, append([]byte{0}, pushOf(own)...), helloAnswer + "020801", 1, nil},
		{"record again", push, pushOf(own), "020801", 1, nil},
		{"record and a token that nobody asked for", push, framed(field(1, own), field(2, number(1, 7))), "020801", 1, nil},
		{"record and unknown fields", push, framed(unknown, field(1, own)), "020801", 1, nil},
		{"older record", push, pushOf(a.record(t, 0)), "020801", 1, nil},
		{"probe without fields", probe, []byte{0}, "020801", 1, nil},
		{"probe of another", probe, framed(nonce, field(2, []byte(a.ID()))), "0408011805", 1, []Reason{ReasonHelpUnknown}},
		{"probe of the receiver by name", probe, framed(nonce, field(2, []byte(v.self))), "0408011805", 1, []Reason{ReasonHelpUnknown}},
		{"pull answer as a request", pull, framed(number(1, 1), named(newRecordSigner(t).seal(t, 1, pub1), 9)), "", 1, nil},
	} {
		before := v.Status().Refused
		got, err := a.say(t, v, c.k, c.raw)
		if err != nil || c.answer != "" && !bytes.Equal(got, unhexFrame(c.answer)) {
			t.Errorf("%s: %x, %v", c.name, got, err)
		}
		checkRefused(t, v.refusedSince(before), c.counted...)
		if n := v.book.len(); n != c.stored {
			t.Errorf("%s: %d records stored", c.name, n)
		}
	}
}

// What follows a push is a violation too. The answer does not wait for the end of the stream, so it may have left before.
func TestBytesAfterPush(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t)
	a.connect(t, v.host)
	for i, after := range [][]byte{{0}, pushOf(a.record(t, 2))} {
		_, _ = a.say(t, v, push, append(pushOf(a.record(t, 1)), after...))
		eventuallyTrue(t, "the violation is counted", func() bool { return v.Status().Refused["bad_frame"] == uint64(i+1) })
		if e, _ := v.book.get(a.ID()); e.seq != 1 {
			t.Errorf("the record of seq %d is stored, want 1", e.seq)
		}
	}
	if n := v.Status().Served; n != 0 {
		t.Errorf("%d count as served", n)
	}
}

// A record of which no address can be used is no offence, but whoever has none is not taken.
func TestPushWithoutUsableAddress(t *testing.T) {
	for name, private := range map[string]bool{"private": false, "strange": true} {
		v := newVictim(t, WithAllowPrivate(private))
		a := newAttacker(t)
		a.connect(t, v.host)
		for i, raw := range [][]byte{
			a.seal(t, 1), // no address at all
			a.seal(t, 2, "/dns4/example.com/tcp/4001", "/ip6/64:ff9b::a00:1/tcp/4001", "/ip4/1.2.3.4/tcp/0"),
			a.seal(t, 3, "/ip4/169.254.169.254/tcp/80", "/ip4/127.0.0.1/udp/1/p2p/"+v.self.String()),
		} {
			got, err := a.say(t, v, push, pushOf(raw))
			if err != nil || !bytes.Equal(got, unhexFrame("020803")) {
				t.Errorf("%s, record %d: %x, %v", name, i, got, err)
			}
		}
		want := uint64(3)
		if !private {
			want++
			if got, err := a.say(t, v, push, pushOf(a.record(t, 4))); err != nil || !bytes.Equal(got, unhexFrame("020803")) {
				t.Errorf("loopback: %x, %v", got, err)
			}
		}
		if got := v.Status().Refused["record_no_usable_addr"]; got != want {
			t.Errorf("%s: %d counted, want %d", name, got, want)
		}
		v.checkUntouched(t)
	}
}

// Users are never given an address that the rules refuse, whatever a peer mixes into its record.
func TestHostileAddressesFiltered(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t)
	a.answering(v, answers(pullAnswer(1)))
	a.connect(t, v.host)
	hostile := []string{
		"/dns4/evil.example/tcp/1", "/dnsaddr/evil.example", "/ip6/64:ff9b::a00:1/tcp/1", "/ip4/169.254.169.254/tcp/80",
		"/ip4/0.0.0.0/tcp/1", "/ip4/127.0.0.1/tcp/0", "/ip4/224.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1/p2p/" + v.self.String(),
		"/ip4/127.0.0.1/tcp/1/ip4/10.0.0.1/tcp/1",
	}
	raw := a.record(t, 1, hostile...)
	if rec, err := wire.OpenRecord(raw); err != nil || len(rec.Addrs) != 1+len(hostile) {
		t.Fatalf("the record does not hold them: %v", err)
	}
	if got, err := a.say(t, v, push, pushOf(raw)); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Fatalf("%x, %v", got, err)
	}
	eventuallyTrue(t, "the peer enters the sample", func() bool { return len(v.Sample()) == 1 })
	for _, got := range [][]peer.AddrInfo{v.Sample(), v.Random(3)} {
		if len(got) != 1 || got[0].ID != a.ID() || len(got[0].Addrs) != 1 || !got[0].Addrs[0].Equal(a.Addrs()[0]) {
			t.Errorf("got %v, want %v at %v", got, a.ID(), a.Addrs())
		}
	}
}

// What one peer tells of another counts by where the teller sits: a loopback address from elsewhere is no address.
func TestAddressesByNamer(t *testing.T) {
	const loop, lan, pub = "/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/1.2.3.4/tcp/1"
	for _, c := range []struct {
		private bool
		namer   string
		want    []string
	}{
		{true, "/ip4/127.0.0.1/tcp/9", []string{loop, lan, pub}},
		{true, "/ip4/10.0.0.7/tcp/9", []string{lan, pub}},
		{true, "/ip4/1.2.3.4/tcp/9", []string{lan, pub}},
		{false, "/ip4/127.0.0.1/tcp/9", []string{pub}},
		{false, "/ip4/1.2.3.4/tcp/9", []string{pub}},
	} {
		s := memService(t, WithAllowPrivate(c.private))
		namer, third := newRecordSigner(t), newRecordSigner(t)
		raw := third.seal(t, 1, loop, lan, pub, "/dns4/evil.example/tcp/1", "/ip6/64:ff9b::a00:1/tcp/1")
		a := exchangeInMemory(s, pull, namer.id, newMemStream(namer.id, c.namer, pullAnswer(1, named(raw, 1))))
		if !a.replied || len(a.ids) != 1 || a.ids[0] != third.id {
			t.Errorf("%+v: answer %+v", c, a)
		}
		if got, want := fmt.Sprint(s.book.info(third.id).Addrs), fmt.Sprint(addrList(c.want...)); got != want {
			t.Errorf("private %v, told from %s: %s, want %s", c.private, c.namer, got, want)
		}
	}
}

// The check that stops forged records is the book's alone: with libp2p's check in its place the victim is taken.
func TestControlForgery(t *testing.T) {
	s := memService(t)
	attacker, victim := newRecordSigner(t), newRecordSigner(t)
	raw := forged(t, victim.id)
	tell := func() answer {
		return exchangeInMemory(s, pull, attacker.id, newMemStream(attacker.id, "/ip4/127.0.0.1/tcp/9", pullAnswer(1, named(raw, 1))))
	}
	pushed := func() *memStream { // by the victim's own connection: only the key is wrong
		st := newMemStream(victim.id, "/ip4/127.0.0.1/tcp/9", pushOf(raw))
		serve(s, push, st)
		return st
	}
	if a := tell(); len(a.ids) != 0 || s.book.len() != 0 {
		t.Fatalf("pull: %+v", a)
	}
	if st := pushed(); !st.isReset || s.book.len() != 0 {
		t.Fatalf("push answered %x", st.out.Bytes())
	}
	s.book.open = func(raw []byte) (*wire.Record, error) {
		_, rec, err := record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain)
		if err != nil {
			return nil, err
		}
		r := rec.(*peer.PeerRecord)
		return &wire.Record{ID: r.PeerID, Seq: r.Seq, Addrs: r.Addrs, Raw: raw}, nil
	}
	s.book.peek = s.book.open
	if a := tell(); !a.replied || len(a.ids) != 1 || a.ids[0] != victim.id {
		t.Errorf("the control refuses the forged entry as well: %+v", a)
	}
	if st := pushed(); st.isReset || !bytes.Equal(st.out.Bytes(), unhexFrame("020801")) {
		t.Errorf("the control refuses the forged push as well")
	}
}

// The control for the sender's name: the third's record itself is good, and as gossip it would be taken.
func TestControlThirdParty(t *testing.T) {
	s := memService(t)
	attacker, third := newRecordSigner(t), newRecordSigner(t)
	raw := third.seal(t, 1, "/ip4/127.0.0.1/tcp/1")
	st := newMemStream(attacker.id, "/ip4/127.0.0.1/tcp/9", pushOf(raw))
	if serve(s, push, st); !st.isReset || s.book.len() != 0 || len(s.pushes) != 0 {
		t.Fatalf("%d records, %d pushes", s.book.len(), len(s.pushes))
	}
	own := newMemStream(third.id, "/ip4/127.0.0.1/tcp/9", pushOf(raw))
	if serve(s, push, own); own.isReset || s.book.len() != 1 || len(s.pushes) != 1 {
		t.Errorf("the third itself: %d records, %d pushes", s.book.len(), len(s.pushes))
	}
	// Known by now, it is still not the attacker's to push.
	again := newMemStream(attacker.id, "/ip4/127.0.0.1/tcp/9", pushOf(raw))
	if serve(s, push, again); !again.isReset || len(s.pushes) != 1 {
		t.Errorf("pushed by another once it was known")
	}
}
