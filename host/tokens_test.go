package host

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/usage"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

func TestTokenOptions(t *testing.T) {
	for _, c := range []struct {
		opt  Option
		want string // of the error; "" is none
	}{
		{WithPushTokens(0), ""},
		{WithPushTokens(MaxTokenBits), ""},
		{WithPushTokens(-1), "token bits=-1 must be between 0 and 24"},
		{WithPushTokens(MaxTokenBits + 1), "token bits=25 must be between 0 and 24"},
		{WithTokenBudget(1), ""},
		{WithTokenBudget(.001), ""},
		{WithTokenBudget(0), "token budget=0 must be above 0 and at most 1"},
		{WithTokenBudget(1.01), "token budget=1.01 must be above 0 and at most 1"},
		{WithTokenBudget(math.NaN()), "token budget=NaN must be above 0 and at most 1"},
	} {
		if _, err := newConfig([]Option{c.opt}); (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if s := memService(t); s.tokens.on() || s.Status().Tokens != (TokenStatus{}) {
		t.Errorf("on without being asked for: %+v", s.Status().Tokens)
	}
}

// priced is a service in memory that asks for tokens of so many bits.
func priced(t testing.TB, bits int, opts ...Option) *Service {
	return memService(t, append([]Option{WithPushTokens(bits)}, opts...)...)
}

// solved is what a sender answers to a challenge of s.
func solved(s *Service, sender peer.ID, c wire.Challenge) *wire.Token {
	search := token.NewSearch(token.Proof{
		Network: string(s.protocols[push]), Receiver: s.self, Sender: sender, Seed: c.Seed, Epoch: c.Epoch, Bits: c.Bits,
	}, 0)
	for !search.Run(1 << 12) {
	}
	return search.Token()
}

// buy asks s for a challenge and answers it.
func buy(t testing.TB, s *Service, sender peer.ID) *wire.Token {
	t.Helper()
	c, ok := s.tokens.ask(sender)
	if !ok {
		t.Fatal("no challenge to be had")
	}
	return solved(s, sender, c)
}

func frameOf(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return wire.AppendFrame(nil, b)
}

// served is what s answers to the requests on one push stream.
func served(t testing.TB, s *Service, from peer.ID, requests ...wire.PushRequest) ([]wire.PushResponse, *memStream) {
	t.Helper()
	var in []byte
	for _, r := range requests {
		in = append(in, frameOf(t, r)...)
	}
	st := newMemStream(from, aliceAddr, in)
	serve(s, push, st)
	if err := st.ended(); err != nil {
		t.Error(err)
	}
	var out []wire.PushResponse
	for r := bytes.NewReader(st.out.Bytes()); r.Len() > 0; {
		frame, err := wire.ReadFrame(r, wire.MaxPushResponse)
		if err != nil {
			t.Fatal(err)
		}
		res, err := wire.DecodePushResponse(frame)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, res)
	}
	return out, st
}

// checkStatuses demands answers of these statuses; what needs a token comes with a challenge.
func checkStatuses(t testing.TB, what string, got []wire.PushResponse, want ...wire.Status) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: answers %+v, want %v", what, got, want)
		return
	}
	for i, res := range got {
		if res.Status != want[i] || (res.Challenge != nil) != (want[i] == wire.StatusNeedsToken) {
			t.Errorf("%s: answer %d is %+v, want %v", what, i, res, want[i])
		}
	}
}

const (
	taken = wire.StatusTaken
	needs = wire.StatusNeedsToken
)

