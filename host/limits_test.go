package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// exchangeWith runs one exchange of v with a peer, outside of its rounds.
func (v *victim) exchangeWith(t testing.TB, k kind, id peer.ID) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return v.net.exchange(ctx, k, id)
}

// lie is an answer to a pull that must not be used.
type lie struct {
	name string
	raw  []byte
	why  Reason
}

// lies lists answers that name phantom, who exists for nobody, and victim, in whose name somebody else signs.
func lies(t testing.TB, phantom recordSigner, victim peer.ID) []lie {
	good := phantom.seal(t, 1, "/ip4/127.0.0.1/tcp/1")
	one := named(good, 1)
	valid := pullAnswer(1, one)
	var many [][]byte
	for range 300 {
		many = append(many, one)
	}
	return []lie{
		{"nothing", nil, "bad_frame"},
		{"300 entries", pullAnswer(1, many...), "bad_message"},
		{"counts over 256", pullAnswer(1, named(good, 200), named(good, 57)), "bad_message"},
		{"a count that overflows", pullAnswer(1, named(good, 1<<63), named(good, 1<<63), one), "bad_message"},
		{"count 0", pullAnswer(1, one, named(good, 0)), "bad_message"},
		{"no count", pullAnswer(1, one, field(2, field(1, good))), "bad_message"},
		{"no record", pullAnswer(1, one, field(2, number(2, 1))), "bad_message"},
		{"record over its limit", pullAnswer(1, one, named(make([]byte, wire.MaxRecordSize+1), 1)), "bad_message"},
		{"forged record", pullAnswer(1, named(forged(t, victim), 1)), "record_forged"},
		{"no record at all", pullAnswer(1, named([]byte{1}, 256)), "record_not_canonical"},
		{"answer cut off", valid[:len(valid)-1], "bad_frame"},
		{"byte after the answer", append(bytes.Clone(valid), 0), "bad_frame"},
		{"two answers", append(bytes.Clone(valid), valid...), "bad_frame"},
		{"length over the limit", binary.AppendUvarint(nil, wire.MaxPullResponse+1), "bad_frame"},
		{"length of exabytes", binary.AppendUvarint(nil, 1<<62), "bad_frame"},
		{"garbage", framed(bytes.Repeat([]byte{0xff}, 500)), "bad_message"},
		{"status 0", []byte{0}, "unknown_status"},
		{"no status", framed(one), "unknown_status"},
		{"unknown status", pullAnswer(9, one), "unknown_status"},
		{"status of a push", pullAnswer(2, one), "unknown_status"},
	}
}

// unverified returns n entries whose records have wrong signatures. Each costs a verification.
func unverified(t testing.TB, of recordSigner, n int) (entries [][]byte) {
	for i := range n {
		raw := of.seal(t, 1, "/ip4/127.0.0.1/tcp/1")
		raw[len(raw)-1-i] ^= 1
		entries = append(entries, named(raw, 1))
	}
	return entries
}

// A record that somebody passed on and that does not verify here is skipped, and nobody is blamed: whoever owns a key can
// make a signature that some libraries take and others do not, and have correct peers pass it on. It shows when the record is to
// be used; the rest of the answer is used. The same record as a peer's own is its own fault.
func TestUnverifiedRecordsBlameNobody(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	a := newAttacker(t)
	good := newRecordSigner(t)
	bad := newRecordSigner(t)
	raw := pullAnswer(1, append(unverified(t, bad, 1), named(good.seal(t, 1, "/ip4/127.0.0.1/tcp/1"), 2))...)
	a.answering(v, answers(raw))
	a.connect(t, v.host)
	if got := v.exchangeWith(t, pull, a.ID()); !got.replied || !slices.Equal(got.ids, []peer.ID{bad.id, good.id, good.id}) {
		t.Errorf("%+v", got)
	}
	if len(v.book.raw(bad.id)) != 0 || len(v.book.addrs(bad.id)) != 0 || len(v.book.raw(good.id)) == 0 { // now they are verified
		t.Error("a record that does not verify is used, or one that does is not")
	}
	checkRefused(t, v.Status().Refused, ReasonRecordUnverified)
	if list, n := v.offences.take(1); n != 0 || len(list) != 0 {
		t.Errorf("blamed: %+v", list)
	}
	own := a.record(t, 1)
	own[len(own)-1] ^= 1
	if _, err := a.say(t, v, push, pushOf(own)); err == nil {
		t.Error("a push with such a record is answered")
	}
	checkRefused(t, v.Status().Refused, ReasonRecordUnverified, ReasonRecordBad)
	if list, n := v.offences.take(2); n != 1 || len(list) != 1 || list[0].Reason != ReasonRecordBad {
		t.Errorf("the control: %d offences, %+v", n, list)
	}
}

