package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// subscribe subscribes to events of one type, with room for buffer.
func subscribe(t testing.TB, bus event.Bus, typ any, buffer int) event.Subscription {
	t.Helper()
	sub, err := bus.Subscribe(typ, eventbus.BufSize(buffer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

// announcing makes a service on a fake network that emits on a bus of its own. It is not running.
func announcing(t testing.TB, net exchanger, opts ...Option) (*Service, event.Bus) {
	t.Helper()
	s, bus := fakeService(t, net, steady(opts...)...), eventbus.NewBus()
	if err := s.announcer.open(bus); err != nil {
		t.Fatal(err)
	}
	return s, bus
}

// offend makes a peer break a rule of pulls n times.
func offend(s *Service, id peer.ID, n int, why Reason) {
	from := origin{peer: id, addr: addrList("/ip4/192.0.2.7/tcp/4001")[0], protocol: s.protocols[pull]}
	for range n {
		s.refuse(from, why, nil)
	}
}

// pending returns the events that wait in a subscription, in a bubble.
func pending[T any](sub event.Subscription) (out []T) {
	synctest.Wait()
	for {
		select {
		case e := <-sub.Out():
			out = append(out, e.(T))
		default:
			return out
		}
	}
}

// One event for each peer and round, at its end, however often it offends; none for what may be bad luck.
func TestMisbehaviourIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := announcing(t, newFakeNet(nil))
		sub := subscribe(t, bus, new(EvtPeerMisbehaved), 1000)
		s.start()
		settle(second / 2)
		offend(s, peerNo(1), 300, ReasonBadFrame)
		offend(s, peerNo(1), 1, ReasonRecordForged)
		offend(s, peerNo(2), 1, ReasonRecordForged)
		offend(s, peerNo(3), 500, ReasonTooManyStreams)
		if got := pending[EvtPeerMisbehaved](sub); len(got) != 0 {
			t.Errorf("before the round has ended: %v", got)
		}
		settle(second)
		addr := addrList("/ip4/192.0.2.7/tcp/4001")[0]
		want := []EvtPeerMisbehaved{
			{Peer: peerNo(1), Addr: addr, Reason: ReasonBadFrame, Protocol: protocol.PullID, Count: 301, Round: 1},
			{Peer: peerNo(2), Addr: addr, Reason: ReasonRecordForged, Protocol: protocol.PullID, Count: 1, Round: 1},
		}
		if got := pending[EvtPeerMisbehaved](sub); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
		if snap := s.Snapshot(); snap.Round != 1 || snap.Offenders != 2 || snap.Offences != 302 {
			t.Errorf("round %d: %d offences by %d", snap.Round, snap.Offences, snap.Offenders)
		}
		settle(second)
		if got := pending[EvtPeerMisbehaved](sub); len(got) != 0 || s.Snapshot().Offences != 0 {
			t.Errorf("in a round without offences: %v", got)
		}

		// A round names MaxOffenders peers and counts all.
		for i := range MaxOffenders + 1 {
			offend(s, peerNo(i), 2, ReasonBadMessage)
		}
		settle(second)
		if got := pending[EvtPeerMisbehaved](sub); len(got) != MaxOffenders || got[0].Count != 2 {
			t.Errorf("%d events of %d offenders: %v", len(got), MaxOffenders+1, got)
		}
		if snap := s.Snapshot(); snap.Offenders != MaxOffenders || snap.Offences != 2*(MaxOffenders+1) {
			t.Errorf("%d offences by %d", snap.Offences, snap.Offenders)
		}
		s.Close()
		if n := s.Status().EventsDropped; n != 0 {
			t.Errorf("%d dropped", n)
		}
	})
}

// A subscriber that does not read holds up neither rounds, handlers, events of another type, nor Close. What it misses is
// counted. The control shows that the bus itself waits for it.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rounds{}
		s, bus := announcing(t, newFakeNet(nil), WithBootstrap(infos(peerNo(1))...), WithRoundHook(r.take))
		deaf := subscribe(t, bus, new(EvtPeerMisbehaved), 1)
		changes := subscribe(t, bus, new(EvtHealthChanged), 100)
		s.start()
		settle(second / 2)
		const full = 10
		for range full {
			for i := range MaxOffenders {
				offend(s, peerNo(i), 1, ReasonBadFrame) // returns, or the test deadlocks
			}
			settle(second)
		}
		if got := s.Snapshot().Round; got != full {
			t.Errorf("round %d, want %d: the loop waited", got, full)
		}
		_, at := r.all()
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d != second {
				t.Errorf("round %d took %v", i, d)
			}
		}
		// One event is in the subscription, one in the emitter's hand.
		if got, want := s.Status().EventsDropped, uint64(full*MaxOffenders-eventQueue-2); got != want {
			t.Errorf("%d events dropped, want %d", got, want)
		}
		if got := pending[EvtHealthChanged](changes); len(got) == 0 {
			t.Error("events of the other type do not come")
		}

		start := time.Now()
		if s.Close(); time.Since(start) != closeGrace {
			t.Errorf("Close took %v, want %v", time.Since(start), closeGrace)
		}
		free := make(chan bool)
		go func() {
			if _, err := bus.Emitter(new(EvtHealthChanged)); err != nil {
				t.Error(err)
			}
			close(free)
		}()
		<-free // the bus is not locked
		deaf.Close()
		synctest.Wait()
		<-s.announcer.offenders.ended // the goroutine ends with the subscription
	})
}

