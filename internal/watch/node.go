package watch

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// A Node is what Handler serves of one service.
type Node struct {
	Service  *brahmshost.Service
	History  *History            // a tracer of Service
	Metrics  prometheus.Gatherer // what is scraped
	Interval time.Duration       // of a round
	Version  string              // of the program
	Started  time.Time
}

// Handler serves /healthz, /readyz, /debug/brahms, /debug/metrics/prometheus, /debug/pprof/ and the live page.
func (n *Node) Handler() http.Handler {
	mux := routes(n.Metrics)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		why := notReady(n.Service.Status())
		if len(why) == 0 {
			plain(w, http.StatusOK, "ready\n")
			return
		}
		text := ""
		for _, reason := range why {
			text += "not ready: " + reason + "\n"
		}
		plain(w, http.StatusServiceUnavailable, text)
	})
	mux.HandleFunc("GET /debug/brahms", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, n.State()) })
	mux.HandleFunc("GET /{$}", nodePage.serve)
	return mux
}

// notReady says why a service is not ready to be asked for peers; nothing if it is: it runs, it is not isolated, and its
// sample holds peers that have answered it.
func notReady(s brahmshost.Status) []string {
	why := []string{}
	for _, t := range s.Health {
		switch t.Condition {
		case brahmshost.ConditionAlone, brahmshost.ConditionIsolated, brahmshost.ConditionLeaving:
			why = append(why, string(t.Condition)+": "+t.Reason)
		}
	}
	if !s.Active && !s.Health.Has(brahmshost.ConditionLeaving) {
		why = append(why, "the service is closed or leaving")
	}
	if s.Round == 0 {
		why = append(why, "no round has ended yet")
	}
	if len(s.Peers) == 0 {
		why = append(why, "the sample is empty: no peer has answered yet")
	}
	return why
}