// A lie is refused and counted, and nothing of it is used. The first lies on from there.
func TestLyingAnswers(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	a := newAttacker(t)
	a.answering(v, answers(nil))
	a.connect(t, v.host)
	victim, phantom := newRecordSigner(t), newRecordSigner(t)
	for _, l := range lies(t, phantom, victim.id) {
		t.Run(l.name, func(t *testing.T) {
			a.SetStreamHandler(v.protocols[pull], answers(l.raw))
			before := v.Status().Refused
			got := v.exchangeWith(t, pull, a.ID())
			if got.replied || len(got.ids) != 0 || len(got.newer) != 0 {
				t.Errorf("taken: %+v", got)
			}
			checkRefused(t, v.refusedSince(before), l.why)
			if raw := v.book.raw(victim.id); raw != nil {
				t.Errorf("the victim's record: %x", raw)
			}
			if raw := v.book.raw(phantom.id); raw != nil {
				t.Errorf("the phantom's record: %x", raw)
			}
		})
	}
	held := 0
	for _, l := range lies(t, phantom, victim.id) {
		if l.why.Misbehaviour() {
			held++
		}
	}
	if list, n := v.offences.take(1); n != held || len(list) != 1 || list[0].Peer != a.ID() || list[0].Protocol != v.protocols[pull] || list[0].Addr == nil {
		t.Errorf("%d offences, want %d of the liar's: %+v", n, held, list)
	}
	good := phantom.seal(t, 1, "/ip4/127.0.0.1/tcp/1")
	for _, c := range []struct {
		name    string
		raw     []byte
		replied bool
		ids     int
		outcome protocol.ProbeOutcome
	}{
		{"no resources, with entries", pullAnswer(3, named(good, 1)), false, 0, protocol.Alive},
		{"leaving, with entries", pullAnswer(4, named(good, 1)), true, 1, protocol.Leaving},
		{"leaving, without", pullAnswer(4), false, 0, protocol.Leaving},
		{"empty view", pullAnswer(1), true, 0, protocol.Alive},
		{"the asker itself", pullAnswer(1, named(v.own.Load().raw, 7)), true, 0, protocol.Alive},
		{"the control", pullAnswer(1, named(good, 3)), true, 3, protocol.Alive},
		{"one peer twice", pullAnswer(1, named(good, 3), named(good, 5)), true, 3, protocol.Alive},
		{"256 with repeats", pullAnswer(1, named(good, wire.MaxEntries)), true, wire.MaxEntries, protocol.Alive}, // 257: see lies
		// Of each two for one peer the second has the first verified, and is refused for it.
		{"some for one peer that do not verify", pullAnswer(1, unverified(t, newRecordSigner(t), 2*maxUnverified+1)...), true, 1, protocol.Alive},
		{"one more of them", pullAnswer(1, unverified(t, newRecordSigner(t), 2*maxUnverified+2)...), false, 0, protocol.Alive},
		{"unusable addresses", pullAnswer(1, named(newRecordSigner(t).seal(t, 1, "/dns4/a.example/tcp/1"), 3)), true, 0, protocol.Alive},
	} {
		a.SetStreamHandler(v.protocols[pull], answers(c.raw))
		got := v.exchangeWith(t, pull, a.ID())
		if got.outcome == protocol.AliveUnproven {
			got.outcome = protocol.Alive // the attacker has dialled
		}
		if got.replied != c.replied || len(got.ids) != c.ids || got.outcome != c.outcome {
			t.Errorf("%s: replied %v, %d ids, %v, %v", c.name, got.replied, len(got.ids), got.outcome, got.err)
		}
	}
}