// The control: without the queue the emitter waits, and so would the loop.
func TestControlBusWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := eventbus.NewBus()
		sub := subscribe(t, bus, new(EvtPeerMisbehaved), 1)
		emitter, err := bus.Emitter(new(EvtPeerMisbehaved))
		if err != nil {
			t.Fatal(err)
		}
		var emitted atomic.Int32
		go func() {
			for range 3 {
				_ = emitter.Emit(EvtPeerMisbehaved{})
				emitted.Add(1)
			}
			_ = emitter.Close()
		}()
		settle(time.Minute)
		if n := emitted.Load(); n != 1 {
			t.Errorf("%d emitted in a minute, want 1: the bus does not wait", n)
		}
		sub.Close()
	})
}

// What is queued when Close begins is delivered to who reads, and Close is idempotent about it.
func TestCloseDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := announcing(t, newFakeNet(nil))
		sub := subscribe(t, bus, new(EvtPeerMisbehaved), 0)
		s.start()
		settle(second / 2)
		for i := range 10 {
			offend(s, peerNo(i), 1, ReasonBadFrame)
		}
		settle(second) // the events wait
		var got atomic.Int32
		go func() {
			for range sub.Out() {
				got.Add(1)
			}
		}()
		start := time.Now()
		s.Close()
		s.Close()
		synctest.Wait() // the reader has counted
		if time.Since(start) != 0 || got.Load() != 10 || s.Status().EventsDropped != 0 {
			t.Errorf("%v, %d delivered, %d dropped", time.Since(start), got.Load(), s.Status().EventsDropped)
		}
		sub.Close()
	})
}

// Health as a service lives it: it starts alone, knows somebody who stays young, is cut off, and comes back.
func TestHealthOfALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		ids := peerNos(0, 20)
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if cut.Load() {
				return silence(ctx, second/10)
			}
			return yes(k, ids...)
		})
		s, bus := announcing(t, net, WithBootstrap(infos(ids...)...), WithProtocolPrefix("/mine"))
		sub := subscribe(t, bus, new(EvtHealthChanged), 100)
		s.start()
		has := func(when string, want ...Condition) {
			t.Helper()
			h := s.Status().Health
			ok := len(h) == len(want)
			for _, c := range want {
				ok = ok && h.Has(c)
			}
			if !ok {
				t.Errorf("%s: %v, want %v", when, h, want)
			}
		}
		settle(second / 2)
		has("when it started", ConditionYoung, ConditionAlone)
		settle(2 * second)
		has("among others", ConditionYoung)
		settle(40 * second)
		has("later", []Condition{}...)
		cut.Store(true)
		settle((isolatedRounds + 1) * second)
		has("cut off", ConditionIsolated, ConditionDoubting)
		cut.Store(false)
		settle(20 * second)
		has("back again", []Condition{}...)
		s.leaving.Store(true)
		settle(second)
		has("leaving", ConditionLeaving)

		var before Health
		seen := make(map[Condition]bool)
		events := pending[EvtHealthChanged](sub)
		for i, e := range events {
			if i > 0 && !e.Old.Same(before) || e.Old.Same(e.New) || e.Prefix != "/mine" {
				t.Errorf("event %d: %+v after %v", i, e, before)
			}
			for _, trouble := range e.New {
				seen[trouble.Condition] = true
			}
			before = e.New
		}
		if len(seen) != 5 || len(events) < 7 || len(events) > 12 {
			t.Errorf("%d events of %v: %+v", len(events), seen, events)
		}
		s.Close()
	})
}

