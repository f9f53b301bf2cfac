package suite

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fields are the keys of one TOML table. Each is read once; rest is what nobody read. The first error stays.
type fields struct {
	where string // the file and what stands in it, for errors
	left  map[string]any
	err   *error
}

func (f fields) fail(format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s: %s", f.where, fmt.Sprintf(format, args...))
	}
}

// at is f under another name.
func (f fields) at(where string) fields {
	f.where = where
	return f
}

func (f fields) take(key string) (any, bool) {
	v, ok := f.left[key]
	delete(f.left, key)
	return v, ok
}

func (f fields) has(key string) bool {
	_, ok := f.left[key]
	return ok
}

func (f fields) text(key string) string {
	v, ok := f.take(key)
	s, is := v.(string)
	if ok && (!is || s == "") {
		f.fail("%s=%v must be a text that is not empty", key, v)
	}
	return s
}

// needed is text that must be there.
func (f fields) needed(key string) string {
	if !f.has(key) {
		f.fail("%s is missing", key)
	}
	return f.text(key)
}

func (f fields) flag(key string, otherwise bool) bool {
	v, ok := f.take(key)
	b, is := v.(bool)
	switch {
	case !ok:
		return otherwise
	case !is:
		f.fail("%s=%v must be true or false", key, v)
	}
	return b
}

func (f fields) whole(key string, otherwise int) int {
	v, ok := f.take(key)
	n, is := v.(int64)
	switch {
	case !ok:
		return otherwise
	case !is:
		f.fail("%s=%v must be a whole number", key, v)
	}
	return int(n)
}

func (f fields) number(key string) float64 {
	v, ok := f.take(key)
	x, is := number(v)
	if ok && (!is || math.IsInf(x, 0)) {
		f.fail("%s=%v must be a number", key, v)
	}
	return x
}

// list reads a list of texts; a single text is a list of one.
func (f fields) list(key string) []string {
	v, ok := f.take(key)
	if !ok {
		return nil
	}
	if s, is := v.(string); is {
		v = []any{s}
	}
	values, is := v.([]any)
	var out []string
	for _, one := range values {
		s, isText := one.(string)
		is = is && isText
		out = append(out, s)
	}
	if !is || len(out) == 0 || slices.Contains(out, "") {
		f.fail("%s=%v must be a list of texts", key, v)
	}
	return out
}

// span reads [from, to]; both 0 if there is none.
func (f fields) span(key string) [2]float64 {
	v, ok := f.take(key)
	if !ok {
		return [2]float64{}
	}
	b, err := band(v)
	if _, is := v.([]any); err != nil || !is || b.Min == b.Max || math.IsInf(b.Min, 0) || math.IsInf(b.Max, 0) {
		f.fail("%s=%v must be [from, to] with from below to", key, v)
	}
	return [2]float64{b.Min, b.Max}
}

// texts reads a table of texts.
func (f fields) texts(key string) map[string]string {
	out := map[string]string{}
	inner := f.table(key)
	for _, k := range sortedKeys(inner.left) {
		out[k] = inner.text(k)
	}
	return out
}

// table reads a table; an empty one if there is none.
func (f fields) table(key string) fields {
	v, ok := f.take(key)
	m, is := v.(map[string]any)
	if ok && !is {
		f.fail("%s=%v must be a table", key, v)
	}
	return fields{where: f.where + ": " + key, left: m, err: f.err}
}

// tables reads an array of tables. kind is what errors call one of them.
func (f fields) tables(key string) []fields {
	v, ok := f.take(key)
	if !ok {
		return nil
	}
	list, is := v.([]map[string]any)
	if !is {
		f.fail("%s must be an array of tables: write [[%s]]", key, key)
	}
	var out []fields
	for i, m := range list {
		out = append(out, fields{where: fmt.Sprintf("%s: %s %d", f.where, key, i+1), left: m, err: f.err})
	}
	return out
}

// end complains about what nobody read.
func (f fields) end() {
	if left := sortedKeys(f.left); len(left) > 0 {
		f.fail("there is no key %q here", left[0])
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// settingText is the value of a setting as sim.Config.Set takes it.
func settingText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("must be a number, a text, true or false, not %v", value)
}

// unprefixed is the text of an error of the simulator.
func unprefixed(err error) string { return strings.TrimPrefix(err.Error(), "sim: ") }