// Lies to pushes and probes tell nothing but that somebody is there.
func TestLyingShortAnswers(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	a := newAttacker(t)
	a.connect(t, v.host)
	for _, c := range []struct {
		k       kind
		raw     []byte
		outcome protocol.ProbeOutcome
		why     []Reason
	}{
		{push, unhexFrame("020801"), protocol.AliveUnproven, nil},
		{push, unhexFrame("020804"), protocol.Leaving, nil},
		{push, unhexFrame("020803"), protocol.AliveUnproven, nil},
		{push, unhexFrame("020805"), protocol.AliveUnproven, []Reason{"unknown_status"}}, // of a later revision, perhaps
		{push, unhexFrame("00"), protocol.AliveUnproven, []Reason{"unknown_status"}},
		{push, framed(number(1, 1), field(2, field(2, make([]byte, wire.MaxSeedSize+1)))), protocol.Missed, []Reason{"bad_message"}},
		{push, framed(make([]byte, wire.MaxPushResponse+1)), protocol.Missed, []Reason{"bad_frame"}},
		{push, unhexFrame("020801020801"), protocol.Missed, []Reason{"bad_frame"}},
		{probe, unhexFrame("020801"), protocol.AliveUnproven, nil},
		{probe, unhexFrame("020804"), protocol.Leaving, nil},
		{probe, unhexFrame("020803"), protocol.AliveUnproven, []Reason{"unknown_status"}},
		{probe, unhexFrame("0208"), protocol.Missed, []Reason{"bad_frame"}},
		{probe, nil, protocol.Missed, []Reason{"bad_frame"}},
		{probe, framed(number(1, 1), field(2, make([]byte, wire.MaxSignatureSize+1))), protocol.Missed, []Reason{"bad_message"}},
		{probe, framed(make([]byte, wire.MaxProbeResponse+1)), protocol.Missed, []Reason{"bad_frame"}},
	} {
		a.SetStreamHandler(v.protocols[c.k], answers(c.raw))
		before := v.Status().Refused
		got := v.exchangeWith(t, c.k, a.ID())
		if got.outcome != c.outcome {
			t.Errorf("%s answered %x: %v, want %v (%v)", kindNames[c.k], c.raw, got.outcome, c.outcome, got.err)
		}
		checkRefused(t, v.refusedSince(before), c.why...)
	}
	// Resets of the other side are its own affair: not counted as hostile. Some codes say that it lives.
	for code, want := range map[network.StreamErrorCode]protocol.ProbeOutcome{
		0:                                   protocol.Missed,
		network.StreamResourceLimitExceeded: protocol.NoEvidence,
		network.StreamRateLimited:           protocol.NoEvidence,
		network.StreamProtocolViolation:     protocol.Missed,
		network.StreamShutdown:              protocol.NoEvidence,
	} {
		for k := range kinds {
			a.SetStreamHandler(v.protocols[k], func(st network.Stream) { _ = st.ResetWithError(code) })
			before := v.Status().Refused
			if got := v.exchangeWith(t, k, a.ID()); got.outcome != want {
				t.Errorf("%s reset with %#x: %v, want %v (%v)", kindNames[k], code, got.outcome, want, got.err)
			}
			checkRefused(t, v.refusedSince(before))
		}
	}
}

// Over a limited connection an answer is bounded by less.
func TestLimitedAnswer(t *testing.T) {
	signer := newRecordSigner(t)
	raw := framed(number(1, 1), field(9, make([]byte, wire.MaxPullResponseLimited)))
	for limited, want := range map[bool]bool{false: true, true: false} {
		s := memService(t)
		st := newMemStream(signer.id, "/ip4/127.0.0.1/tcp/9", raw)
		st.conn.stats.Limited = limited
		if a := exchangeInMemory(s, pull, signer.id, st); a.replied != want {
			t.Errorf("limited %v: %+v", limited, a)
		}
	}
}