// An attacker on a real host is named on the host's bus with its address; a correct peer beside it is not.
func TestMisbehaviourOnTheBus(t *testing.T) {
	v := newVictim(t)
	sub := subscribe(t, v.host.EventBus(), new(EvtPeerMisbehaved), 100)
	a, b := newAttacker(t), newAttacker(t)
	a.connect(t, v.host)
	b.connect(t, v.host)
	if got, err := b.say(t, v, push, pushOf(b.record(t, 1))); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Fatalf("correct push: %x, %v", got, err)
	}
	const offences = 5
	for range offences {
		_, _ = a.say(t, v, push, pushOf(forged(t, v.self)))
	}
	for n := 0; n < offences; {
		select {
		case got := <-sub.Out():
			e := got.(EvtPeerMisbehaved)
			conn := a.Network().ConnsToPeer(v.self)[0]
			if e.Peer != a.ID() || !e.Addr.Equal(conn.LocalMultiaddr()) || e.Reason != ReasonRecordForged || e.Protocol != protocol.PushID {
				t.Fatalf("%+v", e)
			}
			n += e.Count
			if n > offences {
				t.Errorf("%d offences counted", n)
			}
		case <-time.After(patience):
			t.Fatalf("%d offences were told of", n)
		}
	}
}

// canonicalEnv makes a test binary the process that TestCanonicalLog looks at.
const canonicalEnv = "BRAHMS_TEST_CANONICAL"

// The lines that tools know, as they leave a process: one a peer and round, and the failregex of the docs finds the
// address in them. libp2p's default level lets none through, and at level info there is nothing else of ours.
func TestCanonicalLog(t *testing.T) {
	if os.Getenv(canonicalEnv) != "" {
		misbehave(t)
		return
	}
	fail := docRegexp(t, "failregex")
	lines := func(level string) (canonical []string, rest []string) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCanonicalLog$", "-test.count=1")
		cmd.Env = append(os.Environ(), canonicalEnv+"=1", "GOLOG_LOG_LEVEL="+level, "GOLOG_LOG_FMT=", "GOLOG_FILE=", "GOLOG_OUTPUT=stderr")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if out, err := cmd.Output(); err != nil {
			t.Fatalf("%v\n%s%s", err, out, stderr.Bytes())
		}
		for line := range strings.Lines(stderr.String()) {
			if strings.Contains(line, "CANONICAL_MISBEHAVING_PEER") {
				canonical = append(canonical, line)
			} else if strings.Contains(strings.ToLower(line), "brahms") {
				rest = append(rest, line)
			}
		}
		return canonical, rest
	}
	for _, level := range []string{"error,canonical-log=warn", "info"} {
		canonical, rest := lines(level)
		if len(rest) != 0 {
			t.Errorf("%s: logged as well: %s", level, rest)
		}
		told, inRound := 0, make(map[string]bool)
		for _, line := range canonical {
			if m := fail.FindStringSubmatch(line); m == nil || m[1] != "127.0.0.1" {
				t.Errorf("%s: %v finds %q in\n%s", level, fail, m, line)
			}
			m := canonicalEnd.FindStringSubmatch(line)
			if m == nil || inRound[m[2]] {
				t.Fatalf("%s: %v in\n%s", level, m, canonical)
			}
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			told, inRound[m[2]] = told+n, true
		}
		if told != misbehaviours {
			t.Errorf("%s: told of %d offences, want %d:\n%s", level, told, misbehaviours, canonical)
		}
	}
	if canonical, rest := lines("error"); len(canonical)+len(rest) != 0 {
		t.Errorf("at the default level: %s %s", canonical, rest)
	}
}

// canonicalEnd is how each line of TestCanonicalLog ends: offences and round.
var canonicalEnd = regexp.MustCompile(` component=brahms err=bad_frame msg="/brahms/1.0.0/pull: (\d+) in round (\d+)"\n$`)

// misbehaviours is how often the process of TestCanonicalLog is sent garbage.
const misbehaviours = 30

// misbehave is that process: an attacker sends garbage on loopback, faster than a line each would tell.
func misbehave(t *testing.T) {
	v := newVictim(t, WithRoundInterval(300*time.Millisecond))
	a := newAttacker(t)
	a.connect(t, v.host)
	for range misbehaviours {
		if _, err := a.say(t, v, pull, []byte{0x80}); err == nil {
			t.Fatal("taken")
		}
	}
	eventuallyTrue(t, "the rounds that saw it have ended", func() bool {
		v.offences.mu.Lock()
		defer v.offences.mu.Unlock()
		return v.offences.count == 0
	})
	if err := v.Close(); err != nil { // writes what is queued
		t.Fatal(err)
	}
}

// docRegexp returns a regular expression of the fail2ban filter in the docs, with <HOST> as its first group.
func docRegexp(t *testing.T, name string) *regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile("../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` = (.*<HOST>.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("docs/threat-model.md has no %s with <HOST>", name)
	}
	return regexp.MustCompile(strings.Replace(string(m[1]), "<HOST>", `([0-9a-fA-F.:]+)`, 1))
}

