package swarm

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		about  string
		change func(*Config)
		want   []string // parts of the error; none where it is valid
	}{
		{"the default", func(*Config) {}, nil},
		{"the smallest", func(c *Config) { *c = Config{Peers: 2, Rounds: 1, Interval: 10 * time.Millisecond, Transport: QUIC} }, nil},
		{"all there is", func(c *Config) {
			c.Kill, c.Join, c.L1, c.L2, c.Preset, c.Transport = .3, 8, 20, 100, "paper", QUIC
		}, nil},
		{"the zero value", func(c *Config) { *c = Config{} }, []string{"peers=0", "rounds=0", `transport=""`, "interval=0s"}},
		{"one peer", func(c *Config) { c.Peers = 1 }, []string{"peers=1 must be between 2 and 1024"}},
		{"too many", func(c *Config) { c.Peers = 1025 }, []string{"peers=1025 must be between 2 and 1024"}},
		{"too many with newcomers", func(c *Config) { c.Peers, c.Join = 1000, 25 }, []string{"join=25"}},
		{"negative newcomers", func(c *Config) { c.Join = -1 }, []string{"join=-1"}},
		{"no rounds", func(c *Config) { c.Rounds = 0 }, []string{"rounds=0 must be between 1 and 1000000"}},
		{"transport", func(c *Config) { c.Transport = "udp" }, []string{`transport="udp" must be tcp or quic`}},
		{"kill all", func(c *Config) { c.Kill = 1 }, []string{"kill=1 must be at least 0 and below 1"}},
		{"kill all by rounding", func(c *Config) { c.Peers, c.Kill = 4, .9 }, []string{"kill=0.9 of peers=4 must leave a correct peer alive"}},
		{"kill less than none", func(c *Config) { c.Kill = -.1 }, []string{"kill=-0.1"}},
		{"kill what is no number", func(c *Config) { c.Kill = math.NaN() }, []string{"kill=NaN"}},
		{"kill too late", func(c *Config) { c.Kill, c.KillAt = .3, 40 }, []string{"kill-at=40 must be at least 1 and below rounds=40"}},
		{"kill too late, but nobody", func(c *Config) { c.KillAt = 40 }, nil},
		{"join too early", func(c *Config) { c.Join, c.JoinAt = 1, 0 }, []string{"join-at=0 must be at least 1"}},
		{"leave", func(c *Config) { c.Leave = .3 }, nil},
		{"leave all", func(c *Config) { c.Leave = 1 }, []string{"leave=1 must be at least 0 and below 1"}},
		{"leave what is no number", func(c *Config) { c.Leave = math.NaN() }, []string{"leave=NaN"}},
		{"kill and leave all", func(c *Config) { c.Kill, c.Leave = .5, .5 }, []string{"kill=0.5 and leave=0.5 of peers=64 must leave a correct peer alive"}},
		{"leave too late", func(c *Config) { c.Leave, c.LeaveAt = .3, 40 }, []string{"leave-at=40 must be at least 1 and below rounds=40"}},
		{"partition", func(c *Config) { c.PartitionAt, c.HealAt = 10, 20 }, nil},
		{"partition before the start", func(c *Config) { c.PartitionAt = -1 }, []string{"partition-at=-1 must be at least 0 and below rounds=40"}},
		{"partition without end", func(c *Config) { c.PartitionAt = 10 }, []string{"heal-at=0 must be above partition-at=10 and below rounds=40"}},
		{"heal too late", func(c *Config) { c.PartitionAt, c.HealAt = 10, 40 }, []string{"heal-at=40 must be above"}},
		{"partition over QUIC", func(c *Config) { c.PartitionAt, c.HealAt, c.Transport = 10, 20, QUIC }, []string{"partition-at=10 needs transport=tcp, join=0, churn=0 and attack=none"}},
		{"interval", func(c *Config) { c.Interval = time.Millisecond }, []string{"interval=1ms must be between 10ms and"}},
		{"behaving faulty", func(c *Config) { c.Faulty = .2 }, nil},
		{"an attack", func(c *Config) { c.Faulty, c.Attack = .2, "dial-cannon" }, nil},
		{"all faulty", func(c *Config) { c.Faulty = 1 }, []string{"faulty=1 must be at least 0 and below 1"}},
		{"less than none faulty", func(c *Config) { c.Faulty = -.1 }, []string{"faulty=-0.1 must be"}},
		{"faulty what is no number", func(c *Config) { c.Faulty = math.NaN() }, []string{"faulty=NaN must be"}},
		{"all but one faulty", func(c *Config) { c.Peers, c.Faulty = 4, .7 }, []string{"faulty=0.7 of peers=4 must leave 2 correct peers"}},
		{"kill all correct", func(c *Config) { c.Peers, c.Faulty, c.Kill = 10, .5, .9 }, []string{"kill=0.9 of peers=5 must leave a correct peer alive"}},
		{"attack", func(c *Config) { c.Faulty, c.Attack = .2, "loud" }, []string{`attack="loud" must be one of balanced, `}},
		{"attack by nobody", func(c *Config) { c.Attack = "flood" }, []string{`attack="flood" needs faulty peers, and faulty=0 of peers=64 makes none`}},
		{"attack by less than one", func(c *Config) { c.Attack, c.Faulty = "flood", .001 }, []string{`attack="flood" needs faulty peers`}},
		{"attack rate", func(c *Config) { c.Attack, c.Faulty, c.AttackRate = "flood", .2, 0 }, []string{"attack-rate=0 must be above 0 and at most 100000"}},
		{"attack rate without attack", func(c *Config) { c.AttackRate = -1 }, []string{"attack-rate=-1 must be"}},
		{"victim over QUIC", func(c *Config) { c.Attack, c.Faulty, c.Transport = "dial-cannon", .2, QUIC }, []string{`attack="dial-cannon" needs transport=tcp`}},
		{"attack compute", func(c *Config) { c.AttackCompute = math.NaN() }, []string{"attack-compute=NaN must be between 0 and 1000"}},
		{"mixed over QUIC", func(c *Config) { c.Attack, c.Faulty, c.Transport = "mixed", .2, QUIC }, []string{`attack="mixed" needs transport=tcp`}},
		{"churn", func(c *Config) { c.Churn = .3 }, []string{"churn=0.3 must be between 0 and 0.25"}},
		{"levels", func(c *Config) { c.Levels = 41 }, []string{"levels=41 must be between 0 and rounds=40"}},
		{"messages", func(c *Config) { c.Messages = -1 }, []string{"message=-1 must be between 0 and 1000000"}},
		{"agree", func(c *Config) { c.Agree, c.Faulty, c.AgreeAttack = 8, .2, "contrary" }, nil},
		{"agree on too much", func(c *Config) { c.Agree = 257 }, []string{"agree=257 must be between 0 and 256"}},
		{"more words than peers", func(c *Config) { c.Agree, c.Faulty, c.Kill = 40, .2, .3 }, []string{"agree=40 must be at most the number of correct peers at the end, 36"}},
		{"attack on no agreement", func(c *Config) { c.Faulty, c.AgreeAttack = .2, "contrary" }, []string{`agree-attack="contrary" needs agree of at least 1`}},
		{"attack on the agreement", func(c *Config) { c.Agree, c.Faulty, c.AgreeAttack = 8, .2, "loud" }, []string{`agree-attack="loud" must be one of none, contrary, `}},
		{"attack on the agreement by nobody", func(c *Config) { c.Agree, c.AgreeAttack = 8, "silent" }, []string{`agree-attack="silent" needs faulty peers, and faulty=0 of peers=64 makes none`}},
		{"agree too fast", func(c *Config) { c.Agree, c.AgreeInterval = 8, time.Millisecond }, []string{"agree-interval=1ms must be between 10ms and 1h0m0s"}},
		{"agree over unverified samples", func(c *Config) { c.Agree, c.Preset = 8, "paper" }, []string{`agree=8 needs another preset than "paper"`}},
		{"tokens", func(c *Config) { c.TokenBits = 25 }, []string{"token bits=25 must be between 0 and 24"}},
		{"l1", func(c *Config) { c.L1 = 2 }, []string{"l1=2 must be between 3 and 256"}},
		{"l2", func(c *Config) { c.L2 = -1 }, []string{"l2=-1 must be between 1 and 4096"}},
		{"preset", func(c *Config) { c.Preset = "soft" }, []string{`preset="soft" must be one of`}},
	} {
		cfg := Default()
		c.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%s: error %v, want %q", c.about, err, c.want)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %q does not say %q", c.about, err, part)
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q is more than one line", c.about, err)
		}
	}
}

func TestDialTimeout(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: time.Second, 250 * time.Millisecond: time.Second,
		time.Second: 4 * time.Second, 10 * time.Second: 5 * time.Second,
	} {
		if got := (Config{Interval: interval}).dialTimeout(); got != want {
			t.Errorf("interval %v: dial timeout %v, want %v", interval, got, want)
		}
	}
}

// TestSeed: the same seed makes the same peers, also in a larger swarm, and another seed makes others.
func TestSeed(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(3) {
		for i := range 10 {
			for range 2 {
				key, err := identity(seed, i)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := key.Raw()
				if err != nil {
					t.Fatal(err)
				}
				seen[string(raw)]++
			}
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d identities for 30 pairs of seed and number", len(seen))
	}
	for raw, n := range seen {
		if n != 2 {
			t.Errorf("identity %x... came %d times, want twice", raw[:4], n)
		}
	}
	if a, b := stream(1, "jitter", 1), stream(1, "fate", 1); a.Uint64() == b.Uint64() {
		t.Error("streams for two purposes are the same")
	}
}
