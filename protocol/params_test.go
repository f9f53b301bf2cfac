package protocol

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestParamsValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Params)
		want   string
	}{
		{func(p *Params) { p.L1 = 2 }, "l1=2 must be between 3 and 256"},
		{func(p *Params) { p.L1 = 257 }, "l1=257 must be between 3 and 256"},
		{func(p *Params) { p.L2 = 0 }, "l2=0 must be between 1 and 4096"},
		{func(p *Params) { p.L2 = 4097 }, "l2=4097 must be between 1 and 4096"},
		{func(p *Params) { p.Filter = -1 }, "filter=-1 must be between 0 and 16777216"},
		{func(p *Params) { p.Filter = 1<<24 + 1 }, "filter=16777217 must be between 0 and 16777216"},
		{func(p *Params) { p.Maturity = -1 }, "maturity=-1 must be between 0 and 1048576"},
		{func(p *Params) { p.Probes = 0 }, "probes=0 must be between 1 and 4096"},
		{func(p *Params) { p.Challenges = 0 }, "challenges=0 must be between 1 and 4096"},
		{func(p *Params) { p.Misses = 0 }, "misses=0 must be between 1 and 1048576"},
		{func(p *Params) { p.MaxDeaths = 0 }, "max deaths=0 must be between 1 and 4096"},
		{func(p *Params) { p.DoubtRounds = -1 }, "doubt rounds=-1 must be between 0 and 1048576"},
		{func(p *Params) { p.Tombstone = -1 }, "tombstone=-1 must be between 0 and 1048576"},
		{func(p *Params) { p.Unverified = 1 << 21 }, "unverified=2097152 must be between 0 and 1048576"},
		{func(p *Params) { p.SeedEvery = 0 }, "seed every=0 must be between 1 and 1048576"},
		{func(p *Params) { p.AloneWait = 0 }, "alone wait=0 must be between 1 and 1048576"},
		{func(p *Params) { p.Bank = -1 }, "bank=-1 must be between 0 and 4096"},
		{func(p *Params) { p.BankMaturity = -1 }, "bank maturity=-1 must be between 0 and 1048576"},
		{func(p *Params) { p.BankProbes = 4097 }, "bank probes=4097 must be between 0 and 4096"},
		{func(p *Params) { p.Bank, p.Direct, p.Diverse = 4, true, 0 }, "bank=4 must be 0 where ids are fed directly: what it hands out must have answered"},
		{func(p *Params) { p.Diverse = -1 }, "diverse=-1 must be between 0 and 4096"},
		{func(p *Params) { p.Diverse = 41 }, "diverse=41 must be at most l2=40"},
		{func(p *Params) { p.ViewFine = 257 }, "view fine=257 must be between 0 and 256"},
		{func(p *Params) { p.ViewCoarse = -1 }, "view coarse=-1 must be between 0 and 256"},
		{func(p *Params) { p.AdaptMax = 256 }, "adapt min=0 must be between 3 and 256"},
		{func(p *Params) { p.AdaptMin, p.AdaptMax = 257, 300 }, "adapt min=257 must be between 3 and 256"},
		{func(p *Params) { p.AdaptMin, p.AdaptMax = 40, 39 }, "adapt max=39 must be between adapt min=40 and 4096"},
		{func(p *Params) { p.AdaptMin, p.AdaptMax = 40, 4097 }, "adapt max=4097 must be between adapt min=40 and 4096"},
		{func(p *Params) { p.AdaptMin, p.AdaptMax = 41, 256 }, "l2=40 must be between adapt min=41 and adapt max=256"},
		{func(p *Params) { p.L1, p.AdaptMin, p.AdaptMax = 39, 40, 256 }, "l1=39 must be that of l2=40, at most 256, where sizes adapt"},
		{func(p *Params) { p.KeepSample, p.L1, p.AdaptMin, p.AdaptMax = true, 39, 40, 256 }, "l1=39 must be between adapt min=40 and adapt max=256"},
		{func(p *Params) { p.KeepSample, p.AdaptMin, p.AdaptMax = true, 40, 257 }, "adapt max=257 must be between adapt min=40 and 256"},
		{func(p *Params) { p.Alpha = -.1 }, "alpha=-0.1 must be between 0 and 1"},
		{func(p *Params) { p.Beta = 1.5 }, "beta=1.5 must be between 0 and 1"},
		{func(p *Params) { p.Gamma = math.NaN() }, "gamma=NaN must be between 0 and 1"},
		{func(p *Params) { p.Alpha = .5 }, "alpha+beta+gamma=0.5+0.3+0.3=1.1 must be 1"},
		{func(p *Params) { p.Threshold = 0 }, "threshold=0 must be positive"},
		{func(p *Params) { p.Threshold = math.NaN() }, "threshold=NaN must be positive"},
		{func(p *Params) { p.Overload = "freeze" }, `overload="freeze" must be one of keep, refill, drop`},
		{func(p *Params) { p.Refresh = "" }, `refresh="" must be one of always, either, both`},
		{func(p *Params) { p.Hash = "md5" }, `hash="md5" must be one of [aes sip sha256 farm]`},
	} {
		p := with(Hardened(40), c.change)
		err := p.Validate()
		if err == nil || err.Error() != "protocol: "+c.want {
			t.Errorf("%v, want protocol: %s", err, c.want)
		}
		if _, err := New(self, p, nil, testRand(1)); err == nil {
			t.Errorf("New took parameters of which Validate says: %s", c.want)
		}
	}
	if (Params{}).Validate() == nil {
		t.Error("the zero value is valid")
	}
}