// Liars, mutes and tricklers among the peers do not stop rounds, nor keep a correct peer out, and nobody that they name
// gets in.
func TestRoundsAmongLiars(t *testing.T) {
	honest := newVictim(t)
	v := newVictim(t, WithBootstrap(honest.info()), WithExchangeTimeout(time.Second))
	victim, phantom := newRecordSigner(t), newRecordSigner(t)
	mute := func(st network.Stream) { _, _ = io.Copy(io.Discard, st) }
	handlers := []network.StreamHandler{mute, trickle(pullAnswer(1, named(phantom.seal(t, 1, "/ip4/127.0.0.1/tcp/1"), 1)), 100*time.Millisecond)}
	for _, l := range lies(t, phantom, victim.id)[:10] {
		handlers = append(handlers, answers(l.raw))
	}
	for i, handler := range handlers {
		a := newAttacker(t)
		a.answering(v, handler)
		if i == 0 {
			a.SetStreamHandler(v.protocols[push], mute)
			a.SetStreamHandler(v.protocols[probe], mute)
		}
		a.connect(t, v.host)
		if got, err := a.say(t, v, push, pushOf(a.record(t, 1))); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
			t.Fatalf("%x, %v", got, err)
		}
	}
	eventuallyTrue(t, "the correct peer is sampled", func() bool {
		for _, p := range v.Sample() {
			if p.ID == honest.host.ID() {
				return true
			}
		}
		return false
	})
	eventuallyTrue(t, "lies are refused", func() bool {
		r := v.Status().Refused
		return r["bad_frame"] > 0 && r["bad_message"] > 0 && r["record_forged"] > 0
	})
	before := v.count(&v.pullRounds)
	eventuallyTrue(t, "rounds go on and have replies", func() bool { return v.count(&v.pullRounds) >= before+10 })
	if v.saw(phantom.id) || v.saw(victim.id) {
		t.Errorf("in view or sample: the phantom %v, the victim %v", v.saw(phantom.id), v.saw(victim.id))
	}
	if v.book.raw(victim.id) != nil {
		t.Error("the victim's forged record is stored")
	}
}

// trickle is a pull handler that sends raw a byte at a time.
func trickle(raw []byte, pause time.Duration) network.StreamHandler {
	return func(st network.Stream) { _ = trickleTo(st, raw, pause) }
}

func trickleTo(st network.Stream, raw []byte, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := range raw {
		if _, err := st.Write(raw[i : i+1]); err != nil {
			return err
		}
		<-tick.C
	}
	return st.Close()
}

// A peer that answers a byte at a time is cut off when the time of the exchange is over, however it goes on.
func TestTrickledAnswer(t *testing.T) {
	phantom := newRecordSigner(t)
	raw := pullAnswer(1, named(phantom.seal(t, 1, "/ip4/127.0.0.1/tcp/1"), 1))
	v := newVictim(t, WithRoundInterval(MaxInterval), WithExchangeTimeout(300*time.Millisecond))
	a := newAttacker(t)
	cut := make(chan error, 1)
	a.answering(v, func(st network.Stream) { cut <- trickleTo(st, raw, 10*time.Millisecond) })
	a.connect(t, v.host)
	got := v.exchangeWith(t, pull, a.ID())
	var timeout net.Error
	if got.replied || got.outcome != protocol.Missed || !errors.As(got.err, &timeout) || !timeout.Timeout() {
		t.Errorf("outcome %v, error %v", got.outcome, got.err)
	}
	var reset *network.StreamError
	if err := <-cut; !errors.As(err, &reset) || !reset.Remote {
		t.Errorf("the trickler ends with %v", err)
	}
	checkRefused(t, v.Status().Refused, ReasonTrickled)
	if v.book.raw(phantom.id) != nil {
		t.Error("stored")
	}
	// The control: the same answer as slow as the time allows.
	a.SetStreamHandler(v.protocols[pull], trickle(raw, 100*time.Microsecond))
	if got := v.exchangeWith(t, pull, a.ID()); !got.replied {
		t.Errorf("control: %+v", got)
	}
}

