package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// ask lets v ask helper about target, outside of its rounds.
func (v *victim) askAbout(t testing.TB, helper, target peer.ID) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	yes, a := v.net.indirect(ctx, helper, target)
	if a.outcome != protocol.NoEvidence {
		t.Errorf("an ask told %v of the helper", a.outcome)
	}
	return yes
}

// knows puts the record and the addresses of others into the book of v.
func (v *victim) knows(t testing.TB, others ...*victim) {
	t.Helper()
	for _, o := range others {
		if _, _, err := v.book.put(o.own.Load().raw, fromFirstHand, o.self, classLoopback); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHelp: a helper probes whom it knows and answers with the target's signature; whom it does not know it neither dials
// nor vouches for, nor itself and the asker.
func TestHelp(t *testing.T) {
	still := WithRoundInterval(MaxInterval)
	asker, helper, target, stranger := newVictim(t, still), newVictim(t, still), newVictim(t, still), newVictim(t, still)
	asker.knows(t, helper, target, stranger)
	helper.knows(t, target, asker)
	if !asker.askAbout(t, helper.self, target.self) {
		t.Fatal("the target lives and the helper knows it")
	}
	if n := helper.Status().Helped; n != 1 {
		t.Errorf("helped %d times", n)
	}
	dials := helper.Status().Dials
	for name, about := range map[string]peer.ID{"a stranger": stranger.self, "the helper": helper.self, "the asker": asker.self} {
		before := helper.Status().Refused
		if asker.askAbout(t, helper.self, about) {
			t.Errorf("%s was vouched for", name)
		}
		checkRefused(t, helper.refusedSince(before), ReasonHelpUnknown)
	}
	if n := helper.Status().Dials; n != dials {
		t.Errorf("%d dials for others than it knows", n-dials)
	}
	target.leaving.Store(true)
	if asker.askAbout(t, helper.self, target.self) {
		t.Error("a peer that leaves was vouched for")
	}
	target.leaving.Store(false)
	helper.leaving.Store(true)
	if asker.askAbout(t, helper.self, target.self) {
		t.Error("a helper that leaves helps")
	}
	helper.leaving.Store(false)
	target.Close()
	target.host.Close()
	if asker.askAbout(t, helper.self, target.self) {
		t.Error("the dead was vouched for")
	}
	if got := asker.Status().Refused; len(got) != 0 {
		t.Errorf("the asker refused %v", got)
	}
}

// TestHelpLeavesDialsForOurOwn: however much others ask about a dead peer, three misses of ours can still tell that it is dead.
// The control: what we do for ourselves may take the rest.
func TestHelpLeavesDialsForOurOwn(t *testing.T) {
	still := WithRoundInterval(MaxInterval)
	asker, helper, target := newVictim(t, still), newVictim(t, still), newVictim(t, still)
	asker.knows(t, helper, target)
	helper.knows(t, target, asker)
	x := helper.net.(*libp2pExchanger)
	helper.book.touch(target.self) // strangers leave half of the bucket in any case
	target.Close()
	target.host.Close()
	nonce := bytes.Repeat([]byte{7}, wire.MinNonceSize)
	for range 10 {
		x.onBehalf(t.Context(), target.self, asker.self, nonce)
	}
	misses := 0
	for range 10 {
		if a := x.exchange(t.Context(), probe, target.self); a.outcome == protocol.Missed {
			misses++
		}
	}
	if misses != DefaultAddrDials/2 {
		t.Errorf("%d misses of ours after ten probes for others, want the half that is kept for us", misses)
	}
}

// TestHelpRSA: the key of such a peer is not in its id, but in its record.
func TestHelpRSA(t *testing.T) {
	key, _, err := crypto.GenerateRSAKeyPair(2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := memService(t)
	nonce := bytes.Repeat([]byte{7}, wire.MinNonceSize)
	sig, err := wire.SignProbe(key, wire.ProbeProof{
		Protocol: string(s.protocols[probe]), Asker: s.self, Signer: id, Nonce: nonce, Status: wire.StatusAlive,
	})
	if err != nil {
		t.Fatal(err)
	}
	res := wire.ProbeResponse{Status: wire.StatusAlive, TargetStatus: wire.StatusAlive, TargetSignature: sig}
	if yes, err := s.vouched(id, nonce, res); yes || err != nil {
		t.Errorf("without its record: %v, %v; it is nobody's fault", yes, err)
	}
	if _, _, err := s.book.put(recordSigner{id, key}.seal(t, 1, "/ip4/10.0.0.2/tcp/1"), fromFirstHand, id, classPrivate); err != nil {
		t.Fatal(err)
	}
	if yes, err := s.vouched(id, nonce, res); !yes || err != nil {
		t.Errorf("with its record: %v, %v", yes, err)
	}
}

// TestHelpIsBounded by asker, by target, by round and at once; without the limit (the negative control) it is not.
func TestHelpIsBounded(t *testing.T) {
	n := 0
	fresh := func() peer.ID { n++; return peerNo(n) }
	count := func(h *helping, end bool, asker, target func() peer.ID) (begun int) {
		for range 1000 {
			if h.begin(asker(), target()) {
				begun++
				if end {
					h.end()
				}
			}
		}
		return begun
	}
	a := func() peer.ID { return "a" }
	for _, c := range []struct {
		name          string
		end           bool
		asker, target func() peer.ID
		want          int
	}{
		{"one asker", true, a, fresh, maxHelpsOfAsker},
		{"one target", true, fresh, a, maxHelpsToTarget},
		{"a round", true, fresh, fresh, DefaultHelps},
		{"at once", false, fresh, fresh, maxHelping},
	} {
		h := newHelping(DefaultHelps)
		if got := count(h, c.end, c.asker, c.target); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if h.tick(); c.end && count(h, true, c.asker, c.target) != c.want {
			t.Errorf("%s: not as many in the next round", c.name)
		}
		if len(h.askers) > DefaultHelps || len(h.targets) > DefaultHelps {
			t.Errorf("%s: %d askers and %d targets remembered", c.name, len(h.askers), len(h.targets))
		}
		if got := count(newHelping(Unlimited), c.end, c.asker, c.target); got != 1000 {
			t.Errorf("%s: %d without the limit", c.name, got)
		}
	}
}

// TestHelpLimited: what is over the budget is answered "unknown", counted, and reaches nobody.
func TestHelpLimited(t *testing.T) {
	still := WithRoundInterval(MaxInterval)
	asker, helper, target := newVictim(t, still), newVictim(t, still), newVictim(t, still)
	asker.knows(t, helper, target)
	helper.knows(t, target)
	for i := range maxHelpsToTarget + 2 {
		served, before := target.Status().Served, helper.Status().Refused
		yes := asker.askAbout(t, helper.self, target.self)
		if yes != (i < maxHelpsToTarget) {
			t.Errorf("ask %d: %v", i+1, yes)
		}
		if yes {
			eventuallyTrue(t, "the target served the probe", func() bool { return target.Status().Served > served })
			continue
		}
		checkRefused(t, helper.refusedSince(before), ReasonHelpLimited)
		if n := target.Status().Served; n != served {
			t.Errorf("ask %d reached the target", i+1)
		}
	}
}

// helperLies are what a hostile helper may answer to an ask about target, with what is counted. Only the first is true.
func helperLies(t testing.TB, asker peer.ID, target recordSigner, protocol string) []struct {
	name   string
	answer func(nonce []byte) []byte
	yes    bool
	why    []Reason
} {
	other := newRecordSigner(t)
	sign := func(by recordSigner, proof wire.ProbeProof) []byte {
		sig, err := wire.SignProbe(by.key, proof)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	proof := func(nonce []byte) wire.ProbeProof {
		return wire.ProbeProof{Protocol: protocol, Asker: asker, Signer: target.id, Nonce: nonce, Status: wire.StatusAlive}
	}
	says := func(status uint64, sig []byte) []byte { return framed(number(1, 1), number(3, status), field(4, sig)) }
	yes := func(change func(*wire.ProbeProof)) func([]byte) []byte {
		return func(nonce []byte) []byte {
			p := proof(nonce)
			change(&p)
			return says(1, sign(target, p))
		}
	}
	forged := []Reason{ReasonVouchForged}
	return []struct {
		name   string
		answer func(nonce []byte) []byte
		yes    bool
		why    []Reason
	}{
		{"the truth", yes(func(*wire.ProbeProof) {}), true, nil},
		{"no signature", func([]byte) []byte { return framed(number(1, 1), number(3, 1)) }, false, []Reason{ReasonVouchUnsigned}},
		{"an old signature", yes(func(p *wire.ProbeProof) { p.Nonce = bytes.Repeat([]byte{1}, len(p.Nonce)) }), false, forged},
		{"signed for another", yes(func(p *wire.ProbeProof) { p.Asker = other.id }), false, forged},
		{"of another network", yes(func(p *wire.ProbeProof) { p.Protocol = "/other" + p.Protocol }), false, forged},
		{"leaving, told as alive", yes(func(p *wire.ProbeProof) { p.Status = wire.StatusLeaving }), false, forged},
		{"of another peer", func(nonce []byte) []byte {
			p := proof(nonce)
			p.Signer = other.id
			return says(1, sign(other, p))
		}, false, forged},
		{"of another key", func(nonce []byte) []byte {
			sig, err := other.key.Sign([]byte("anything"))
			if err != nil {
				t.Fatal(err)
			}
			return says(1, sig)
		}, false, forged},
		{"garbage for a signature", func([]byte) []byte { return says(1, bytes.Repeat([]byte{0xff}, 64)) }, false, forged},
		{"leaving, signed", func(nonce []byte) []byte {
			p := proof(nonce)
			p.Status = wire.StatusLeaving
			return says(4, sign(target, p))
		}, false, nil},
		{"unknown", func([]byte) []byte { return says(5, nil) }, false, nil},
		{"a status of a later revision", func([]byte) []byte { return says(77, nil) }, false, nil},
		{"nothing of the target", func([]byte) []byte { return unhexFrame("020801") }, false, nil},
		{"signature over its limit", func([]byte) []byte { return says(1, make([]byte, wire.MaxSignatureSize+1)) }, false, []Reason{ReasonBadMessage}},
		{"garbage", func([]byte) []byte { return framed(bytes.Repeat([]byte{0xff}, 100)) }, false, []Reason{ReasonBadMessage}},
		{"nothing", func([]byte) []byte { return nil }, false, []Reason{ReasonBadFrame}},
	}
}

// TestLyingHelpers: whatever a helper says, only the target's own signature over this very question counts, and lies are
// counted and held against it.
func TestLyingHelpers(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	a := newAttacker(t)
	a.connect(t, v.host)
	target := newRecordSigner(t)
	offences := 0
	for _, l := range helperLies(t, v.self, target, string(v.protocols[probe])) {
		a.SetStreamHandler(v.protocols[probe], func(st network.Stream) {
			frame, err := wire.ReadFrame(st, wire.MaxProbeRequest)
			if err != nil {
				t.Error(err)
			}
			req, err := wire.DecodeProbeRequest(frame)
			if err != nil || req.Target != target.id || len(req.Nonce) < wire.MinNonceSize || req.Sign {
				t.Errorf("asked %+v, %v", req, err)
			}
			answers(l.answer(req.Nonce))(st)
		})
		before := v.Status().Refused
		if got := v.askAbout(t, a.ID(), target.id); got != l.yes {
			t.Errorf("%s: %v", l.name, got)
		}
		checkRefused(t, v.refusedSince(before), l.why...)
		for _, why := range l.why {
			if !why.Misbehaviour() {
				t.Errorf("%s: %s is no misbehaviour", l.name, why)
			}
			offences++
		}
	}
	if list, n := v.offences.take(1); n != offences || len(list) != 1 || list[0].Peer != a.ID() {
		t.Errorf("%d offences, want %d of the helper's: %+v", n, offences, list)
	}
}

// TestLyingTarget: a helper passes on no signature that does not hold, and is not to blame for one.
func TestLyingTarget(t *testing.T) {
	still := WithRoundInterval(MaxInterval)
	asker, helper := newVictim(t, still), newVictim(t, still)
	asker.knows(t, helper)
	a := newAttacker(t)
	if _, _, err := helper.book.put(a.record(t, 1), fromFirstHand, a.ID(), classLoopback); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw []byte
		why []Reason
	}{
		"bad signature": {framed(number(1, 1), field(2, bytes.Repeat([]byte{1}, 64))), []Reason{ReasonProbeForged}},
		"no signature":  {unhexFrame("020801"), nil},
		"leaving":       {unhexFrame("020804"), nil},
	} {
		a.SetStreamHandler(helper.protocols[probe], answers(c.raw))
		before := helper.Status().Refused
		if asker.askAbout(t, helper.self, a.ID()) {
			t.Errorf("%s: vouched for", name)
		}
		checkRefused(t, helper.refusedSince(before), c.why...)
	}
	if got := asker.Status().Refused; len(got) != 0 {
		t.Errorf("the asker blames somebody: %v", got)
	}
}

// TestVouchedForLives: a peer that answers others and not us stays as long as it is vouched for, MaxPostpone rounds at
// most. Without indirect probes (the negative control) the second miss is its death.
func TestVouchedForLives(t *testing.T) {
	lived := func(k, most int) (rounds int, asks []peer.ID) {
		synctest.Test(t, func(t *testing.T) {
			lost, others := peerNo(0), peerNos(1, 8)
			all := append(slices.Clone(others), lost)
			var from time.Time
			net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
				if id == lost && !time.Now().Before(from) {
					return silence(ctx, second/10)
				}
				return yes(k, all...)
			})
			net.vouch = func(helper, target peer.ID) bool { return target == lost && helper != lost }
			p := protocol.Hardened(40)
			p.Indirect, p.MaxPostpone = k, most
			from = time.Now().Add(5*second - second/10)
			s := fakeService(t, net, steady(WithBootstrap(infos(all...)...), WithParams(p))...)
			s.start()
			settle(5*second - second/2)
			for holds(s, lost) {
				if settle(second); rounds > 40 {
					break
				}
				rounds++
			}
			s.Close()
			asks = net.asks
		})
		return rounds, asks
	}
	without, none := lived(0, 2)
	with, asks := lived(3, 2)
	if len(none) != 0 || len(asks) == 0 || slices.ContainsFunc(asks, func(id peer.ID) bool { return id != peerNo(0) }) {
		t.Errorf("without helpers %v were asked about, with them %v", none, asks)
	}
	if without < 2 || with != without+2 {
		t.Errorf("dropped after %d rounds without helpers, %d with them: want two more", without, with)
	}
	if longer, _ := lived(3, 5); longer != without+5 {
		t.Errorf("dropped after %d rounds without helpers, %d with five postponements", without, longer)
	}
}

// TestAsksOfAJob: asks come after the other exchanges of a job, in its one place; a helper that cannot be reached is not
// asked, and all count as exchanges of the round.
func TestAsksOfAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if id == peerNo(1) {
				return silence(ctx, 0)
			}
			return yes(k)
		})
		s := fakeService(t, net, steady()...)
		s.loop.queue = []job{}
		s.tick(time.Now())
		s.plan(protocol.Actions{Round: 1, Pulls: []peer.ID{peerNo(1), peerNo(2)}, Indirect: []protocol.Indirect{
			{Target: "x", Helpers: peerNos(1, 4)}, {Target: "y", Helpers: peerNos(2, 4)},
		}})
		if len(s.loop.queue) != 3 || s.loop.planned != 7 {
			t.Fatalf("%d jobs of %d exchanges: %+v", len(s.loop.queue), s.loop.planned, s.loop.queue)
		}
		s.running.Go(func() { s.work(s.life) })
		for _, j := range s.loop.queue {
			s.loop.busy[j.id] = true
			s.jobs <- j
			for s.loop.busy[j.id] {
				r := <-s.results
				if r.about != "" && r.yes {
					t.Errorf("%s vouched", r.id)
				}
				s.take(r)
			}
		}
		if s.loop.done != 7 {
			t.Errorf("%d exchanges done, want 7", s.loop.done)
		}
		slices.Sort(net.asks)
		if want := []peer.ID{"x", "x", "y", "y"}; !slices.Equal(net.asks, want) {
			t.Errorf("asked about %v, want %v: the first helper answers nobody", net.asks, want)
		}
		s.Close()
	})
}