func TestPresetsAreValid(t *testing.T) {
	for l := 3; l <= MaxL1; l++ {
		for _, name := range Presets() {
			p, err := Preset(strings.ToUpper(name), l)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Validate(); err != nil {
				t.Errorf("%s of %d: %v", name, l, err)
			}
			if s := p.Shares(); s.Size() != l || p.Ablate != (Ablation{}) {
				t.Errorf("%s of %d: shares %+v, ablation %+v", name, l, s, p.Ablate)
			}
		}
	}
	if _, err := Preset("brave", 40); err == nil || !strings.Contains(err.Error(), `preset="brave" must be one of [hardened paper]`) {
		t.Errorf("got %v", err)
	}
	for _, odd := range []func(*Params){
		func(p *Params) { p.Threshold = math.Inf(1) },
		func(p *Params) { p.Alpha, p.Beta, p.Gamma = .3, .6, .1 },
		func(p *Params) { p.Alpha, p.Beta, p.Gamma = 1, 0, 0 },
	} {
		if p := with(Hardened(40), odd); p.Validate() != nil {
			t.Errorf("%v", p.Validate())
		}
	}
}

func TestParamsAreJSON(t *testing.T) {
	want := with(Paper(33), func(p *Params) { p.Ablate.SettleDisplaced = true })
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Params
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New("", Hardened(40), nil, testRand(1)); err == nil || !strings.Contains(err.Error(), "self must not be empty") {
		t.Errorf("empty self: %v", err)
	}
	if _, err := New(self, Hardened(40), nil, nil); err == nil || !strings.Contains(err.Error(), "rng must not be nil") {
		t.Errorf("nil rng: %v", err)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int]int{0: 40, 1: 40, 1000: 40, 1001: 41, 4000: 64, 10_000: 87, 262_144: 256, 1 << 40: 256} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]interface{ String() string }{
		"renewed": Renewed, "refilled": Refilled, "kept_overload": KeptOverload, "kept_no_push": KeptNoPush,
		"kept_no_pull": KeptNoPull, "alone": Alone, "unknown": Outcome(99),
		"alive": Alive, "alive_unproven": AliveUnproven, "missed": Missed, "leaving": Leaving, "no_evidence": ProbeOutcome(99),
	} {
		if got.String() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestInfiniteThresholdSwitchesOverloadOff(t *testing.T) {
	n := newNode(t, with(Hardened(10), func(p *Params) { p.Threshold = math.Inf(1) }), "b")
	push(n, names("x", 99)...)
	if n.HandlePushOverflow(1 << 30); n.Tick().Outcome != Renewed || n.Status().Overloaded || n.Status().Threshold != MaxPushers {
		t.Errorf("%+v", n.Status())
	}
}