// The same of answers to pushes, where they are free and where they have a price: whoever trickles them is named. One that
// says nothing at all may be lost.
func TestTrickledPushAnswer(t *testing.T) {
	raw := framed(number(1, 2), field(2, append(append(number(1, 1), field(2, make([]byte, 32))...), number(4, 8)...))) // needs a token
	for _, bits := range []int{0, 8} {
		v := newVictim(t, WithRoundInterval(MaxInterval), WithExchangeTimeout(300*time.Millisecond), WithPushTokens(bits))
		a := newAttacker(t)
		a.connect(t, v.host)
		a.SetStreamHandler(v.protocols[push], trickle(raw, 10*time.Millisecond))
		if got := v.exchangeWith(t, push, a.ID()); got.outcome != protocol.Missed {
			t.Errorf("%d bits: outcome %v, error %v", bits, got.outcome, got.err)
		}
		checkRefused(t, v.Status().Refused, ReasonTrickled)
		if list, n := v.offences.take(1); n != 1 || len(list) != 1 || list[0].Peer != a.ID() {
			t.Errorf("%d bits: %d offences, %+v", bits, n, list)
		}
		before := v.Status().Refused
		a.SetStreamHandler(v.protocols[push], func(st network.Stream) { _, _ = io.Copy(io.Discard, st) })
		v.exchangeWith(t, push, a.ID())
		checkRefused(t, v.refusedSince(before), ReasonStreamFailed)
	}
}

// A reply that comes after its round has no effect on view and sample; within it, it has.
func TestLateReply(t *testing.T) {
	for _, late := range []bool{true, false} {
		phantom := newRecordSigner(t)
		raw := pullAnswer(1, named(phantom.seal(t, 1, "/ip4/127.0.0.1/tcp/1"), 40))
		a := newAttacker(t)
		v := newVictim(t, WithBootstrap(a.info()))
		a.answering(v, func(st network.Stream) {
			if late {
				until := v.count(&v.rounds) + 2
				for tick := time.NewTicker(time.Millisecond); v.count(&v.rounds) < until && !v.closed.Load(); {
					<-tick.C
				}
			}
			answers(raw)(st)
		})
		if late {
			eventuallyTrue(t, "late replies are counted", func() bool { return v.Status().Refused["unsolicited"] >= 2 })
			v.await(t, 3)
			if v.saw(phantom.id) {
				t.Error("an id from a late reply is in view or sample")
			}
		} else {
			eventuallyTrue(t, "control: the reply is used", func() bool { return v.saw(phantom.id) })
		}
	}
}

// One peer may hold maxInboundPerPeer streams. The next is reset, others are served, and a stream that ends makes room.
func TestInboundLimit(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval), WithServeTimeout(10*time.Minute))
	a, b := newAttacker(t), newAttacker(t)
	a.connect(t, v.host)
	b.connect(t, v.host)
	held := make([]network.Stream, maxInboundPerPeer)
	entered := func() int {
		return v.inbound.Of(a.ID())
	}
	for i := range held {
		held[i] = a.open(t, v, kind(i)%kinds, []byte{0x20}) // a frame of which the body does not come
		eventuallyTrue(t, "the stream is served", func() bool { return entered() == i+1 })
	}
	checkRefused(t, v.Status().Refused) // at the limit
	for k := range kinds {
		_, err := a.say(t, v, k, []byte{0})
		checkReset(t, err, network.StreamResourceLimitExceeded)
	}
	checkRefused(t, v.Status().Refused, "too_many_streams", "too_many_streams", "too_many_streams")
	if got, err := b.say(t, v, probe, []byte{0}); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Errorf("another peer: %x, %v", got, err)
	}
	_ = held[0].Reset()
	eventuallyTrue(t, "the place is free", func() bool { return entered() == maxInboundPerPeer-1 })
	if got, err := a.say(t, v, probe, []byte{0}); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Errorf("after one was released: %x, %v", got, err)
	}
	// Close ends them all, without waiting for their time, and says why.
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	for _, st := range held[1:] {
		_, err := io.ReadAll(st)
		checkReset(t, err, network.StreamShutdown)
	}
	v.checkNoStreams(t)
}