// Every way not to pay: refused, counted, not read on, no load; and the ways to pay.
func TestPushesMustBePaid(t *testing.T) {
	from := alice(t)
	record := from.seal(t, 1, "/ip4/10.0.0.1/tcp/4001")
	hello := wire.PushRequest{}
	for _, c := range []struct {
		name   string
		change func(*wire.Token) *wire.Token
		why    Reason
	}{
		{"no token", func(*wire.Token) *wire.Token { return nil }, "token_missing"},
		{"another scheme", func(t *wire.Token) *wire.Token { t.Scheme = 2; return t }, "token_scheme"},
		{"a nonce too long", func(t *wire.Token) *wire.Token { t.Nonce = append(t.Nonce, 0); return t }, "token_size"},
		{"a later epoch", func(t *wire.Token) *wire.Token { t.Epoch++; return t }, "token_epoch"},
		{"another nonce", func(t *wire.Token) *wire.Token { t.Nonce[0]++; return t }, "token_proof"},
	} {
		s := priced(t, 18) // a wrong proof holds by accident once in 260,000
		req := wire.PushRequest{Record: record, Token: c.change(buy(t, s, from.id))}
		got, st := served(t, s, from.id, req)
		checkStatuses(t, c.name, got, needs)
		if st.isReset {
			t.Errorf("%s: the stream was reset: who has an old challenge is no liar", c.name)
		}
		got, _ = served(t, s, from.id, hello, req) // the second answer is final
		checkStatuses(t, c.name+", after a hello", got, needs, needs)
		checkRefused(t, s.refused.counts(), c.why, c.why)
		if len(s.pushes) != 0 || s.overflow.Load() != 0 || s.book.len() != 0 {
			t.Errorf("%s: %d pushes, load %d, %d records", c.name, len(s.pushes), s.overflow.Load(), s.book.len())
		}
		good := wire.PushRequest{Record: record, Token: buy(t, s, from.id)}
		got, _ = served(t, s, from.id, req, good)
		checkStatuses(t, c.name+", then the right one", got, needs, taken)
		if len(s.pushes) != 1 {
			t.Errorf("%s: %d pushes after a good one", c.name, len(s.pushes))
		}
	}
	s := priced(t, 4)
	got, _ := served(t, s, from.id, hello)
	checkStatuses(t, "hello", got, needs)
	if c := got[0].Challenge; c.Scheme != token.SHA256 || c.Bits != 4 || len(c.Seed) != token.SeedSize {
		t.Errorf("challenge %+v", c)
	}
	got, _ = served(t, s, from.id, hello, wire.PushRequest{Record: record, Token: solved(s, from.id, *got[0].Challenge)})
	checkStatuses(t, "hello and token", got, needs, taken)
	_, st := served(t, s, from.id, hello, hello)
	if !st.isReset {
		t.Error("a second hello is no violation any more")
	}
	s.leaving.Store(true)
	got, _ = served(t, s, from.id, hello)
	checkStatuses(t, "hello to who leaves", got, wire.StatusLeaving)
}

// A token counts once; a sender gets one for each round of ours; what it pays for is still looked at.
func TestTokensCountOnce(t *testing.T) {
	from, other := alice(t), newRecordSigner(t)
	push := wire.PushRequest{Record: from.seal(t, 1, "/ip4/10.0.0.1/tcp/4001")}
	s := priced(t, 18) // a wrong proof holds by accident once in 260,000
	push.Token = buy(t, s, from.id)
	got, _ := served(t, s, from.id, push)
	checkStatuses(t, "first", got, taken)
	got, _ = served(t, s, from.id, push)
	checkStatuses(t, "replay in an epoch that is the only one", got, wire.StatusNoResources)
	got, _ = served(t, s, other.id, push)
	checkStatuses(t, "transfer", got, needs)
	checkRefused(t, s.refused.counts(), "token_replayed", "token_proof")
	for round := uint64(1); round <= token.Window; round++ {
		s.tokens.tick(round)
	}
	got, _ = served(t, s, from.id, push)
	checkStatuses(t, "replay after its epoch", got, needs)
	checkRefused(t, s.refused.counts(), "token_replayed", "token_proof", "token_epoch")
	if len(s.pushes) != 1 {
		t.Errorf("%d pushes", len(s.pushes))
	}
	// A paid push in the name of a third is one all the same.
	_, st := served(t, s, other.id, wire.PushRequest{Record: push.Record, Token: buy(t, s, other.id)})
	if !st.isReset || s.refused.counts()["wrong_peer"] != 1 || len(s.pushes) != 1 {
		t.Errorf("reset %v, refused %v, %d pushes", st.isReset, s.refused.counts(), len(s.pushes))
	}
}

// Streams that find no place are load only where pushes are free: with a price, who pays nothing must not overload us.
func TestUnpaidStreamsAreNoLoad(t *testing.T) {
	for bits, want := range map[int]int64{0: 1, 8: 0} {
		s := priced(t, bits)
		for i := range maxInbound {
			if _, _, ok := s.inbound.enter(newMemStream(peerNo(i), aliceAddr, nil), kind(i%2)); !ok {
				t.Fatal("no place")
			}
		}
		st := newMemStream("one more", aliceAddr, nil)
		serve(s, push, st)
		s.endCrowd()
		if got := s.overflow.Load(); !st.isReset || got != want {
			t.Errorf("%d bits: reset %v, load %d, want %d", bits, st.isReset, got, want)
		}
	}
}

