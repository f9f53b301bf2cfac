package limit

import "time"

// manual is a clock that stands until a test moves it.
type manual struct{ at time.Time }

func newManual() *manual { return &manual{time.Unix(1_700_000_000, 0)} }

func (m *manual) now() time.Time       { return m.at }
func (m *manual) pass(d time.Duration) { m.at = m.at.Add(d) }
