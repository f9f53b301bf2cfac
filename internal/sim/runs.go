package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// A Summary is what one or several runs with seeds in a row came to. As JSON it is one object: that of Result with the
// mean of each figure, a digest of their digests, "runs", and with several runs "spread": the distribution of each figure by its word.
type Summary struct {
	Each []*Result // in the order of their seeds, at least one
}

// RunMany simulates cfg runs times, with the seeds cfg.Seed, cfg.Seed+1 and so on. each, unless nil, is called after every
// round, with the number of the run from 0. It fails as Run does, and if runs is not between 1 and MaxRuns.
func RunMany(ctx context.Context, cfg Config, runs int, each func(run int, r Round)) (*Summary, error) {
	if runs < 1 || runs > MaxRuns {
		return nil, fmt.Errorf("sim: runs=%d must be between 1 and %d", runs, MaxRuns)
	}
	s := &Summary{}
	for i := range runs {
		one := cfg
		one.Seed = cfg.Seed + uint64(i)
		if each != nil {
			one.EachRound = func(r Round) { each(i, r) }
		}
		r, err := Run(ctx, one)
		if err != nil {
			return nil, err
		}
		s.Each = append(s.Each, r)
	}
	return s, nil
}

// Digest is that of the run, or of several a digest of theirs.
func (s *Summary) Digest() string {
	if len(s.Each) == 1 {
		return s.Each[0].Digest
	}
	h := sha256.New()
	for _, r := range s.Each {
		h.Write([]byte(r.Digest))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// RoundWords lists the words of a Round in order.
func RoundWords() []string {
	var out []string
	t := reflect.TypeFor[Round]()
	for i := range t.NumField() {
		out = append(out, word(t.Field(i)))
	}
	return out
}

// Words lists the figures of a result, by the names that they have in JSON, in order. Spreads of one run (in_degree,
// newcomer_in_samples) are among them: their figure is the mean.
func Words() []string {
	var out []string
	t := reflect.TypeFor[Result]()
	for i := range t.NumField() {
		switch t.Field(i).Type {
		case reflect.TypeFor[int](), reflect.TypeFor[float64](), reflect.TypeFor[*float64](), reflect.TypeFor[Spread](), reflect.TypeFor[*Spread]():
			out = append(out, word(t.Field(i)))
		}
	}
	return out
}

func word(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// Figure returns the distribution of the figure of that name over the runs, and false if there is no such figure. For
// rounds in which something happened, -1 being never, it is the distribution of those that happened, except that the mean
// is -1 where never is the worse: for t50, t90 and t99 if any run never got there, for victim_isolated_round if all never
// did.
func (s *Summary) Figure(name string) (Spread, bool) {
	var values []float64
	for _, r := range s.Each {
		v := reflect.ValueOf(r).Elem()
		for i := range v.NumField() {
			if word(v.Type().Field(i)) != name {
				continue
			}
			switch x := v.Field(i).Interface().(type) {
			case int:
				values = append(values, float64(x))
			case float64:
				values = append(values, x)
			case *float64:
				if x != nil {
					values = append(values, *x)
				}
			case Spread:
				values = append(values, x.Mean)
			case *Spread:
				if x != nil {
					values = append(values, x.Mean)
				}
			}
		}
	}
	if len(values) == 0 {
		return Spread{}, false
	}
	switch name {
	case "t50", "t90", "t99", "victim_isolated_round":
		runs := len(values)
		values = slices.DeleteFunc(values, func(x float64) bool { return x < 0 })
		if len(values) == 0 {
			return Spread{Mean: -1, Min: -1, Max: -1}, true
		}
		out := spreadOf(values)
		if len(values) < runs && name != "victim_isolated_round" {
			out.Mean = -1
		}
		return out, true
	}
	return spreadOf(values), true
}

func spreadOf(values []float64) Spread {
	sum, squares := 0.0, 0.0
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return Spread{
		Mean: round6(mean), SD: round6(math.Sqrt(squares / float64(len(values)))),
		Min: slices.Min(values), Max: slices.Max(values),
	}
}

// inner is the spread that stands in the i-th field of Result, each part the mean over the runs that have it.
func (s *Summary) inner(i int) Spread {
	var mean Spread
	n := 0.0
	for _, r := range s.Each {
		field := reflect.ValueOf(r).Elem().Field(i)
		if field.Kind() == reflect.Pointer && field.IsNil() {
			continue
		}
		x := reflect.Indirect(field).Interface().(Spread)
		mean.Mean, mean.SD, mean.Min, mean.Max = mean.Mean+x.Mean, mean.SD+x.SD, mean.Min+x.Min, mean.Max+x.Max
		n++
	}
	return Spread{round6(mean.Mean / n), round6(mean.SD / n), round6(mean.Min / n), round6(mean.Max / n)}
}

// MarshalJSON keeps the order of Result's words.
func (s *Summary) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	put := func(name string, value any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		text, err := json.Marshal(value)
		fmt.Fprintf(&b, "%q:%s", name, text)
		return err
	}
	spreads := map[string]Spread{}
	first := reflect.ValueOf(s.Each[0]).Elem()
	for i := range first.NumField() {
		name, value := word(first.Type().Field(i)), first.Field(i)
		if name == "-" || (value.Kind() == reflect.Pointer || value.Kind() == reflect.Map) && value.IsNil() {
			continue
		}
		figure, ok := s.Figure(name)
		if ok {
			spreads[name] = figure
		}
		var err error
		switch kind := value.Kind(); {
		case kind == reflect.Int, kind == reflect.Float64, value.Type() == reflect.TypeFor[*float64]():
			err = put(name, figure.Mean)
		case kind == reflect.String:
			if name == "digest" {
				err = put(name, s.Digest())
				break
			}
			err = put(name, value.Interface())
		case kind == reflect.Struct, kind == reflect.Pointer:
			err = put(name, s.inner(i))
		default: // the first seed, the settings, and the spreads of the first run
			err = put(name, value.Interface())
		}
		if err != nil {
			return nil, err
		}
	}
	if err := put("runs", len(s.Each)); err != nil {
		return nil, err
	}
	if len(s.Each) > 1 {
		if err := put("spread", spreads); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
