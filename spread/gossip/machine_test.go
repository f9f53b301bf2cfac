package gossip

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

const start = 1_795_000_000_000 // the time of the tests, in milliseconds

func id(i int) (h message.Hash) {
	binary.LittleEndian.PutUint64(h[:], uint64(i))
	return h
}

func name(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%d", i)) }

func machine(t testing.TB, change func(*Params)) *Machine {
	t.Helper()
	p := Default()
	change(&p)
	m, err := New("self", p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func unlimited(p *Params) { p.Origin = Rate{} }

// TestVerdicts goes through what a copy can be, one after the other.
func TestVerdicts(t *testing.T) {
	m := machine(t, func(p *Params) {
		unlimited(p)
		p.MaxAge, p.MaxAhead, p.MaxHops = 10_000, 3000, 4
	})
	for _, c := range []struct {
		about string
		now   int64
		h     Header
		want  Verdict
		relay bool
	}{
		{"a new one", 0, Header{ID: id(1), Time: start}, Unseen, true},
		{"the same", 0, Header{ID: id(1), Time: start}, Known, false},
		{"as old as allowed", 0, Header{ID: id(2), Time: start - 10_000}, Unseen, true},
		{"older", 0, Header{ID: id(3), Time: start - 10_001}, TooOld, false},
		{"as early as allowed", 0, Header{ID: id(4), Time: start + 3000}, Unseen, true},
		{"earlier", 0, Header{ID: id(5), Time: start + 3001}, TooEarly, false},
		{"the last hop that is passed on", 0, Header{ID: id(6), Time: start, Hops: 3}, Unseen, true},
		{"one more: delivered only", 0, Header{ID: id(7), Time: start, Hops: 4}, Unseen, false},
		{"again with as many", 0, Header{ID: id(7), Time: start, Hops: 5}, Known, false},
		{"and with fewer: passed on after all", 0, Header{ID: id(7), Time: start, Hops: 1}, Again, true},
		{"but once", 0, Header{ID: id(7), Time: start}, Known, false},
		{"a replay just before it is forgotten", 10_000, Header{ID: id(1), Time: start}, Known, false},
		{"and after", 10_001, Header{ID: id(1), Time: start}, TooOld, false},
		{"the clock is set back: still refused", 0, Header{ID: id(1), Time: start}, TooOld, false},
	} {
		now := start + c.now
		met := m.Meet(now, c.h)
		v, relay := m.Accept(now, c.h)
		if v != c.want || relay != c.relay || met != v {
			t.Errorf("%s: met %v, then %v, relay %v; want %v, %v", c.about, met, v, relay, c.want, c.relay)
		}
	}
	if s := fmt.Sprint(Unseen, OriginLimited, Verdict(99)); s != "unseen origin_limited verdict(99)" {
		t.Error(s)
	}
}

// TestHopsCannotBeUsedUp: a faulty peer that is faster than all others and says of each message that it has come as far as
// it may would keep it from being passed on. Negative control: without the second chance of Again it does.
func TestHopsCannotBeUsedUp(t *testing.T) {
	for _, second := range []bool{true, false} {
		m := machine(t, func(*Params) {})
		_, first := m.Accept(start, Header{ID: id(1), Origin: "a", Time: start, Hops: Default().MaxHops})
		relayed := first
		if v := m.Meet(start, Header{ID: id(1), Origin: "a", Time: start}); v == Unseen || second && v == Again {
			_, relay := m.Accept(start, Header{ID: id(1), Origin: "a", Time: start})
			relayed = relayed || relay
		}
		if relayed != second {
			t.Errorf("with a second chance %v: passed on %v", second, relayed)
		}
	}
}

// TestOnce: of many messages, more than are remembered, that come several times each and late, none is ever taken twice, the
// memory stays bounded, and what is refused is old. Negative control: a memory of the same size that forgets in the order of
// arrival takes some twice.
func TestOnce(t *testing.T) {
	const memory, seed = 64, 1
	m := machine(t, func(p *Params) {
		unlimited(p)
		p.Memory, p.MaxAge, p.Window = memory, 60_000, 500
	})
	rng := stattest.Rand(seed)
	taken, naive := map[message.Hash]int{}, map[message.Hash]int{}
	var order []message.Hash
	twice, verdicts := 0, map[Verdict]int{}
	now := int64(start)
	for range 50_000 {
		now += int64(rng.IntN(5))
		// Messages are made at a rate of one in 10 ms; a copy is of one of the last two seconds.
		made := now/10 - int64(rng.IntN(200))
		h := Header{ID: id(int(made)), Origin: "a", Time: made * 10}
		v, _ := m.Accept(now, h)
		verdicts[v]++
		if v == Unseen {
			taken[h.ID]++
		}
		if n := m.Remembered(); n > memory || n != len(m.seen.relayed) {
			t.Fatalf("%d messages are remembered, %d by id; at most %d may be", n, len(m.seen.relayed), memory)
		}
		known := false
		for _, x := range order {
			known = known || x == h.ID
		}
		if !known {
			naive[h.ID]++
			if order = append(order, h.ID); len(order) > memory {
				order = order[1:]
			}
		}
	}
	for x, n := range taken {
		if n != 1 {
			t.Fatalf("message %v was taken %d times", x, n)
		}
	}
	for _, n := range naive {
		if n > 1 {
			twice++
		}
	}
	if twice == 0 {
		t.Error("the control took none twice: the test could not fail")
	}
	if len(taken) < 1000 || verdicts[Known] == 0 || verdicts[TooOld] == 0 {
		t.Errorf("%d taken, verdicts %v", len(taken), verdicts)
	}
}

// TestFull: when all that is remembered is young, new messages are refused, and old ones are still known.
func TestFull(t *testing.T) {
	m := machine(t, func(p *Params) {
		unlimited(p)
		p.Memory, p.Window = 3, 1000
	})
	for i := range 3 {
		if v, _ := m.Accept(start+2, Header{ID: id(i), Time: start + int64(i)}); v != Unseen {
			t.Fatal(v)
		}
	}
	if v, _ := m.Accept(start+1000, Header{ID: id(9), Time: start + 1000}); v != Full {
		t.Errorf("within the window: %v", v)
	}
	if v, _ := m.Accept(start+1001, Header{ID: id(9), Time: start + 1000}); v != Unseen {
		t.Errorf("after it: %v", v)
	}
	if v := m.Meet(start+1001, Header{ID: id(0), Time: start}); v != TooOld {
		t.Errorf("what was forgotten: %v", v)
	}
	if v := m.Meet(start+1001, Header{ID: id(1), Time: start + 1}); v != Known {
		t.Errorf("what was not: %v", v)
	}
}

// TestRates: within any time no more is taken than the bucket holds, of each origin by itself. Negative control: without a
// rate all is.
func TestRates(t *testing.T) {
	for _, limited := range []bool{true, false} {
		m := machine(t, func(p *Params) {
			p.Origin = Rate{PerSecond: 10, Burst: 5}
			if !limited {
				unlimited(p)
			}
		})
		origin := map[peer.ID]int{}
		next := 0
		for now := int64(start); now < start+2000; now += 4 { // 2 s, 500 from each of two
			for k := range 2 {
				next++
				if v, _ := m.Accept(now, Header{ID: id(next), Origin: name(k), Time: now}); v == Unseen {
					origin[name(k)]++
				} else if v != OriginLimited {
					t.Fatal(v)
				}
			}
		}
		want := 5 + 20
		if !limited {
			want = 500
		}
		for k := range 2 {
			if o := origin[name(k)]; o < want-1 || o > want {
				t.Errorf("limited %v: %d of origin %d, want %d", limited, o, k, want)
			}
		}
	}
}

// TestRateKeys: limits are kept for so many origins, and those that come most are not forgotten for those that come once.
func TestRateKeys(t *testing.T) {
	rates := func(p *Params) { p.Origin, p.Keys = Rate{PerSecond: .001, Burst: 1}, 10 }
	m := machine(t, rates)
	next := 0
	take := func(m *Machine, now int64, who peer.ID) bool {
		next++
		v, _ := m.Accept(now, Header{ID: id(next), Origin: who, Time: now})
		return v == Unseen
	}
	take(m, start, "busy")
	for i := range 1000 {
		if take(m, start, name(i)); take(m, start, "busy") {
			t.Fatalf("forgotten after %d others", i)
		}
		if len(m.origins.by) > 10 || m.origins.used.Len() != len(m.origins.by) {
			t.Fatalf("%d limits", len(m.origins.by))
		}
	}
	if m := machine(t, rates); !take(m, start, "a") || take(m, start-5000, "a") {
		t.Error("a clock that is set back fills the bucket")
	}
}

// TestSince: what a peer took before it was started anew is not new to it. Negative control: without the time of the start it is.
func TestSince(t *testing.T) {
	const stopped = start + 5000
	for _, control := range []bool{false, true} {
		m := machine(t, unlimited)
		if !control {
			m.Since(stopped)
		}
		replay, _ := m.Accept(stopped, Header{ID: id(1), Origin: "a", Time: start})
		if want := map[bool]Verdict{false: TooOld, true: Unseen}[control]; replay != want {
			t.Errorf("control %v: a replay is %v, want %v", control, replay, want)
		}
		if v, _ := m.Accept(stopped, Header{ID: id(2), Origin: "a", Time: stopped}); v != Unseen {
			t.Errorf("control %v: a new one is %v", control, v)
		}
	}
}

// TestClockAheadForAMoment: a clock that was wrong for a moment, and is put right, takes new messages again, and none twice.
func TestClockAheadForAMoment(t *testing.T) {
	m := machine(t, unlimited)
	old := Header{ID: id(1), Origin: "a", Time: start}
	m.Accept(start, old)
	m.Meet(start+365*24*3600_000, old) // all is forgotten
	if v, _ := m.Accept(start+1000, Header{ID: id(2), Origin: "a", Time: start + 1000}); v != Unseen {
		t.Errorf("a new message, the clock being right again: %v", v)
	}
	if v, _ := m.Accept(start+1000, old); v != TooOld {
		t.Errorf("what was taken before: %v", v)
	}
}

// TestMessagesFromTheFuture: a flood of messages that are dated ahead takes a quarter of the memory, since none of it can be
// forgotten before its time; others are taken. Negative control: the same number dated now or before, which is forgotten in its
// turn, is let in.
func TestMessagesFromTheFuture(t *testing.T) {
	const memory, window = 400, 1000
	for _, ahead := range []int64{20_000, 0} {
		m := machine(t, func(p *Params) {
			unlimited(p)
			p.Memory, p.Window = memory, window
		})
		taken := 0
		now := int64(start)
		for i := range 2 * memory {
			now += 10 // 100 a second: less than what the memory holds of a window
			if v, _ := m.Accept(now, Header{ID: id(i), Origin: name(i), Time: now + ahead}); v == Unseen {
				taken++
			} else if v != Full {
				t.Fatal(v)
			}
			if v, _ := m.Accept(now, Header{ID: id(1_000_000 + i), Origin: "correct", Time: now}); v != Unseen {
				t.Fatalf("ahead %d: message %d of a correct peer: %v", ahead, i, v)
			}
		}
		want := 2 * memory
		if ahead > 0 {
			want = memory / aheadPart
		}
		if taken != want || m.Remembered() > memory {
			t.Errorf("ahead %d: %d taken of the flood, want %d; %d remembered", ahead, taken, want, m.Remembered())
		}
	}
}

// TestPace: what a peer sends at its own pace is taken by a peer with the same limits, also when the network brings it closer
// together; its wait is no longer than it has to be.
func TestPace(t *testing.T) {
	rates := func(p *Params) { p.Origin = Rate{PerSecond: 10, Burst: 20} }
	from, to := machine(t, rates), machine(t, rates)
	rng := stattest.Rand(2)
	var arrivals []int64
	for now := int64(start); now < start+20_000; {
		if wait := from.Pace(now); wait > 0 {
			now += wait
			continue
		}
		arrivals = append(arrivals, now+int64(rng.IntN(900)))
	}
	slices.Sort(arrivals)
	for i, now := range arrivals {
		if v, _ := to.Accept(now, Header{ID: id(i), Origin: "from", Time: now}); v != Unseen {
			t.Fatalf("message %d: %v", i, v)
		}
	}
	sent := len(arrivals)
	if want := 10 + 5*20; sent < want-2 || sent > want+1 {
		t.Errorf("%d sent in 20 s, want %d", sent, want)
	}
	free := machine(t, unlimited)
	for range 1000 {
		if free.Pace(start) != 0 {
			t.Fatal("without a rate it waits")
		}
	}
	slow := machine(t, func(p *Params) { p.Origin = Rate{PerSecond: 1, Burst: 1} })
	if a, b := slow.Pace(start), slow.Pace(start); a != 0 || b < 1900 || b > 2100 {
		t.Errorf("waits %d and %d ms, want 0 and 2000", a, b)
	}
}

// TestOwnAfterRestart: what we said before we were started anew is not held against us.
func TestOwnAfterRestart(t *testing.T) {
	m := machine(t, func(p *Params) { p.Origin = Rate{PerSecond: .001, Burst: 1} })
	for i := range 50 {
		if v, _ := m.Accept(start, Header{ID: id(i), Origin: "self", Time: start}); v != Unseen {
			t.Fatal(v)
		}
	}
}

func TestFanout(t *testing.T) {
	for n, want := range map[float64]int{-1: 7, 0: 7, 1: 7, 2: 8, 64: 12, 1000: 14, 1e6: 21, 1e300: MaxFanout} {
		if got := Fanout(n); got != want {
			t.Errorf("of %v peers: %d, want %d", n, got, want)
		}
	}
	nan := Fanout(0 / func() float64 { return 0 }())
	if nan != 7 {
		t.Errorf("of what is no number: %d", nan)
	}
}

func TestTargets(t *testing.T) {
	picks := []peer.AddrInfo{{ID: "a"}, {ID: "b"}, {ID: "a"}, {ID: "c"}, {ID: "d"}}
	for want, got := range map[string][]peer.AddrInfo{
		"a b": Targets(picks, 2), "a c": Targets(picks, 2, "b", "x"), "c d": Targets(picks, 9, "b", "a"), "": Targets(nil, 3),
	} {
		var ids []string
		for _, p := range got {
			ids = append(ids, string(p.ID))
		}
		if strings.Join(ids, " ") != want {
			t.Errorf("%v, want %s", ids, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Params){
		"max age=999 ms must be between 1000 and 86400000": func(p *Params) { p.MaxAge, p.Window = 999, 0 },
		"max ahead=-1 ms":     func(p *Params) { p.MaxAhead = -1 },
		"max hops=33 must be": func(p *Params) { p.MaxHops = 33 },
		"memory=0 messages":   func(p *Params) { p.Memory = 0 },
		"window=120001 ms must be between 0 and max age=120000": func(p *Params) { p.Window = 120_001 },
		"keys=0 must be": func(p *Params) { p.Keys = 0 },
		"origin rate=-1 a second must be above 0":        func(p *Params) { p.Origin.PerSecond = -1 },
		"origin burst=0.5 must be between 1 and 1000000": func(p *Params) { p.Origin.Burst = .5 },
	} {
		p := Default()
		change(&p)
		err := p.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want one line with %s", err, want)
		}
		if _, err := New("self", p); err == nil {
			t.Errorf("a machine in spite of %s", want)
		}
	}
}