// NodeState is the answer of /debug/brahms.
type NodeState struct {
	ID       peer.ID   `json:"id"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	Interval float64   `json:"interval"` // seconds

	Round    uint64            `json:"round"`
	Outcome  string            `json:"outcome"`
	Took     float64           `json:"took"` // seconds, of the last round
	Ready    bool              `json:"ready"`
	NotReady []string          `json:"not_ready"` // why
	Health   brahmshost.Health `json:"health"`

	View     SetState   `json:"view"`
	Sample   SetState   `json:"sample"`
	Peers    []PeerLine `json:"peers"` // of view and sample
	Networks []Network  `json:"networks"`

	Size     *Size      `json:"size"` // null while it is not known
	Pushes   PushState  `json:"pushes"`
	Deaths   int        `json:"deaths"`   // in the last round
	Suspects int        `json:"suspects"` // of Peers
	Doubting bool       `json:"doubting"`
	Work     WorkState  `json:"exchanges"`
	Refused  []Refusal  `json:"refused"` // what has occurred, the most frequent first
	Counters [][2]any   `json:"counters"`
	State    StateState `json:"state"`
	Tokens   TokenState `json:"tokens"`

	History []Point  `json:"history"` // oldest first
	Changes []Change `json:"changes"` // oldest first
}

// A SetState is what a view or sample holds.
type SetState struct {
	Slots    int `json:"slots"`
	Filled   int `json:"filled"`
	Distinct int `json:"distinct"`
	Mature   int `json:"mature"`  // slots, of a sample
	Proven   int `json:"proven"`  // peers, of a sample
	Waiting  int `json:"waiting"` // peers, of a sample
}

// A PeerLine is one peer of view or sample.
type PeerLine struct {
	ID          peer.ID  `json:"id"`
	View        int      `json:"view"`   // slots
	Sample      int      `json:"sample"` // slots
	Mature      int      `json:"mature"` // of those
	Diverse     int      `json:"diverse"`
	Suspect     bool     `json:"suspect"`
	Proven      bool     `json:"proven"`
	Waiting     bool     `json:"waiting"`
	ViewSince   uint64   `json:"view_since"` // round; 0 where it is not there
	SampleSince uint64   `json:"sample_since"`
	Network     string   `json:"network"`
	Prefix      string   `json:"prefix"`
	Located     bool     `json:"located"` // we met it there
	Addrs       []string `json:"addrs"`
}

// A Network is the peers of one address prefix.
type Network struct {
	Name    string `json:"name"`
	Peers   int    `json:"peers"`
	View    int    `json:"view"`   // peers in the view
	Sample  int    `json:"sample"` // peers in the sample
	Suspect int    `json:"suspect"`
}

// A PushState is the pushes of the last round.
type PushState struct {
	Counted    int  `json:"counted"`
	Dropped    int  `json:"dropped"` // unread; they count as load
	Repeats    int  `json:"repeats"`
	Threshold  int  `json:"threshold"`
	Overloaded bool `json:"overloaded"`
}

// A WorkState is the exchanges of the last round.
type WorkState struct {
	Planned  int `json:"planned"`
	Done     int `json:"done"`
	Answered int `json:"answered"`
}

// A Refusal is refused input by reason.
type Refusal struct {
	Reason       brahmshost.Reason `json:"reason"`
	Count        uint64            `json:"count"`
	Misbehaviour bool              `json:"misbehaviour"`
	Meaning      string            `json:"meaning"`
}

// A StateState is what is kept on disk.
type StateState struct {
	Store    string    `json:"store"` // empty: nothing is
	Writes   uint64    `json:"writes"`
	Failures uint64    `json:"failures"`
	Written  time.Time `json:"written"`
	Error    string    `json:"error"`
}

// A TokenState is what push tokens cost.
type TokenState struct {
	Bits     int    `json:"bits"` // 0: off
	Solved   uint64 `json:"solved"`
	Skipped  uint64 `json:"skipped"`
	Rejected uint64 `json:"rejected"`
}

// State returns the state of the service at the end of the last round.
func (n *Node) State() NodeState {
	s, p := n.Service.Status(), n.History.past()
	out := NodeState{
		ID: s.ID, Version: n.Version, Started: n.Started, Now: time.Now(), Interval: seconds(n.Interval),
		Round: s.Round, Outcome: s.Node.Outcome.String(), Took: seconds(s.Took), NotReady: notReady(s), Health: append(brahmshost.Health{}, s.Health...),
		View: SetState{Slots: s.Node.L1, Filled: s.Node.ViewLen, Distinct: s.Node.ViewDistinct},
		Sample: SetState{
			Slots: len(s.Slots), Filled: s.Node.SampleFilled, Distinct: s.Node.SampleDistinct, Mature: s.Node.SampleMature,
			Proven: s.Node.SampleProven, Waiting: s.Node.Waiting,
		},
		Size: sizeOf(s.Size, s.Node.SampleDistinct+1),
		Pushes: PushState{
			Counted: s.Node.Pushes, Dropped: s.Node.PushOverflow, Repeats: s.Node.PushRepeats, Threshold: s.Node.Threshold,
			Overloaded: s.Node.Overloaded,
		},
		Deaths: s.Node.Deaths, Suspects: len(s.Suspects), Doubting: s.Node.Doubting,
		Work:    WorkState{Planned: s.Exchanges, Done: s.Done, Answered: s.Answered},
		Refused: refusals(s.Refused),
		Counters: [][2]any{
			{"dials", s.Dials}, {"dials withheld", s.DialsWithheld}, {"streams served", s.Served}, {"suspects of others helped", s.Helped},
			{"deaths put off in the round", s.Node.Postponed}, {"fresh peers left", s.Picks.Left}, {"fresh peers taken", s.Picks.Taken}, {"records", s.Records},
			{"records evicted", s.Evicted}, {"tombstones", s.Node.Tombstones}, {"offences in the round", s.Offences},
			{"streams turned away in the round", s.TurnedAway}, {"events dropped", s.EventsDropped},
		},
		State:   StateState{Store: s.State.Store, Writes: s.State.Writes, Failures: s.State.Failures, Written: s.State.Written, Error: s.State.Error},
		Tokens:  TokenState{Bits: s.Tokens.Bits, Solved: s.Tokens.Solved, Skipped: s.Tokens.Skipped, Rejected: s.Tokens.Rejected},
		History: p.points, Changes: p.changes,
	}
	out.Ready = len(out.NotReady) == 0
	out.Peers = n.peers(s, p)
	out.Networks = networks(out.Peers)
	return out
}

// peers lists who stands in view and sample, those of the sample first.
func (n *Node) peers(s brahmshost.Status, p past) []PeerLine {
	lines, index := []PeerLine{}, make(map[peer.ID]int)
	line := func(id peer.ID) *PeerLine {
		i, ok := index[id]
		if !ok {
			i = len(lines)
			index[id] = i
			at := n.Service.Locate(id)
			l := PeerLine{ID: id, ViewSince: p.inView[id], SampleSince: p.sampled[id], Located: at.Located, Addrs: []string{}}
			l.Network, l.Prefix = networkOf(at)
			for _, a := range at.Addrs {
				l.Addrs = append(l.Addrs, a.String())
			}
			lines = append(lines, l)
		}
		return &lines[i]
	}
	for _, slot := range s.Slots {
		if slot.ID == "" {
			continue
		}
		l := line(slot.ID)
		l.Sample++
		l.Proven, l.Waiting = slot.Proven, l.Waiting || slot.Waiting
		if slot.Mature {
			l.Mature++
		}
		if slot.Diverse {
			l.Diverse++
		}
	}
	for _, id := range s.View {
		line(id).View++
	}
	for _, id := range s.Suspects {
		line(id).Suspect = true
	}
	slices.SortStableFunc(lines, func(a, b PeerLine) int {
		return cmp.Or(cmp.Compare(b.Sample, a.Sample), cmp.Compare(b.View, a.View), cmp.Compare(a.ID, b.ID))
	})
	return lines
}

// networks sums up the peers by network, the largest first.
func networks(lines []PeerLine) []Network {
	out, index := []Network{}, make(map[string]int)
	for _, l := range lines {
		i, ok := index[l.Network]
		if !ok {
			i = len(out)
			index[l.Network] = i
			out = append(out, Network{Name: l.Network})
		}
		out[i].Peers++
		for _, c := range []struct {
			n  *int
			is bool
		}{{&out[i].View, l.View > 0}, {&out[i].Sample, l.Sample > 0}, {&out[i].Suspect, l.Suspect}} {
			if c.is {
				*c.n++
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Network) int { return cmp.Or(cmp.Compare(b.Peers, a.Peers), cmp.Compare(a.Name, b.Name)) })
	return out
}

// refusals lists what was refused, the most frequent first.
func refusals(counts map[brahmshost.Reason]uint64) []Refusal {
	out := []Refusal{}
	for _, r := range brahmshost.Reasons() {
		if n := counts[r.Reason]; n > 0 {
			out = append(out, Refusal{Reason: r.Reason, Count: n, Misbehaviour: r.Misbehaviour, Meaning: r.Doc})
		}
	}
	slices.SortStableFunc(out, func(a, b Refusal) int { return cmp.Compare(b.Count, a.Count) })
	return out
}
