package spread

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

const (
	private = "/ip4/10.6.7.8/tcp/1"
	relayed = "/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"
)

// crowdID is one of the ids that an operator makes for itself.
func crowdID(i int) peer.ID { return peer.ID(fmt.Sprintf("crowd-%d", i)) }

// copies lets an operator with as many ids as it likes send n copies each from the address that addr gives, and returns how
// many were read before the first refusal.
func copies(s *Service, ids, n int, addr func(int) string) (read int, last *memStream) {
	for i := range ids {
		for range n {
			last = newMemStreamAt(crowdID(i), addr(i), []byte{0})
			s.handle(last)
			if last.in.(*bytes.Reader).Len() != 0 {
				return read, last
			}
			read++
		}
	}
	return read, last
}

// TestPrefixRate: 64 ids of one /24 have the rate of one prefix and not one copy more, a wide prefix twice as much, one relay that of
// its address, and peers elsewhere theirs. What is refused is unread. Negative controls: with the limit switched off, and among
// private addresses, which have no prefix, 64 ids have the rate of 64.
func TestPrefixRate(t *testing.T) {
	at := func(format string) func(int) string { return func(i int) string { return fmt.Sprintf(format, i%250) } }
	for _, c := range []struct {
		name   string
		limits Limits
		addr   func(int) string
		want   int
	}{
		{"one /24", Limits{PrefixRate: 10}, at("/ip4/9.9.9.%d/tcp/1"), 100},
		{"one /16", Limits{PrefixRate: 10}, at("/ip4/9.9.%d.1/tcp/1"), 200},
		{"one /48", Limits{PrefixRate: 10}, at("/ip6/2606:4700:1:%x::1/tcp/1"), 100},
		{"one relay", Limits{PrefixRate: 10}, func(int) string { return "/ip4/9.9.9.9" + relayed }, 100},
		{"off", Limits{PrefixRate: Unlimited}, at("/ip4/9.9.9.%d/tcp/1"), 640},
		{"private", Limits{PrefixRate: 10}, func(int) string { return private }, 640},
	} {
		now := fixed
		s := fakeService(t, 0, peersOf(1), taken, WithLimits(c.limits), WithSenderRate(1, 10), withClock(func() time.Time { return now }))
		read, last := copies(s, 64, 10, c.addr)
		if read != c.want {
			t.Errorf("%s: %d copies read, want %d", c.name, read, c.want)
		}
		if c.want == 640 {
			s.Close()
			continue
		}
		if !last.isReset || last.code != network.StreamRateLimited || s.Status().Refused[ReasonPrefixRate] != 1 {
			t.Errorf("%s: reset %v with %#x, %v", c.name, last.isReset, last.code, s.Status().Refused)
		}
		if n, _ := copies(s, 1, 1, at("/ip4/8.8.8.%d/tcp/1")); n != 0 { // crowdID(0) has used up its own
			t.Errorf("%s: one id has more from another address", c.name)
		}
		other := newMemStreamAt("other", "/ip4/8.8.8.8/tcp/1", []byte{0})
		if s.handle(other); other.in.(*bytes.Reader).Len() != 0 {
			t.Errorf("%s: a peer elsewhere is refused", c.name)
		}
		now = now.Add(time.Second)
		if n, _ := copies(s, 64, 1, c.addr); n != c.want/prefixBurst {
			t.Errorf("%s: %d a second later, want %d", c.name, n, c.want/prefixBurst)
		}
		s.Close()
	}
}

// TestSenderRate: one neighbour has its burst and not one copy more, whatever the prefix; a crowd of ids that come once makes
// nobody be forgotten who has used up its own.
func TestSenderRate(t *testing.T) {
	s := fakeService(t, 0, peersOf(1), taken, WithSenderRate(1, 5), withClock(func() time.Time { return fixed }))
	defer s.Close()
	at := func(int) string { return private }
	read, last := copies(s, 1, 10, at)
	if read != 5 || last.code != network.StreamRateLimited || s.Status().Refused[ReasonSenderRate] != 1 {
		t.Errorf("%d copies read, then %#x, %v", read, last.code, s.Status().Refused)
	}
	if n, _ := copies(s, 5000, 1, func(int) string { return private }); n != 0 {
		t.Errorf("%d more", n)
	}
	for i := range 5000 {
		s.handle(newMemStreamAt(crowdID(1+i), private, []byte{0}))
	}
	if n, _ := copies(s, 1, 1, at); n != 0 {
		t.Error("5,000 ids reset the limit of another")
	}
}

