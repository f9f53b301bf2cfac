package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

func TestNames(t *testing.T) {
	want := "balanced dial-cannon flap flood forge garbage greedy mixed none phantom replay slow targeted"
	if got := strings.Join(Names(), " "); got != want {
		t.Errorf("attacks %s, want %s", got, want)
	}
	for _, name := range Names() {
		if About(name) == "" || Check(name) != nil {
			t.Errorf("attack %s: %q, %v", name, About(name), Check(name))
		}
	}
	if err := Check("loud"); err == nil || !strings.Contains(err.Error(), `attack="loud" must be one of balanced, `) {
		t.Errorf("error %v", err)
	}
}

// TestMixed: the peers of a mixed attack are one of each kind, in the order of the names.
func TestMixed(t *testing.T) {
	v, err := NewVictim(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	cfg := settings(Mixed)
	cfg.Victim = v.Addr()
	a := newAdversary(t, cfg, 12)
	var kinds []string
	for _, f := range a.peers {
		kinds = append(kinds, strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", f.attack), "*"), "attack."))
	}
	want := "balanced dialCannon flap flood forge garbage greedy phantom replay slow targeted balanced"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("its peers are %s, want %s", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Attack = None }, func(c *Config) { c.Attack = "loud" }, func(c *Config) { c.Rate = 0 },
		func(c *Config) { c.Interval = 0 }, func(c *Config) { c.Pushes = 0 }, func(c *Config) { c.Answer = 0 },
		func(c *Config) { c.NewHost = nil }, func(c *Config) { c.Closed = nil },
		func(c *Config) { c.TokenBits = 25 }, func(c *Config) { c.Compute = -1 },
	} {
		cfg := settings("balanced")
		change(&cfg)
		if a, err := New(cfg); err == nil || a != nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// TestAttacks runs each attack against peers that take everything, and checks that it does what it says.
func TestAttacks(t *testing.T) {
	for _, name := range Names() {
		if name == None {
			continue
		}
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			v, err := NewVictim(time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			cfg := settings(name)
			cfg.Victim = v.Addr()
			if name == "flap" {
				cfg.Interval *= 5 // it is up for four of them, and a busy machine must find the time to connect
			}
			a := newAdversary(t, cfg, 3)
			defer a.Close()
			var targets []*target
			for i := range 4 {
				g := newTarget(t, i)
				defer g.Close()
				g.pulled = pullFrame([]entry{{sealedBy(t, g), 1}})
				targets = append(targets, g)
				a.Meet(g.info())
			}
			a.Start()
			from := time.Now()
			eventually(t, "every target is pushed to", func() bool {
				for i, g := range targets {
					if _, senders := g.pushed(); senders < 2 && (name != "targeted" || i == 0) {
						return false
					}
				}
				return true
			})
			if _, ok := a.peers[0].attack.(restless); ok {
				eventually(t, "it does more than push", func() bool { return a.Ops() > 60 })
			}
			ops, most := a.Ops(), 3*(10+100*time.Since(from).Seconds()+1)
			if float64(ops) > most {
				t.Errorf("%d operations, the rate allows %v", ops, most)
			}
			if total, _ := targets[1].pushed(); name == "targeted" && total > 0 {
				t.Errorf("%d pushes at another than the victim", total)
			}
			res, err := decodeAnswer(a.peers[0].attack.reply(a.peers[0]))
			if err != nil || len(res.Entries) == 0 {
				t.Errorf("pulls are answered with %d entries, error %v", len(res.Entries), err)
			}
		})
	}
}

func sealedBy(t *testing.T, g *target) []byte {
	t.Helper()
	raw, err := wire.SealRecord(g.Peerstore().PrivKey(g.ID()), g.ID(), g.Addrs(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestDeal: pushes are dealt evenly, to distinct targets.
func TestDeal(t *testing.T) {
	a, err := New(settings("balanced"))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.deal(4); len(got) != 0 {
		t.Errorf("dealt %v to nobody", got)
	}
	for _, id := range []peer.ID{"a", "b", "c", "d", "e"} {
		a.Meet(peer.AddrInfo{ID: id})
	}
	counts := map[peer.ID]int{}
	for range 25 {
		distinct := map[peer.ID]bool{}
		for _, p := range a.deal(4) {
			counts[p.ID]++
			distinct[p.ID] = true
		}
		if len(distinct) != 4 {
			t.Errorf("one peer pushes to %d distinct targets, want 4", len(distinct))
		}
	}
	for id, n := range counts {
		if n != 20 {
			t.Errorf("%s got %d of 100 pushes, want 20", id, n)
		}
	}
	if got := a.deal(9); len(got) != 5 {
		t.Errorf("dealt %d pushes of one round to 5 peers", len(got))
	}
	a.Lose("c")
	for _, p := range a.deal(4) {
		if p.ID == "c" {
			t.Error("dealt a push to a peer that is gone")
		}
	}
}

// TestFlap: a peer returns under the same id, at another address and with a newer record.
func TestFlap(t *testing.T) {
	a := newAdversary(t, settings("flap"), 1)
	f := a.peers[0]
	first, err := wire.OpenRecord(f.ownRecord())
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	eventually(t, "it leaves", func() bool { return f.current() == nil })
	eventually(t, "it returns", func() bool { return f.current() != nil })
	again, err := wire.OpenRecord(f.ownRecord())
	if err != nil || again.ID != first.ID || again.Seq <= first.Seq || again.Addrs[0].Equal(first.Addrs[0]) {
		t.Errorf("it was %+v and is %+v, error %v", first, again, err)
	}
}

// TestReplay: what was learned first is what is told for ever.
func TestReplay(t *testing.T) {
	a := newAdversary(t, settings("replay"), 1)
	r, f, g := a.peers[0].attack.(*replay), a.peers[0], newTarget(t, 0)
	old, other := sealedBy(t, g), sealedBy(t, newTarget(t, 1))
	g.pulled = pullFrame([]entry{{old, 1}, {other, 1}, {f.ownRecord(), 1}})
	r.learn(t.Context(), f, g.info())
	newer, err := wire.SealRecord(g.Peerstore().PrivKey(g.ID()), g.ID(), g.Addrs(), 2)
	if err != nil {
		t.Fatal(err)
	}
	g.pulled = pullFrame([]entry{{newer, 1}})
	r.learn(t.Context(), f, g.info())
	if len(r.ids) != 2 || string(r.oldest[g.ID()]) != string(old) {
		t.Errorf("%d records are known, want those of 2 peers, and the first of the target", len(r.ids))
	}
	res, err := decodeAnswer(r.reply(f))
	if err != nil || len(res.Entries) != 3 {
		t.Errorf("%d entries, error %v; want both old records and its own", len(res.Entries), err)
	}
	r.pushAgain(t.Context(), f, g.info())
	if total, _ := g.pushed(); total != 1 || r.token == nil || r.token.Epoch != 3 {
		t.Errorf("%d pushes with token %+v", total, r.token)
	}
}