// TestAnotherAsk: a helper that lost an exchange at once is asked all the same where a connection to it stands, and the same
// helper again after it lost that. Who took its time, or would have to be dialled again, is not.
func TestAnotherAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			lost   answer
			after  time.Duration
			expect int
		}{
			{"lost at once", answer{outcome: protocol.Missed, unreached: true, opened: time.Now()}, 0, 2},
			{"after all of its time", answer{outcome: protocol.Missed, unreached: true, opened: time.Now()}, DefaultExchangeTimeout, 0},
			{"not connected", answer{outcome: protocol.Missed, unreached: true}, 0, 0},
		} {
			net := newFakeNet(func(context.Context, kind, peer.ID) answer { after(c.after); return c.lost })
			s := fakeService(t, net, steady()...)
			s.running.Go(func() { s.work(s.life) })
			s.jobs <- job{id: peerNo(1), do: [kinds]bool{probe: true}, asks: []peer.ID{"x", "y"}, began: time.Now()}
			for r := (result{}); !r.last; {
				r = <-s.results
			}
			if len(net.asks) != c.expect {
				t.Errorf("%s: asked about %v, want %d", c.name, net.asks, c.expect)
			}
			s.Close()
		}
	})
}

// FuzzHelp: any probe request, whatever it asks about whom, ends in an answer or a reset; a helper probes none but whom it
// knows, and vouches for none without a signature.
func FuzzHelp(f *testing.F) {
	for _, raw := range vectorBytes(f) {
		f.Add(raw)
	}
	from, known := alice(f), newRecordSigner(f)
	for _, target := range []peer.ID{known.id, from.id, "x"} {
		for _, n := range []int{0, 15, 16, 64, 65} {
			f.Add(framed(field(1, make([]byte, n)), field(2, []byte(target))))
			f.Add(framed(field(1, make([]byte, n)), field(2, []byte(target)), number(3, 1), field(4, []byte(known.id))))
		}
	}
	s := memService(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		net := newFakeNet(nil)
		s.net, s.book = net, newBook(s.self, true)
		s.helping.tick()
		if _, _, err := s.book.put(known.seal(t, 1, "/ip4/10.0.0.2/tcp/1"), fromFirstHand, known.id, classPrivate); err != nil {
			t.Fatal(err)
		}
		st := newMemStream(from.id, aliceAddr, raw)
		serve(s, probe, st)
		if err := st.ended(); err != nil {
			t.Error(err)
		}
		if n := s.refused.of(ReasonInternalError); n != 0 {
			t.Fatalf("%d panics", n)
		}
		calls := net.seen()
		if len(calls) > 1 || len(calls) == 1 && calls[0].id != known.id {
			t.Fatalf("probed %+v", calls)
		}
		if out := st.out.Bytes(); len(out) > 0 {
			frame, err := wire.ReadFrame(bytes.NewReader(out), wire.MaxProbeResponse)
			if err != nil {
				t.Fatal(err)
			}
			res, err := wire.DecodeProbeResponse(frame)
			if err != nil || (res.TargetStatus == wire.StatusAlive) != (len(calls) == 1) || (len(res.TargetSignature) > 0) != (len(calls) == 1) {
				t.Fatalf("answered %+v, %v after %d probes", res, err, len(calls))
			}
		}
		if s.helping.running != 0 {
			t.Fatal("a place was not given back")
		}
	})
}