// TestPlaces: at once one peer, one /24, one /16 and all have their part of the streams, and not one more. Negative control: the
// same ids at private addresses, which have no prefix, have all of it.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name string
		addr func(i int) string
		want int
	}{
		{"one peer", func(int) string { return private }, maxInboundPerPeer},
		{"one /24", func(i int) string { return fmt.Sprintf("/ip4/5.6.7.%d/tcp/1", i%256) }, maxInboundFine},
		{"one /16", func(i int) string { return fmt.Sprintf("/ip4/5.6.%d.8/tcp/1", i%256) }, maxInboundCoarse},
		{"one relay", func(int) string { return "/ip4/5.6.7.8" + relayed }, maxInboundFine},
		{"private", func(int) string { return private }, maxInbound},
	} {
		now := fixed
		in := newInbound(func() time.Time { return now })
		var held []*memStream
		for i := range 64 * maxInboundPerPeer {
			id := crowdID(i / maxInboundPerPeer) // 64 ids
			if c.name == "one peer" {
				id = crowdID(0)
			}
			st := newMemStreamAt(id, c.addr(i/maxInboundPerPeer), nil)
			if code, _, ok := in.Enter(st, 0); ok {
				held = append(held, st)
			} else if code != network.StreamResourceLimitExceeded {
				t.Fatalf("%s: %#x", c.name, code)
			}
		}
		if len(held) != c.want {
			t.Errorf("%s: %d places, want %d", c.name, len(held), c.want)
		}
		other := newMemStreamAt("other", "/ip4/8.8.8.8/tcp/1", nil)
		_, _, ok := in.Enter(other, 0)
		if ok != (c.want < maxInbound) {
			t.Errorf("%s: a peer elsewhere finds a place: %v", c.name, ok)
		}
		if ok {
			in.Leave(other)
		}
		// Who is silent gives way after its grace: to its neighbours where the prefix has its part, to anybody where all is taken.
		now = now.Add(inboundGrace)
		late := newMemStreamAt("late", c.addr(1), nil)
		if _, _, ok = in.Enter(late, 0); !ok || held[0].isReset != (c.want > maxInboundPerPeer) {
			t.Errorf("%s: a later stream finds a place %v, the oldest gave way %v", c.name, ok, held[0].isReset)
		}
		for _, st := range held {
			in.Leave(st)
		}
		if ok {
			in.Leave(late)
		}
		if !in.Idle() {
			t.Errorf("%s: something is counted when all have left", c.name)
		}
		in.Close()
	}
}

// TestRelayBytes: what is passed on for others is bounded by bytes, of one prefix by its part; what is beyond is delivered and
// counted. Negative control: without the limit all goes.
func TestRelayBytes(t *testing.T) {
	var ids []peer.ID
	for i := range 20 {
		_, id := testKey(t, i+1)
		ids = append(ids, id)
	}
	const size = message.MaxPayload - 1000
	for _, c := range []struct {
		limits     Limits
		addr       string
		one, other int // messages that are passed on of 300 of a prefix, and of another
	}{
		{Limits{}, "/ip4/9.9.9.9/tcp/1", 0, 0}, // computed below
		{Limits{RelayBytes: Unlimited}, "/ip4/9.9.9.9/tcp/1", 300, 1},
	} {
		s := fakeService(t, 0, peersOf(1, ids...), taken, WithLimits(c.limits), WithFanout(10), WithOriginRate(0, 0), WithSenderRate(0, 0),
			withClock(func() time.Time { return fixed }))
		sub, _ := s.Subscribe("t")
		deliver := func(i int, id peer.ID, addr string) (passed bool) {
			raw := made(t, 99, "t", fmt.Sprintf("%03d%*s", i, size, ""), fixed, 0)
			before := s.Status().Withheld
			st := newMemStreamAt(id, addr, wire.AppendFrame(nil, raw))
			s.handle(st)
			if st.isReset || len(drain(sub)) != 1 {
				t.Fatalf("message %d: reset %v with %#x, or not delivered", i, st.isReset, st.code)
			}
			return s.Status().Withheld == before
		}
		one := 0
		for i := range 300 {
			if deliver(i, crowdID(i), c.addr) {
				one++
			}
		}
		want := c.one
		if c.limits.RelayBytes == 0 {
			frame := len(wire.AppendFrame(nil, made(t, 99, "t", fmt.Sprintf("%03d%*s", 0, size, ""), fixed, 1)))
			want = relayBurst * DefaultRelayBytes / relayPart / (10 * frame)
		}
		if one != want || s.Status().Withheld != uint64(10*(300-want)) {
			t.Errorf("%+v: %d messages of a prefix are passed on, want %d; %d copies withheld", c.limits, one, want, s.Status().Withheld)
		}
		if !deliver(999, "other", "/ip4/8.8.8.8/tcp/1") {
			t.Errorf("%+v: nothing is left for another prefix", c.limits)
		}
		s.Close()
	}
}