// land counts the pushes of one round of s, after what was served.
func land(s *Service) int {
	for len(s.pushes) > 0 {
		s.loop.node.HandlePush((<-s.pushes).from)
	}
	s.loop.node.Tick()
	return s.loop.node.Status().Pushes
}

// The negative control. One sender's flood, and that of many ids, lands in full where pushes are free and repeats count;
// with the rule of one push a sender only the many land; with tokens nobody does who has not worked, once a round.
func TestFloodLandsWithoutAPrice(t *testing.T) {
	const flood = 200
	repeats := protocol.Hardened(40)
	repeats.Tuples = true // a sender's repeats count, as in the paper
	ids := make([]recordSigner, flood)
	for i := range ids {
		ids[i] = newRecordSigner(t)
	}
	for _, c := range []struct {
		name      string
		opts      []Option
		one, many int
	}{
		{"no defence", []Option{WithParams(repeats)}, flood, flood},
		{"one push a sender", nil, 1, flood},
		{"tokens", []Option{WithPushTokens(16)}, 0, 0},
	} {
		s := memService(t, c.opts...)
		record := ids[0].seal(t, 1, "/ip4/10.0.0.1/tcp/4001")
		for range flood {
			served(t, s, ids[0].id, wire.PushRequest{Record: record})
		}
		if n := land(s); n != c.one {
			t.Errorf("%s: %d pushes of one sender landed, want %d", c.name, n, c.one)
		}
		s = memService(t, c.opts...)
		for _, id := range ids {
			served(t, s, id.id, wire.PushRequest{Record: id.seal(t, 1, "/ip4/10.0.0.1/tcp/4001")})
		}
		if n := land(s); n != c.many {
			t.Errorf("%s: %d pushes of many ids landed, want %d", c.name, n, c.many)
		}
	}
	// Who works lands, and no more often than once for each token.
	s := priced(t, 6)
	for i, id := range ids[:20] {
		req := wire.PushRequest{Record: id.seal(t, 1, "/ip4/10.0.0.1/tcp/4001")}
		if i < 10 {
			req.Token = buy(t, s, id.id)
		}
		for range 3 {
			served(t, s, id.id, req)
		}
	}
	if n := land(s); n != 10 {
		t.Errorf("%d landed of 10 that worked and 10 that did not", n)
	}
}

// sent is what our side wrote on a push stream.
func sent(t testing.TB, st *memStream) (out []wire.PushRequest) {
	t.Helper()
	for r := bytes.NewReader(st.out.Bytes()); r.Len() > 0; {
		frame, err := wire.ReadFrame(r, wire.MaxPushRequest)
		if err != nil {
			t.Fatal(err)
		}
		req, err := wire.DecodePushRequest(frame)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, req)
	}
	return out
}

func asks(c wire.Challenge) wire.PushResponse {
	return wire.PushResponse{Status: needs, Challenge: &c}
}