// newTestInbound has a clock that stands until it is moved.
func newTestInbound() (*inbound, *manual) {
	c := newManual()
	return newInboundBy(c.now, inboundGrace), c
}

// Many ids at few public addresses hold no more than their part of the places. The same ids at private ones, which have no
// prefix, are the negative control: they hold all.
func TestInboundLimitOfPrefixes(t *testing.T) {
	fill := func(addr func(i int) string) (in *inbound, held []network.Stream) {
		in, _ = newTestInbound()
		for i := range 2 * maxInbound {
			st := newMemStream(peer.ID(binary.AppendUvarint([]byte("p"), uint64(i))), addr(i), nil)
			if _, full, ok := in.enter(st, kind(i)%kinds); ok {
				held = append(held, st)
			} else if full && len(held) < maxInbound {
				t.Fatalf("full with %d streams", len(held))
			}
		}
		return in, held
	}
	for _, c := range []struct {
		name string
		addr func(i int) string
		want int
	}{
		{"one /24", func(i int) string { return fmt.Sprintf("/ip4/5.6.7.%d/tcp/1", i%256) }, maxInboundFine},
		{"one /16", func(i int) string { return fmt.Sprintf("/ip4/5.6.%d.8/tcp/1", i%256) }, maxInboundCoarse},
		{"one /48", func(i int) string { return fmt.Sprintf("/ip6/2a00:1:2:%x::1/tcp/1", i) }, maxInboundFine},
		{"one /32", func(i int) string { return fmt.Sprintf("/ip6/2a00:1:%x::1/tcp/1", i) }, maxInboundCoarse},
		{"private", func(i int) string { return fmt.Sprintf("/ip4/10.6.7.%d/tcp/1", i%256) }, maxInbound},
	} {
		in, held := fill(c.addr)
		if len(held) != c.want {
			t.Errorf("%s: %d places, want %d", c.name, len(held), c.want)
		}
		other := newMemStream("other", "/ip4/9.9.9.9/tcp/1", nil)
		if _, _, ok := in.enter(other, pull); ok != (c.want < maxInbound) {
			t.Errorf("%s: a peer elsewhere gets in: %v", c.name, ok)
		} else if ok {
			in.Leave(other)
		}
		for _, st := range held {
			in.Leave(st)
		}
		if !in.Idle() {
			t.Errorf("%s: something is counted when all have left", c.name)
		}
	}
}

// All peers together may hold maxInbound streams.
func TestInboundLimitOfAll(t *testing.T) {
	in, _ := newTestInbound()
	var streams []*memStream
	for i := range maxInbound {
		st := newMemStream(peer.ID(binary.AppendUvarint([]byte("p"), uint64(i/maxInboundPerPeer))), "/ip4/10.0.0.1/tcp/1", nil)
		if code, _, ok := in.enter(st, kind(i)%kinds); !ok {
			t.Fatalf("stream %d: %#x", i, code)
		}
		streams = append(streams, st)
	}
	other := newMemStream("other", pub1, nil)
	if code, full, ok := in.enter(other, push); ok || !full || code != network.StreamResourceLimitExceeded {
		t.Errorf("one more: %v, %#x", ok, code)
	}
	in.Leave(streams[0])
	if _, _, ok := in.enter(other, push); !ok {
		t.Error("no place after one has left")
	}
	in.Leave(other)
	for _, st := range streams[1:] {
		in.Leave(st)
	}
	in.Close()
	if code, _, ok := in.enter(other, push); ok || code != network.StreamShutdown {
		t.Errorf("closed: %v, %#x", ok, code)
	}
}