// FuzzIndirectReply: no bytes that a helper can answer with count as a yes: it has no signature of the target over a nonce
// that was drawn for this question.
func FuzzIndirectReply(f *testing.F) {
	for _, raw := range vectorBytes(f) {
		f.Add(raw)
	}
	s := memService(f)
	target := newRecordSigner(f)
	for _, l := range helperLies(f, s.self, target, string(s.protocols[probe])) {
		f.Add(l.answer(make([]byte, wire.MinNonceSize)))
	}
	helper := newRecordSigner(f).id
	f.Fuzz(func(t *testing.T, raw []byte) {
		st := newMemStream(helper, aliceAddr, raw)
		st.proto = s.protocols[probe]
		x := &libp2pExchanger{s: s, h: &memHost{id: s.self, st: st}}
		before := maps.Clone(s.refused.counts())
		yes, a := x.indirect(context.Background(), helper, target.id)
		if yes || a.outcome != protocol.NoEvidence || a.replied {
			t.Fatalf("taken: %v, %+v", yes, a)
		}
		if err := st.ended(); err != nil {
			t.Error(err)
		}
		for why, n := range s.refused.counts() {
			if n > before[why]+1 {
				t.Fatalf("%s counted %d times for one answer", why, n-before[why])
			}
		}
	})
}
