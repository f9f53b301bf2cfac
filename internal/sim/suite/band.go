package suite

import (
	"fmt"
	"math"
	"strconv"
)

// A Band is what a figure may be, both ends included. An end may be infinite, and a round that never comes is infinite.
type Band struct{ Min, Max float64 }

func (b Band) holds(x float64) bool { return x >= b.Min && x <= b.Max }

func (b Band) String() string {
	switch {
	case b.Min == b.Max:
		return exact(b.Min)
	case math.IsInf(b.Min, -1) && math.IsInf(b.Max, 1):
		return "anything"
	case math.IsInf(b.Min, -1):
		return "at most " + exact(b.Max)
	case math.IsInf(b.Max, 1):
		return "at least " + exact(b.Min)
	}
	return exact(b.Min) + " to " + exact(b.Max)
}

// exact is a number as files have it; never for a round that does not come, - for what was not measured.
func exact(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "never"
	case math.IsNaN(x):
		return "-"
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// rounded is a number as tables have it.
func rounded(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0) || x == math.Trunc(x):
		return exact(x)
	case math.Abs(x) < 10:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// band reads [min, max], {min = x}, {max = x}, {min = x, max = y}, one number or "never".
func band(value any) (Band, error) {
	b := Band{math.Inf(-1), math.Inf(1)}
	form := fmt.Errorf("must be [min, max], {min = x}, {max = x}, a number or \"never\", not %v", value)
	switch v := value.(type) {
	case []any:
		if len(v) != 2 {
			return b, form
		}
		lo, ok1 := number(v[0])
		hi, ok2 := number(v[1])
		if !ok1 || !ok2 {
			return b, form
		}
		b = Band{lo, hi}
	case map[string]any:
		if len(v) == 0 {
			return b, form
		}
		for key, end := range v {
			x, ok := number(end)
			switch {
			case ok && key == "min":
				b.Min = x
			case ok && key == "max":
				b.Max = x
			default:
				return b, form
			}
		}
	default:
		x, ok := number(v)
		if !ok {
			return b, form
		}
		b = Band{x, x}
	}
	if b.Min > b.Max {
		return b, fmt.Errorf("min=%s must not be above max=%s", exact(b.Min), exact(b.Max))
	}
	return b, nil
}

// number reads a number or "never".
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	case string:
		return never, v == "never"
	}
	return 0, false
}
