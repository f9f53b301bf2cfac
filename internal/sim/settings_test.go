package sim

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("the zero value is valid")
	}
}

// text is what a user writes for the value that Default and its parameters have.
func text(t *testing.T, f field) string {
	t.Helper()
	d := Default()
	if f.config != nil {
		return fmt.Sprint(reflect.ValueOf(f.config(&d)).Elem())
	}
	p, err := d.Params()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(reflect.ValueOf(f.param(&p)).Elem())
}

// TestSettingToItsDefaultChangesNothing, neither Config nor Params, one at a time and all together.
func TestSettingToItsDefaultChangesNothing(t *testing.T) {
	want, _ := Default().Params()
	all := Default()
	for _, f := range fields {
		c := Default()
		for _, x := range []*Config{&c, &all} {
			if err := x.Set(f.name, text(t, f)); err != nil {
				t.Errorf("%s=%s: %v", f.name, text(t, f), err)
			}
			if p, err := x.Params(); err != nil || p != want {
				t.Errorf("%s=%s: params %+v, %v, want %+v", f.name, text(t, f), p, err, want)
			}
			y := *x
			if y.Override = nil; !reflect.DeepEqual(y, Default()) {
				t.Errorf("%s=%s: config %+v", f.name, text(t, f), y)
			}
		}
	}
	if err := all.Validate(); err != nil {
		t.Error(err)
	}
}

// TestEverySettingSets exactly one thing: another value arrives in the config or the parameters, and not a second time
// under another name.
func TestEverySettingSets(t *testing.T) {
	seen := map[string]string{}
	for _, f := range fields {
		value := map[reflect.Kind]string{
			reflect.Int: "17", reflect.Uint64: "17", reflect.Float64: "0.4375", reflect.Bool: "true", reflect.String: "other",
		}
		var c Config
		c.Preset = "hardened"
		before := fmt.Sprintf("%+v", c)
		base, _ := Default().Params()
		p := base
		kind := reflect.Int
		if f.config != nil {
			kind = reflect.ValueOf(f.config(&c)).Elem().Kind()
		} else {
			kind = reflect.ValueOf(f.param(&p)).Elem().Kind()
		}
		if err := c.Set(f.name, value[kind]); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if fmt.Sprintf("%+v", c) == before {
			t.Errorf("%s=%s changes nothing", f.name, value[kind])
		}
		effect := fmt.Sprintf("%+v", c)
		if f.param != nil {
			if got := c.Override[f.name]; got != value[kind] || len(c.Override) != 1 {
				t.Errorf("%s: override %v", f.name, c.Override)
			}
			if err := setParam(&p, f.name, value[kind]); err != nil || p == base {
				t.Errorf("%s=%s changes no parameter: %v", f.name, value[kind], err)
			}
			effect = fmt.Sprintf("%+v", p)
		}
		if other, ok := seen[effect]; ok {
			t.Errorf("%s sets what %s sets", f.name, other)
		}
		seen[effect] = f.name
	}
}

// TestAFailingSetNamesWhatIsWrong: name, value and rule; and changes nothing.
func TestAFailingSetNamesWhatIsWrong(t *testing.T) {
	for _, f := range fields {
		c := Default()
		var p any
		if f.config != nil {
			p = f.config(&c)
		} else {
			params, _ := c.Params()
			p = f.param(&params)
		}
		if reflect.ValueOf(p).Elem().Kind() == reflect.String {
			continue // any text is a string; Validate says more
		}
		err := c.Set(f.name, "x1")
		if err == nil {
			t.Errorf("%s=x1 passes", f.name)
			continue
		}
		for _, part := range []string{f.name, `"x1"`, "must be"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error %q does not say %s", err, part)
			}
		}
		if !reflect.DeepEqual(c, Default()) {
			t.Errorf("%s: a call that failed changed the config", f.name)
		}
	}
	c := Default()
	for _, name := range []string{"", "l3", "Nodes", "nodes "} {
		if err := c.Set(name, "1"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("setting %q: %v", name, err)
		}
	}
}