// One kind may hold half of the places, at the limit and one over it; the others find theirs.
func TestInboundLimitOfKind(t *testing.T) {
	in, _ := newTestInbound()
	for i := range maxInboundOfKind {
		if _, _, ok := in.enter(newMemStream(peerNo(i), lanAddr, nil), push); !ok {
			t.Fatalf("stream %d is refused", i)
		}
	}
	if _, full, ok := in.enter(newMemStream("other", lanAddr, nil), push); ok || !full {
		t.Errorf("one more push: %v, full %v", ok, full)
	}
	if _, _, ok := in.enter(newMemStream("other", lanAddr, nil), pull); !ok {
		t.Error("a pull finds no place among pushes")
	}
}

// Silent ids without number on a LAN hold places only as long as nobody else wants them: the oldest stream goes for a new
// one. Those of a second are safe. Without that (the control) they hold all of them until their time is over.
func TestInboundIsTakenByTheNew(t *testing.T) {
	for _, control := range []bool{false, true} {
		c, grace := newManual(), inboundGrace
		if control {
			grace = DefaultServeTimeout
		}
		in := newInboundBy(c.now, grace)
		held := make([]*memStream, maxInbound)
		for i := range held {
			held[i] = newMemStream(peerNo(i/maxInboundPerPeer), lanAddr, nil)
			if _, _, ok := in.enter(held[i], kind(i)%kinds); !ok {
				t.Fatalf("stream %d is refused", i)
			}
			c.pass(time.Microsecond)
		}
		c.pass(grace - maxInbound*time.Microsecond - time.Nanosecond)
		if control {
			c.pass(inboundGrace - grace)
		}
		early := newMemStream("early", lanAddr, nil)
		if _, _, ok := in.enter(early, push); ok {
			t.Errorf("control %v: a stream is not safe for its second", control)
		}
		c.pass(time.Nanosecond)
		other := newMemStream("other", lanAddr, nil)
		_, _, ok := in.enter(other, push)
		if ok == control {
			t.Errorf("control %v: one more is let in %v", control, ok)
		}
		if held[0].isReset == control || held[1].isReset || held[0].isReset && held[0].code != network.StreamResourceLimitExceeded {
			t.Errorf("control %v: the oldest is reset %v with %#x, the next %v", control, held[0].isReset, held[0].code, held[1].isReset)
		}
		if in.Len() != maxInbound {
			t.Errorf("control %v: %d streams", control, in.Len())
		}
		for _, st := range append(held, other) {
			if ok || st != other {
				in.Leave(st) // also that which lost its place, when its handler ends
			}
		}
		if !in.Idle() {
			t.Errorf("control %v: counted when all have left", control)
		}
		in.Close()
	}
}

// Where a prefix has its part, it is its own oldest stream that goes, not that of somebody else.
func TestInboundOfAPrefixIsTakenFromIt(t *testing.T) {
	in, c := newTestInbound()
	elsewhere := newMemStream("elsewhere", "/ip4/9.9.9.9/tcp/1", nil)
	in.enter(elsewhere, pull)
	held := make([]*memStream, maxInboundFine)
	for i := range held {
		held[i] = newMemStream(peerNo(i), pub1, nil)
		in.enter(held[i], pull)
	}
	c.pass(inboundGrace)
	if _, _, ok := in.enter(newMemStream("neighbour", pub1, nil), pull); !ok || !held[0].isReset || held[1].isReset || elsewhere.isReset {
		t.Errorf("let in %v; reset: the oldest of the prefix %v, its next %v, elsewhere %v", ok, held[0].isReset, held[1].isReset, elsewhere.isReset)
	}
}

