package consim

import (
	"slices"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// A Result is what a run measured. Nodes are the correct ones.
type Result struct {
	Nodes    int
	Closed   int // nodes that have closed the epoch
	Stalled  int // nodes whose status says so
	Half     int // rounds after the window until half of the nodes had closed; 0: they have not
	Last     int // rounds after the window until all had
	Rounds   int // that the run took, after the window
	Disagree int // items that some nodes decided in and some out
	Dissent  int // nodes that decided such an item as fewer did, the most of any item
	Against  int // decisions against what more than half of the nodes prefer, summed over the items of correct nodes
	Sets     int // distinct sets of nodes that have closed
	Lost     int // items of correct nodes that more nodes decided out than in
	CampsIn  int // camp items that more nodes decided in than out
	Polled   int // polls sent, each to one peer
	Sent     int // bytes of polls and answers that nodes sent, framed; streams cost some more, items are sent once
	Fetched  int // fetches sent
	Refused  int // answers and items that machines refused
}

// Run simulates one epoch. It fails if c is invalid.
func Run(c Config) (Result, error) {
	w, err := newWorld(c)
	if err != nil {
		return Result{}, err
	}
	for w.round < c.Params.Window+c.Rounds && w.open() {
		if err := w.step(); err != nil {
			return Result{}, err
		}
	}
	return w.result(), nil
}

func (w *world) open() bool { return slices.Contains(w.closedAt, 0) }

func (w *world) result() Result {
	r := Result{Nodes: w.correct, Rounds: w.round - w.c.Params.Window, Polled: w.polled, Sent: w.sent, Fetched: w.fetched, Refused: w.refused}
	var at []int
	sets := map[string]bool{}
	for i, m := range w.nodes {
		if w.closedAt[i] > 0 {
			at = append(at, w.closedAt[i]-w.c.Params.Window)
			var key []byte
			set, _ := m.Decided(epoch)
			for _, it := range set {
				id := it.ID()
				key = append(key, id[:]...)
			}
			sets[string(key)] = true
			continue
		}
		for _, s := range m.Status() {
			if s.Phase == machine.Stalled {
				r.Stalled++
			}
		}
	}
	slices.Sort(at)
	r.Closed, r.Sets = len(at), len(sets)
	if 2*len(at) >= w.correct {
		r.Half = at[(w.correct-1)/2]
	}
	if len(at) == w.correct {
		r.Last = at[len(at)-1]
	}
	for _, it := range w.clean {
		in, out := w.decided(it.ID())
		r.split(in, out)
		if out > in {
			r.Lost++
		}
		if ayes, _ := w.ayes(it.ID()); 2*ayes > w.correct {
			r.Against += out
		} else {
			r.Against += in
		}
	}
	for _, it := range w.camps {
		in, out := w.decided(it.ID())
		r.split(in, out)
		if in > out {
			r.CampsIn++
		}
	}
	return r
}

func (r *Result) split(in, out int) {
	if in > 0 && out > 0 {
		r.Disagree++
		r.Dissent = max(r.Dissent, min(in, out))
	}
}

// decided counts the nodes that decided an item, either way.
func (w *world) decided(id machine.ID) (in, out int) {
	for _, m := range w.nodes {
		switch c, d := m.Outcome(epoch, id); {
		case !d:
		case c == machine.In:
			in++
		default:
			out++
		}
	}
	return in, out
}