// TestSetDoesNotReachCopies: two configs that were made from one do not share what is set later.
func TestSetDoesNotReachCopies(t *testing.T) {
	a := Default()
	if err := a.Set("alpha", "0.4"); err != nil {
		t.Fatal(err)
	}
	b := a
	if err := b.Set("beta", "0.2"); err != nil {
		t.Fatal(err)
	}
	if len(a.Override) != 1 {
		t.Errorf("the first config got %v", a.Override)
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	set := func(pairs ...string) func(*Config) {
		return func(c *Config) {
			for i := 0; i < len(pairs); i += 2 {
				if err := c.Set(pairs[i], pairs[i+1]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []struct {
		change func(*Config)
		say    []string
	}{
		{set("algorithm", "x"), []string{"algorithm", `"x"`, "brahms, basalt, basalt-prefix, cyclon"}},
		{set("preset", "x"), []string{"preset", `"x"`, "hardened paper"}},
		{set("attack", "x"), []string{"attack", `"x"`, "balanced", "must be one of"}},
		{set("attack", "balanced"), []string{"attack=balanced", "faulty=0", "needs faulty nodes"}},
		{set("nodes", "1"), []string{"nodes=1", "between 2 and"}},
		{set("nodes", "1000001"), []string{"nodes=1000001", "1000000"}},
		{set("rounds", "0"), []string{"rounds=0", "between 1 and"}},
		{set("loss", "1"), []string{"loss=1", "below 1"}},
		{set("loss", "-0.1"), []string{"loss=-0.1", "at least 0"}},
		{set("loss", "NaN"), []string{"loss=NaN", "at least 0"}},
		{set("churn", "1"), []string{"churn=1", "below 1"}},
		{set("jitter", "1"), []string{"jitter=1", "below 1"}},
		{set("join", "-1"), []string{"join=-1", "between 0 and"}},
		{set("join-at", "0"), []string{"join-at=0", "between 1 and"}},
		{set("workers", "-1"), []string{"workers=-1", "between 0 and"}},
		{set("faulty", "1"), []string{"faulty=1", "below 1"}},
		{set("faulty", "0.9999"), []string{"faulty=0.9999", "nodes=1000", "at least 2"}},
		{set("push-share", "0.5"), []string{"push-share=0.5", "faulty=0", "needs faulty nodes"}},
		{set("faulty", "0.2", "push-share", "1"), []string{"push-share=1", "below 1"}},
		{set("faulty", "0.2", "push-share", "-0.5"), []string{"push-share=-0.5", "at least 0"}},
		{set("force", "-1"), []string{"force=-1", "at least 0"}},
		{set("force", "+Inf"), []string{"force=+Inf", "below 10000"}},
		{set("victims", "1000"), []string{"victims=1000", "fewer than", "1000"}},
		{set("victims", "-1"), []string{"victims=-1", "between 0 and"}},
		{set("victim-pushes", "-2"), []string{"victim-pushes=-2", "between -1 and"}},
		{set("sybils", "-1"), []string{"sybils=-1", "between 0 and"}},
		{set("start", "-2"), []string{"start=-2", "between -1 and"}},
		{set("length", "-2"), []string{"length=-2", "between -1 and"}},
		{set("share", "1.1"), []string{"share=1.1", "at least 0"}},
		{set("l1", "2"), []string{"l1=2", "between 3 and 256"}},
		{set("l1", "257"), []string{"l1=257", "between 3 and 256"}},
		{set("l2", "-1"), []string{"l2=-1", "between 1 and 4096"}},
		{set("grow", "999"), []string{"grow=999", "nodes=1000"}},
		{set("grow", "1000001"), []string{"grow=1000001", "1000000"}},
		{set("grow-at", "0"), []string{"grow-at=0", "between 1 and"}},
		{set("grow-rounds", "10001"), []string{"grow-rounds=10001", "between 1 and 10000"}},
		{set("shrink-at", "100"), []string{"shrink-at=100", "grow-at+grow-rounds=101"}},
		{set("algorithm", "basalt", "adapt", "true"), []string{"adapt", "basalt"}},
		{set("adapt", "true", "l2", "50", "adapt-max", "257"), []string{"adapt max=257", "256"}},
		{set("adapt", "true", "adapt-max", "39"), []string{"adapt max=39", "adapt min=40"}},
		{set("alpha", "0.5"), []string{"alpha+beta+gamma", "0.5", "must be 1"}},
		{set("beta", "-1"), []string{"beta=-1", "between 0 and 1"}},
		{set("threshold", "0"), []string{"threshold=0", "positive"}},
		{set("overload", "x"), []string{"overload", `"x"`, "keep, refill, drop"}},
		{set("refresh", "x"), []string{"refresh", `"x"`, "always, either, both"}},
		{set("hash", "x"), []string{"hash", `"x"`, "sha256"}},
		{set("misses", "0"), []string{"misses=0", "between 1 and"}},
		{set("algorithm", "basalt", "alpha", "0.4"), []string{"alpha", "algorithm=basalt"}},
		{func(c *Config) { c.Override = map[string]string{"nodes": "5"} }, []string{`"nodes"`, "parameter"}},
		{func(c *Config) { c.Override = map[string]string{"alpha": "a"} }, []string{"alpha", `"a"`, "a number"}},
	} {
		cfg := Default()
		c.change(&cfg)
		err := cfg.Validate()
		if err == nil {
			t.Errorf("want an error that says %q", c.say)
			continue
		}
		for _, part := range c.say {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error %q does not say %q", err, part)
			}
		}
		if _, err := Run(context.Background(), cfg); err == nil {
			t.Errorf("%q: Run starts", c.say)
		}
	}
}

func TestSettingsAreListed(t *testing.T) {
	sections := []string{InNetwork, InAttack, InRules}
	at := 0
	names := map[string]bool{}
	for _, s := range Settings() {
		for at < len(sections) && sections[at] != s.Section {
			at++
		}
		if at == len(sections) {
			t.Fatalf("%s: section %q is out of order", s.Name, s.Section)
		}
		if names[s.Name] {
			t.Errorf("%s stands twice", s.Name)
		}
		names[s.Name] = true
		switch s.Value.(type) {
		case int, float64, uint64, string, bool:
		default:
			t.Errorf("%s has a value of type %T", s.Name, s.Value)
		}
		if _, isBool := s.Value.(bool); s.Value != "" && strings.Count(s.Usage, "`") != 2 && !isBool {
			t.Errorf("%s: the usage %q does not name its value", s.Name, s.Usage)
		}
	}
	if len(names) != len(fields) {
		t.Errorf("%d settings, want %d", len(names), len(fields))
	}
	for _, name := range []string{"nodes", "faulty", "alpha", "seed"} {
		if !names[name] {
			t.Errorf("there is no setting %s in %v", name, slices.Sorted(keys(names)))
		}
	}
}

// TestSampleSizeSetsTheBudgets: probes and challenges follow l2, the view follows l1.
func TestSampleSizeSetsTheBudgets(t *testing.T) {
	c := Default()
	c.L1, c.L2 = 50, 100
	p, err := c.Params()
	if err != nil || p.L1 != 50 || p.L2 != 100 || p.Probes != 20 || p.Challenges != 50 || p.MaxDeaths != 10 {
		t.Errorf("%+v, %v", p, err)
	}
	c.Override = map[string]string{"threshold": "+Inf", "probes": "7"}
	if p, err = c.Params(); err != nil || !math.IsInf(p.Threshold, 1) || p.Probes != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}