// The filter of the docs bans the address of the connection, and never a relay, behind which others sit as well.
func TestCanonicalFilter(t *testing.T) {
	fail := docRegexp(t, "failregex")
	line := func(addr, component string) string {
		return `time=2026-01-02T03:04:05.000Z level=WARN source=/x/host/events.go:1 msg=CANONICAL_MISBEHAVING_PEER peer=12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA addr=` +
			addr + ` component=` + component + ` err=bad_frame msg="/brahms/1.0.0/pull: 12 in round 4"`
	}
	for addr, want := range map[string]string{
		"/ip4/192.0.2.1/tcp/4001":                                  "192.0.2.1",
		"/ip4/192.0.2.1/tcp/4001/tls/ws":                           "192.0.2.1",
		"/ip4/192.0.2.1/udp/4001/quic-v1":                          "192.0.2.1",
		"/ip6/2001:db8::1/udp/4001/quic-v1/webtransport":           "2001:db8::1",
		"/ip6/2001:db8::1/udp/4001/webrtc-direct":                  "2001:db8::1",
		"/ip4/192.0.2.1/tcp/4001/p2p/" + relayID + "/p2p-circuit":  "",
		"/p2p/" + relayID + "/p2p-circuit":                         "",
		`""`:                                                       "",
		"/dns4/a.example/tcp/4001":                                 "",
		"/ip4/192.0.2.1/udp/1/quic-v1/p2p/" + relayID:              "",
		"/ip4/192.0.2.1/tcp/4001/tls/sni/a.example/ws/p2p-circuit": "",
	} {
		got := ""
		if m := fail.FindStringSubmatch(line(addr, "brahms")); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%s: bans %q, want %q", addr, got, want)
		}
	}
	if fail.MatchString(line("/ip4/192.0.2.1/tcp/4001", "other")) {
		t.Error("bans for the line of another component")
	}
	text, err := os.ReadFile("../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```\n(time=.*?\n)```\n").FindSubmatch(text)
	if block == nil {
		t.Fatal("the docs show no line")
	}
	shown := strings.ReplaceAll(strings.TrimSuffix(string(block[1]), "\n"), "\n", " ") + "\n"
	if !fail.MatchString(shown) || !canonicalEnd.MatchString(shown) {
		t.Errorf("the docs show a line that is none: %s", shown)
	}
	// Others may log what a peer said: that must not ban whom it names.
	said := strings.ReplaceAll(line("/ip4/203.0.113.9/tcp/1", "brahms"), `"`, `\"`)
	if injected := line("/ip4/192.0.2.1/tcp/1", `other err="`+said+`"`); fail.MatchString(injected) {
		t.Errorf("bans for what is quoted in\n%s", injected)
	}
}

const relayID = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

// A peer's id and address are all that it chooses of a line. A nil address is none, and no panic.
func TestCanonicalText(t *testing.T) {
	e := EvtPeerMisbehaved{Peer: peerNo(1), Reason: ReasonTrickled, Protocol: protocol.PushID, Count: 3, Round: 9}
	if got := canonicalText(e) + ", " + canonicalError(e.Reason).Error(); got != "/brahms/1.0.0/push: 3 in round 9, trickled" {
		t.Error(got)
	}
	logMisbehaviour(e)
}

// Nobody is accused of what happens among correct peers: exchanges that run out of time, services that are closed or
// leave, hosts that vanish in the middle of it.
func TestNoFalseAccusation(t *testing.T) {
	t.Parallel()
	var accused, failed atomic.Int64
	count := WithRoundHook(func(s *Snapshot) { accused.Add(int64(s.Offences)) })
	var services []*Service
	for i := range 8 {
		listen := []string{onTCP, onQUIC}[i%2]
		opts := []Option{count, WithRoundInterval(50 * time.Millisecond), WithCloseIdle(1)}
		if i >= 2 {
			opts = append(opts, at(services[i%2].host))
		}
		if i == 7 { // hardly an exchange of its own ends in time, and none that it serves
			opts = append(opts, WithExchangeTimeout(time.Millisecond), WithServeTimeout(time.Millisecond))
		}
		services = append(services, join(t, newHost(t, libp2p.NoListenAddrs, libp2p.ListenAddrStrings(listen)), opts...))
	}
	eventually(t, func() bool { return len(services[0].Sample()) > 2 }, "peers meet")
	for _, s := range services[2:4] {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, s := range services[4:6] {
		_ = s.host.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = services[6].Leave(ctx) // the last one may go on asking
	passed(t, services[0], 20)
	for _, s := range services {
		for r, n := range s.Status().Refused {
			if r.Misbehaviour() {
				t.Errorf("%s refused %d as %s", s.self, n, r)
			}
			failed.Add(int64(n))
		}
	}
	if n := accused.Load(); n != 0 {
		t.Errorf("%d offences", n)
	}
	if failed.Load() == 0 {
		t.Error("nothing failed: it does not test")
	}
}