// Our side against every answer of a receiver. Whatever becomes of the push, an answered hello shows that the peer lives.
func TestPricedPush(t *testing.T) {
	const bits = 8
	to := newRecordSigner(t)
	issuer, err := token.NewIssuer("/brahms/1.0.0/push", to.id, bits, token.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	yes := wire.PushResponse{Status: taken}
	hello := func(s *Service) wire.Challenge { c, _ := issuer.Challenge(s.self); return c }
	harder := func(s *Service) wire.Challenge { c := hello(s); c.Bits++; return c }
	for _, c := range []struct {
		name     string
		bits     int // of our network
		answers  func(s *Service) []wire.PushResponse
		requests int // that carry a record
		tok      bool
		want     TokenStatus // attempts aside
		why      []Reason
	}{
		{"token", bits, func(s *Service) []wire.PushResponse { return []wire.PushResponse{asks(hello(s)), yes} }, 1, true,
			TokenStatus{Bits: bits, Solved: 1}, nil},
		{"no token asked", bits, func(*Service) []wire.PushResponse { return []wire.PushResponse{asks(wire.Challenge{}), yes} }, 1, false,
			TokenStatus{Bits: bits}, nil},
		{"fewer bits", bits + 1, func(s *Service) []wire.PushResponse { return []wire.PushResponse{asks(hello(s)), yes} }, 1, true,
			TokenStatus{Bits: bits + 1, Solved: 1}, nil},
		{"a bit more", bits, func(s *Service) []wire.PushResponse { return []wire.PushResponse{asks(harder(s))} }, 0, false,
			TokenStatus{Bits: bits, Skipped: 1}, []Reason{"challenge_too_hard"}},
		{"all bits", bits, func(*Service) []wire.PushResponse {
			return []wire.PushResponse{asks(wire.Challenge{Scheme: 1, Bits: math.MaxUint32})}
		}, 0, false, TokenStatus{Bits: bits, Skipped: 1}, []Reason{"challenge_too_hard"}},
		{"unknown scheme", bits, func(*Service) []wire.PushResponse { return []wire.PushResponse{asks(wire.Challenge{Scheme: 9})} }, 0, false,
			TokenStatus{Bits: bits, Skipped: 1}, []Reason{"challenge_scheme"}},
		{"no challenge", bits, func(*Service) []wire.PushResponse { return []wire.PushResponse{{Status: needs}} }, 0, false,
			TokenStatus{Bits: bits, Skipped: 1}, []Reason{"challenge_scheme"}},
		{"never content", bits, func(s *Service) []wire.PushResponse {
			return []wire.PushResponse{asks(hello(s)), asks(hello(s))}
		}, 1, true, TokenStatus{Bits: bits, Solved: 1, Rejected: 1}, nil},
		{"no resources", bits, func(*Service) []wire.PushResponse {
			return []wire.PushResponse{{Status: wire.StatusNoResources}}
		}, 0, false, TokenStatus{Bits: bits}, nil},
		{"off, and a price is asked", 0, func(s *Service) []wire.PushResponse { return []wire.PushResponse{asks(hello(s))} }, 1, false,
			TokenStatus{Skipped: 1}, []Reason{"challenge_too_hard"}},
	} {
		s := priced(t, c.bits)
		var in []byte
		for _, res := range c.answers(s) {
			in = append(in, frameOf(t, res)...)
		}
		st := newMemStream(to.id, aliceAddr, in)
		a := exchangeInMemory(s, push, to.id, st)
		if a.outcome != protocol.AliveUnproven || a.err != nil || st.isReset {
			t.Errorf("%s: outcome %v, %v, reset %v", c.name, a.outcome, a.err, st.isReset)
		}
		got := s.Status().Tokens
		if c.want.Solved > 0 == (got.Attempts == 0) {
			t.Errorf("%s: %d attempts", c.name, got.Attempts)
		}
		got.Attempts = 0
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		checkRefused(t, s.refused.counts(), c.why...)
		records := 0
		for _, req := range sent(t, st) {
			if len(req.Record) > 0 {
				records++
				if (req.Token != nil) != c.tok {
					t.Errorf("%s: token %+v", c.name, req.Token)
				}
				if c.name == "token" {
					if err := issuer.Take(s.self, req.Token); err != nil {
						t.Errorf("%s: %v", c.name, err)
					}
					issuer.Open(token.Secret{2})
				}
			}
		}
		if records != c.requests {
			t.Errorf("%s: %d requests with a record, want %d", c.name, records, c.requests)
		}
	}
}

// What goes wrong after the first answer is no miss; what goes wrong before is one.
func TestPricedPushThatBreaks(t *testing.T) {
	to := newRecordSigner(t)
	ask := frameOf(t, asks(wire.Challenge{Scheme: 1, Seed: []byte("seed"), Bits: 4}))
	for _, c := range []struct {
		name string
		in   []byte
		want protocol.ProbeOutcome
		why  []Reason
	}{
		{"nothing", nil, protocol.Missed, []Reason{"bad_frame"}},
		{"garbage", framed([]byte{0xff}), protocol.Missed, []Reason{"bad_message"}},
		{"of a later revision", framed(number(1, 9)), protocol.AliveUnproven, []Reason{"unknown_status"}},
		{"nothing after the challenge", ask, protocol.AliveUnproven, []Reason{"bad_frame"}},
		{"garbage after the challenge", append(bytes.Clone(ask), framed([]byte{0xff})...), protocol.AliveUnproven, []Reason{"bad_message"}},
		{"a later revision after the challenge", append(bytes.Clone(ask), framed(number(1, 9))...), protocol.AliveUnproven, []Reason{"unknown_status"}},
		{"three answers", append(bytes.Clone(ask), unhexFrame("020801020801")...), protocol.AliveUnproven, []Reason{"bad_frame"}},
		{"leaving", append(bytes.Clone(ask), unhexFrame("020804")...), protocol.Leaving, nil},
		{"leaving at once", unhexFrame("020804"), protocol.Leaving, nil},
	} {
		s := priced(t, 4)
		st := newMemStream(to.id, aliceAddr, c.in)
		if a := exchangeInMemory(s, push, to.id, st); a.outcome != c.want {
			t.Errorf("%s: %v, want %v (%v)", c.name, a.outcome, c.want, a.err)
		}
		if err := st.ended(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		checkRefused(t, s.refused.counts(), c.why...)
	}
}

// A challenge that came with a pull answer spares one push the hello: of this round or the next, and of no later one.
func TestKeptChallenges(t *testing.T) {
	to := newRecordSigner(t)
	c := wire.Challenge{Scheme: 1, Seed: []byte("seed"), Bits: 4}
	pull := func(s *Service, id peer.ID, c wire.Challenge) {
		exchangeInMemory(s, pull, id, newMemStream(id, aliceAddr, frameOf(t, wire.PullResponse{Status: taken, Challenge: &c})))
	}
	hellos := func(s *Service, id peer.ID) int {
		st := newMemStream(id, aliceAddr, unhexFrame("020801"))
		exchangeInMemory(s, push, id, st)
		n := 0
		for _, req := range sent(t, st) {
			if req.IsHello() {
				n++
			}
		}
		return n
	}
	for ticks, want := range []int{0, 0, 1} {
		s := priced(t, 4)
		pull(s, to.id, c)
		for n := range ticks {
			s.tokens.tick(uint64(n + 1))
		}
		if n := hellos(s, to.id); n != want {
			t.Errorf("%d rounds later: %d hellos, want %d", ticks, n, want)
		}
		if n := hellos(s, to.id); n != 1 {
			t.Errorf("it is good for more than one push")
		}
	}
	for name, bad := range map[string]wire.Challenge{
		"too hard": {Scheme: 1, Bits: 5}, "no token": {}, "unknown": {Scheme: 2},
	} {
		s := priced(t, 4)
		pull(s, to.id, bad)
		if n := len(s.tokens.fresh); n != 0 || hellos(s, to.id) != 1 {
			t.Errorf("%s: %d kept", name, n)
		}
	}
	s := priced(t, 4)
	for i := range maxChallenges {
		s.tokens.keep(peerNo(i), &c)
	}
	s.tokens.keep(to.id, &c)
	s.tokens.keep(peerNo(0), &c) // who has a place may have a newer one
	if n := len(s.tokens.fresh); n != maxChallenges {
		t.Errorf("%d kept, at most %d", n, maxChallenges)
	}
	if n := hellos(s, to.id); n != 1 {
		t.Error("one over the bound is kept")
	}
	off := memService(t)
	pull(off, to.id, c)
	if len(off.tokens.fresh) != 0 {
		t.Error("kept without a price")
	}
}

// A pull answer has the same view for all who ask, and a challenge for each.
func TestPullAnswerHasTheAskersChallenge(t *testing.T) {
	for _, bits := range []int{0, 8} {
		s := priced(t, bits)
		var view []peer.ID
		for range 3 {
			p := newRecordSigner(t)
			if _, _, err := s.book.put(p.seal(t, 1, "/ip4/10.0.0.2/tcp/1"), fromFirstHand, p.id, classPrivate); err != nil {
				t.Fatal(err)
			}
			view = append(view, p.id)
		}
		snap := *s.Snapshot()
		snap.reply = s.encodeView(wire.StatusTaken, view, wire.MaxPullResponse)
		snap.replyLess = snap.reply
		s.published.Store(&snap)
		answer := func(from peer.ID, limited bool) wire.PullResponse {
			st := newMemStream(from, aliceAddr, []byte{0})
			st.conn.stats.Limited = limited
			serve(s, pull, st)
			frame, err := wire.ReadFrame(&st.out, wire.MaxPullResponse)
			if err != nil {
				t.Fatal(err)
			}
			res, err := wire.DecodePullResponse(frame)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		a, b, again := answer("a", false), answer("b", true), answer("a", false)
		if len(a.Entries) != 3 || fmt.Sprint(a.Entries) != fmt.Sprint(b.Entries) {
			t.Errorf("%d bits: the views differ", bits)
		}
		if bits == 0 {
			if a.Challenge != nil || b.Challenge != nil {
				t.Error("a challenge where no token is asked")
			}
			continue
		}
		if a.Challenge == nil || b.Challenge == nil || bytes.Equal(a.Challenge.Seed, b.Challenge.Seed) ||
			!bytes.Equal(a.Challenge.Seed, again.Challenge.Seed) {
			t.Errorf("challenges %+v, %+v, %+v", a.Challenge, b.Challenge, again.Challenge)
		}
		if err := s.tokens.take("a", solved(s, "a", *a.Challenge)); err != nil {
			t.Error(err)
		}
	}
}

// The largest answer that is published leaves room for the challenge.
func TestFullAnswerHasRoomForAChallenge(t *testing.T) {
	s := priced(t, 8)
	var view []peer.ID
	for range 10 {
		p := newRecordSigner(t)
		if _, _, err := s.book.put(p.seal(t, 1, "/ip4/10.0.0.2/tcp/1"), fromFirstHand, p.id, classPrivate); err != nil {
			t.Fatal(err)
		}
		view = append(view, p.id)
	}
	// Few entries leave little over, and how much is chance: so many low limits are tried.
	for limit := 600; limit < 1000; limit += 10 {
		less := s.encodeView(wire.StatusTaken, view, limit)
		if len(less) < limit-300 || len(less) > limit {
			t.Fatalf("%d bytes at a limit of %d: the test does not test", len(less), limit)
		}
		if got := s.tokens.forAsker(less, "asker", limit); len(got) <= len(less) {
			t.Errorf("no challenge in an answer of at most %d bytes", limit)
		}
	}
}

// clock is a clock that a step of work moves.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	step time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// endless makes searches that find nothing; each step takes the clock's step. It returns how many steps there were.
func (c *clock) endless(s *Service) (steps func() int) {
	n := 0
	s.tokens.now = c.now
	s.tokens.run = func(*token.Search, int) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.at = c.at.Add(c.step)
		n++
		return false
	}
	return func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return n
	}
}

// Work ends with the budget of the round, over all pushes of it, and the next round has a budget of its own. A push for
// which nothing is left asks with a hello all the same, so that the peer can show that it lives.
func TestTokenBudget(t *testing.T) {
	s := priced(t, 24, WithRoundInterval(time.Second), WithTokenBudget(.1)) // 100 ms a round
	c := &clock{step: 30 * time.Millisecond}
	steps := c.endless(s)
	to := newRecordSigner(t)
	ask := frameOf(t, asks(wire.Challenge{Scheme: 1, Seed: []byte("seed"), Bits: 24}))
	for round, want := range []int{4, 8} { // 30, 60, 90 and 120 ms: overdrawn by less than a step
		for range 3 {
			st := newMemStream(to.id, aliceAddr, ask)
			a := exchangeInMemory(s, push, to.id, st)
			if a.outcome != protocol.AliveUnproven || a.err != nil || len(sent(t, st)) != 1 || !sent(t, st)[0].IsHello() {
				t.Errorf("outcome %v, %v, sent %+v", a.outcome, a.err, sent(t, st))
			}
		}
		if n := steps(); n != want {
			t.Errorf("round %d: %d steps, want %d", round, n, want)
		}
		if got := s.Status().Tokens; got.Skipped != uint64(3*(round+1)) || got.Solved != 0 {
			t.Errorf("round %d: %+v", round, got)
		}
		s.tokens.tick(uint64(round + 1))
	}
	// With a kept challenge the same: a hello, no second search, one skip.
	for s.tokens.affords(2) {
		s.tokens.spend(2, time.Second)
	}
	s.tokens.keep(to.id, &wire.Challenge{Scheme: 1, Bits: 24})
	st := newMemStream(to.id, aliceAddr, ask)
	exchangeInMemory(s, push, to.id, st)
	if got := s.Status().Tokens; len(sent(t, st)) != 1 || got.Skipped != 7 || steps() != 8 {
		t.Errorf("sent %+v, %+v, %d steps", sent(t, st), got, steps())
	}
}

// A search ends when its round does, when its context does, and when it waits its turn for too long; a push of a round
// that is over does not begin one.
func TestSearchesEnd(t *testing.T) {
	s := priced(t, 24)
	c := &clock{}
	steps := c.endless(s) // and costs nothing
	one := wire.Challenge{Scheme: 1, Bits: 24}
	begin := func(ctx context.Context) <-chan *wire.Token {
		found := make(chan *wire.Token, 1)
		go func() { found <- s.tokens.search(ctx, "to", one) }()
		return found
	}
	ended := func(why string, found <-chan *wire.Token) {
		t.Helper()
		select {
		case tok := <-found:
			if tok != nil {
				t.Errorf("%s: found %+v", why, tok)
			}
		case <-time.After(patience):
			t.Fatalf("%s: goes on", why)
		}
	}
	s.tokens.tick(1)
	ctx, cancel := context.WithCancel(t.Context())
	works := begin(ctx)
	eventuallyTrue(t, "it works", func() bool { return steps() > 0 })
	waitCtx, stopWaiting := context.WithCancel(t.Context())
	waits := begin(waitCtx)
	stopWaiting()
	ended("its context ended while it waited", waits)
	waits = begin(t.Context())
	cancel()
	ended("its context ended", works)
	eventuallyTrue(t, "the next has its turn", func() bool { return len(s.tokens.turn) == 1 })
	works, waits = waits, begin(s.tokens.in(t.Context(), 1))
	s.tokens.tick(2)
	ended("its round ended", works)
	ended("its round ended while it waited", waits)
	before := steps()
	ended("its round was over", begin(s.tokens.in(t.Context(), 1)))
	if steps() != before {
		t.Error("work for a round that is over")
	}
	works = begin(s.tokens.in(t.Context(), 2))
	eventuallyTrue(t, "work for the round that is open", func() bool { return steps() > before })
	s.tokens.tick(3)
	ended("its round ended", works)
}

// Who waits for its turn gives up with its round, whoever has the turn.
func TestWaitersEndWithTheirRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := priced(t, 24)
		s.tokens.turn <- struct{}{} // somebody of the next round
		found := make(chan *wire.Token, 1)
		go func() { found <- s.tokens.search(t.Context(), "to", wire.Challenge{Scheme: 1, Bits: 24}) }()
		synctest.Wait()
		if len(found) != 0 {
			t.Fatal("it does not wait")
		}
		s.tokens.tick(1)
		synctest.Wait()
		if len(found) != 1 || <-found != nil {
			t.Error("it waits on")
		}
	})
}