// On real sockets: a stream that gives way is reset with the code for it, counted as turned away and held against nobody.
func TestCrowdedOutStream(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval), WithServeTimeout(10*time.Minute))
	a := newAttacker(t)
	a.connect(t, v.host)
	st := a.open(t, v, push, []byte{0x20})
	eventuallyTrue(t, "the stream is served", func() bool {
		return v.inbound.Of(a.ID()) == 1
	})
	v.inbound.mu.Lock()
	v.inbound.now = func() time.Time { return time.Now().Add(inboundGrace) }
	v.inbound.mu.Unlock()
	held := make([]*memStream, maxInboundOfKind)
	for i := range held {
		held[i] = newMemStream(peerNo(i), lanAddr, nil)
		if _, _, ok := v.inbound.enter(held[i], push); !ok {
			t.Fatalf("stream %d is refused", i)
		}
	}
	_, err := io.ReadAll(st)
	checkReset(t, err, network.StreamResourceLimitExceeded)
	eventuallyTrue(t, "it is counted", func() bool { return v.Status().Refused[ReasonTooManyStreams] == 1 })
	checkRefused(t, v.Status().Refused, ReasonTooManyStreams)
	if n := v.turnedAway.Load(); n != 1 {
		t.Errorf("%d turned away", n)
	}
	for _, st := range held {
		v.inbound.Leave(st)
	}
}

// Our own streams end with Close as well: a peer that never answers does not hold it up.
func TestCloseAmongMutes(t *testing.T) {
	a := newAttacker(t)
	v := newVictim(t, WithBootstrap(a.info()), WithExchangeTimeout(10*time.Minute), WithDialTimeout(10*time.Minute))
	asked, ended := make(chan struct{}, 1), make(chan error, 1)
	mute := func(st network.Stream) {
		select {
		case asked <- struct{}{}:
		default:
		}
		var b [1]byte
		for {
			if _, err := st.Read(b[:]); err == nil {
				continue
			}
			break
		}
		<-ended
	}
	for k := range kinds {
		a.SetStreamHandler(v.protocols[k], mute)
	}
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- v.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Close waits for a peer that does not answer")
		_ = a.Close() // ends its streams
		<-closed
	}
	close(ended)
}

// Pushes beyond what the loop takes in are dropped, counted and told to the node as load; the sender is told nothing.
func TestPushFlood(t *testing.T) {
	s := memService(t)
	signer := newRecordSigner(t)
	raw := pushOf(signer.seal(t, 1, "/ip4/10.0.0.1/tcp/1"))
	for range pushQueue + 4 {
		st := newMemStream(signer.id, "/ip4/10.0.0.1/tcp/9", raw)
		if serve(s, push, st); st.isReset || !bytes.Equal(st.out.Bytes(), unhexFrame("020801")) {
			t.Fatalf("answered %x", st.out.Bytes())
		}
	}
	other := newRecordSigner(t)
	serve(s, push, newMemStream(other.id, "/ip4/10.0.0.1/tcp/9", pushOf(other.seal(t, 1, "/ip4/10.0.0.1/tcp/1"))))
	s.endCrowd()
	if n := s.overflow.Load(); n != 2 || len(s.pushes) != pushQueue { // two senders
		t.Errorf("%d queued, %d over", len(s.pushes), n)
	}
	checkRefused(t, s.refused.counts(), "push_overflow", "push_overflow", "push_overflow", "push_overflow", "push_overflow")
}

// lateReset is a stream that the other side resets between our request and our half-close. The half-close then fails
// with an error that only the muxer knows.
type lateReset struct{ *memStream }

func (lateReset) CloseWrite() error { return errors.New("stream reset by remote, error code: 4098") }

func (lateReset) Read([]byte) (int, error) {
	return 0, &network.StreamError{ErrorCode: network.StreamResourceLimitExceeded, Remote: true}
}

// A peer that has no room for us is alive, however early its reset arrives.
func TestResetBeforeHalfClose(t *testing.T) {
	s := memService(t)
	from := newRecordSigner(t).id
	for k := range kinds {
		x := &libp2pExchanger{s: s, h: &memHost{id: s.self, st: lateReset{newMemStream(from, "/ip4/10.0.0.1/tcp/1", nil)}}}
		if got := x.exchange(t.Context(), k, from); got.outcome != protocol.NoEvidence {
			t.Errorf("%s: %v, %v", kindNames[k], got.outcome, got.err)
		}
	}
	checkRefused(t, s.refused.counts())
}
