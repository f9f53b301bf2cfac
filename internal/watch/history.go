package watch

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// What is remembered: rounds, and changes of the sample. Older ones are forgotten.
const (
	maxPoints  = 240
	maxChanges = 60
)

// A History remembers the last rounds of a service: it is a tracer of package host, to be given to WithTracer. A page that
// is opened later shows what came before.
type History struct {
	refused atomic.Uint64 // in the open round

	mu      sync.Mutex
	points  []Point
	changes []Change
	inView  map[peer.ID]uint64 // with the round since which it is there
	sampled map[peer.ID]uint64
}

// A Point is one round.
type Point struct {
	Round     uint64    `json:"round"`
	At        time.Time `json:"at"`
	Outcome   string    `json:"outcome"`
	Pushes    int       `json:"pushes"` // dropped ones included
	Threshold int       `json:"threshold"`
	Size      *Size     `json:"size"` // nil (null) while it is not known
	Refused   uint64    `json:"refused"`
	Suspects  int       `json:"suspects"`
	Deaths    int       `json:"deaths"`
	Planned   int       `json:"planned"`
	Done      int       `json:"done"`

	ViewNew    int `json:"view_new"` // distinct peers that came
	ViewGone   int `json:"view_gone"`
	SampleNew  int `json:"sample_new"`
	SampleGone int `json:"sample_gone"`
}

// A Change is a round in which peers came to the sample or left it.
type Change struct {
	Round   uint64    `json:"round"`
	Added   []peer.ID `json:"added"`
	Removed []peer.ID `json:"removed"`
}

// A Size is an estimate with its error band, of 1.96 standard errors to both sides: 95% if errors were normal.
type Size struct {
	N      float64 `json:"n"`
	StdErr float64 `json:"standard_error"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// bandWidth is half of the band, in standard errors.
const bandWidth = 1.96

// sizeOf returns nil where the size is not known. There are at least as many peers as we know, and ourselves.
func sizeOf(e protocol.SizeEstimate, known int) *Size {
	if !e.OK {
		return nil
	}
	return &Size{
		N: e.N, StdErr: e.StdErr, Low: min(max(e.N-bandWidth*e.StdErr, float64(known)), e.N), High: e.N + bandWidth*e.StdErr,
	}
}

// NewHistory returns an empty history.
func NewHistory() *History {
	return &History{inView: make(map[peer.ID]uint64), sampled: make(map[peer.ID]uint64)}
}

// Exchanged implements host.Tracer.
func (*History) Exchanged(brahmshost.Exchange, protocol.ProbeOutcome, time.Duration) {}

// Served implements host.Tracer.
func (*History) Served(brahmshost.Exchange, time.Duration) {}

// Refused implements host.Tracer.
func (h *History) Refused(_ brahmshost.Reason, times uint64) { h.refused.Add(times) }

// RoundEnded implements host.Tracer.
func (h *History) RoundEnded(s *brahmshost.Status) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	p := Point{
		Round: s.Round, At: now, Outcome: s.Node.Outcome.String(), Pushes: s.Node.Pushes + s.Node.PushOverflow, Threshold: s.Node.Threshold,
		Size: sizeOf(s.Size, s.Node.SampleDistinct+1), Refused: h.refused.Swap(0), Suspects: len(s.Suspects), Deaths: s.Node.Deaths,
		Planned: s.Exchanges, Done: s.Done,
	}
	came, went := follow(h.inView, s.View, s.Round)
	p.ViewNew, p.ViewGone = len(came), len(went)
	var ids []peer.ID
	for _, slot := range s.Slots {
		ids = append(ids, slot.ID)
	}
	came, went = follow(h.sampled, ids, s.Round)
	p.SampleNew, p.SampleGone = len(came), len(went)
	if len(came)+len(went) > 0 {
		h.changes = keep(h.changes, Change{Round: s.Round, Added: came, Removed: went}, maxChanges)
	}
	h.points = keep(h.points, p, maxPoints)
}

// follow makes since hold the ids, each with the round in which it came, and returns who came and who went.
func follow(since map[peer.ID]uint64, ids []peer.ID, round uint64) (came, went []peer.ID) {
	came, went = []peer.ID{}, []peer.ID{}
	here := make(map[peer.ID]bool, len(ids))
	for _, id := range ids {
		if id == "" || here[id] {
			continue
		}
		here[id] = true
		if _, ok := since[id]; !ok {
			since[id] = round
			came = append(came, id)
		}
	}
	for id := range since {
		if !here[id] {
			delete(since, id)
			went = append(went, id)
		}
	}
	slices.Sort(went) // the map has no order
	return came, went
}

// keep appends v, and drops the oldest beyond most.
func keep[T any](list []T, v T, most int) []T {
	if len(list) >= most {
		list = append(list[:0], list[len(list)-most+1:]...)
	}
	return append(list, v)
}

// past is what a history holds.
type past struct {
	points          []Point
	changes         []Change
	inView, sampled map[peer.ID]uint64
}

func (h *History) past() past {
	h.mu.Lock()
	defer h.mu.Unlock()
	return past{slices.Clone(h.points), slices.Clone(h.changes), maps.Clone(h.inView), maps.Clone(h.sampled)}
}