// A push that a worker comes to after its round, because the pull before it was slow, is one of that round: no work for it.
func TestLatePushesAreOfTheirRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Service
		var late, inTime atomic.Int32
		s = fakeService(t, newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if k == pull && id == peerNo(0) {
				after(second + second/2)
			}
			if k == push {
				select {
				case <-overOf(s.tokens.open(ctx)):
					late.Add(1)
				default:
					inTime.Add(1)
				}
			}
			return yes(k)
		}), steady(WithPushTokens(8), WithBootstrap(infos(peerNos(0, 2)...)...))...)
		s.start()
		settle(10*second + second/4)
		if late.Load() == 0 || inTime.Load() == 0 {
			t.Errorf("%d pushes after their round, %d within", late.Load(), inTime.Load())
		}
	})
}

func overOf(_ uint64, over <-chan struct{}) <-chan struct{} { return over }

// Close does not wait for work.
func TestCloseEndsWork(t *testing.T) {
	t.Parallel()
	server := join(t, newHost(t), WithPushTokens(MaxTokenBits), WithRoundInterval(MaxInterval))
	s := join(t, newHost(t), WithPushTokens(MaxTokenBits), WithTokenBudget(1), WithRoundInterval(MaxInterval), at(server.host))
	// No round is long enough for what a push of 24 bits may take on a busy machine, so this one is a day.
	eventually(t, func() bool { return s.Status().Tokens.Attempts > 0 }, "a search began")
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("Close waits for the work")
	}
}

// Three peers with a price meet and push; nothing of it is refused but what a late round may cost.
func TestPeersWithAPrice(t *testing.T) {
	t.Parallel()
	var seen [3]witness
	opts := func(i int, more ...Option) []Option {
		seen[i].seen = make(map[peer.ID]bool)
		return append([]Option{WithPushTokens(8), WithRoundHook(seen[i].note)}, more...)
	}
	ha := newHost(t)
	a := join(t, ha, opts(0)...)
	b, c := join(t, newHost(t), opts(1, at(ha))...), join(t, newHost(t), opts(2, at(ha))...)
	met(t, a, b, c)
	for i, s := range []*Service{a, b, c} {
		eventually(t, func() bool { return seen[i].count(&seen[i].pushCount) >= 6 }, "%s was pushed to", s.self)
		st := s.Status()
		if st.Tokens.Solved < 4 || st.Tokens.Attempts < 4*32 {
			t.Errorf("%+v", st.Tokens)
		}
		for why := range st.Refused {
			switch why {
			case "unsolicited", "token_epoch", "stream_failed": // on a busy machine rounds end too early
			default:
				t.Errorf("refused in a healthy network: %v", st.Refused)
			}
		}
	}
}

// One peer has a price and the other has none: the one without cannot push, the one with can, and both live.
func TestPriceOnOneSide(t *testing.T) {
	t.Parallel()
	hp, hf := newHost(t), newHost(t)
	withPrice, free := join(t, hp, WithPushTokens(8)), join(t, hf, at(hp))
	eventually(t, func() bool { return samples(free, withPrice.self) }, "the free peer samples the other: it answers")
	eventually(t, func() bool { return withPrice.Status().Refused["token_missing"] > 0 }, "the push without a token is refused")
	eventually(t, func() bool { return free.Status().Refused["challenge_too_hard"] > 0 }, "the free peer does not work")
	passed(t, withPrice, 3)
	if holds(withPrice, free.self) || free.Status().Tokens.Attempts != 0 {
		t.Errorf("held %v, %+v", holds(withPrice, free.self), free.Status().Tokens)
	}

	hf2 := newHost(t)
	free2 := join(t, hf2)
	withPrice2 := join(t, newHost(t), WithPushTokens(8), at(hf2))
	eventually(t, func() bool { return samples(free2, withPrice2.self) }, "it pushes without a token where none is asked")
	if st := withPrice2.Status().Tokens; st.Solved != 0 || st.Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

// FuzzPricedPush: whatever comes on push streams of a service with a price, nothing is counted that is not paid for, and
// our side does no more work than the network's difficulty asks for.
func FuzzPricedPush(f *testing.F) {
	for _, v := range vectorBytes(f) {
		f.Add(v)
	}
	from := alice(f)
	f.Add(append([]byte{0}, frameOf(f, wire.PushRequest{Record: from.seal(f, 1, "/ip4/10.0.0.1/tcp/4001"), Token: &wire.Token{Scheme: 1, Nonce: make([]byte, 8)}})...))
	f.Add(frameOf(f, asks(wire.Challenge{Scheme: 1, Bits: 4})))
	server, client := priced(f, MaxTokenBits), priced(f, 4)
	f.Fuzz(func(t *testing.T, in []byte) {
		st := newMemStream(from.id, aliceAddr, in)
		serve(server, push, st)
		if err := st.ended(); err != nil || len(server.pushes) != 0 || server.book.len() != 0 || server.overflow.Load() != 0 {
			t.Fatalf("%v, %d pushes, %d records, load %d", err, len(server.pushes), server.book.len(), server.overflow.Load())
		}
		client.tokens.tick(client.tokens.round + 1) // a budget
		before := client.Status().Tokens
		st = newMemStream(from.id, aliceAddr, in)
		a := exchangeInMemory(client, push, from.id, st)
		after := client.Status().Tokens
		if err := st.ended(); err != nil {
			t.Fatal(err)
		}
		if after.Solved > before.Solved+1 || after.Attempts > before.Attempts+4096 {
			t.Errorf("one answer made us work: %+v, then %+v", before, after)
		}
		if a.replied || len(a.ids) != 0 {
			t.Errorf("%+v", a)
		}
		if n := server.refused.of(ReasonInternalError) + client.refused.of(ReasonInternalError); n != 0 {
			t.Fatalf("%d panics", n)
		}
	})
}

// BenchmarkUnpaidPush is what a push costs both ends together over loopback: taken without a price, and refused for want
// of a token or for a wrong one, which is what a flood costs that pays nothing. cpu-µs/op is the time of the process,
// which a busy machine does not stretch.
func BenchmarkUnpaidPush(b *testing.B) {
	for _, c := range []struct {
		name string
		bits int
		tok  *wire.Token
		want wire.Status
	}{
		{"free", 0, nil, taken},
		{"no_token", 16, nil, needs},
		{"bad_proof", 16, &wire.Token{Scheme: 1, Epoch: 1, Nonce: make([]byte, 8)}, needs},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := newVictim(b, WithRoundInterval(MaxInterval), WithPushTokens(c.bits))
			a := newAttacker(b)
			a.connect(b, v.host)
			frame := frameOf(b, wire.PushRequest{Record: a.record(b, 1), Token: c.tok})
			before := usage.CPUTime()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				st, err := a.NewStream(ctx, v.host.ID(), v.protocols[push])
				if err != nil {
					b.Fatal(err)
				}
				res := sayOn(b, st, frame)
				if res.Status != c.want {
					b.Fatalf("answered %+v", res)
				}
				cancel()
			}
			b.ReportMetric(float64((usage.CPUTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func sayOn(t testing.TB, st network.Stream, frame []byte) wire.PushResponse {
	defer st.Close()
	if _, err := st.Write(frame); err != nil {
		t.Fatal(err)
	}
	_ = st.CloseWrite()
	raw, err := wire.ReadFrame(st, wire.MaxPushResponse)
	if err != nil {
		t.Fatal(err)
	}
	res, err := wire.DecodePushResponse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
