package swarm

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// An Agreement is what became of the agreement on a set when the rounds were over. Peers are the correct ones that are up.
type Agreement struct {
	Proposed int    `json:"agree_proposed"` // words that were in time, each by a correct peer
	Attack   string `json:"agree_attack"`   // of the faulty peers; "none" where they agree as others do

	Closed   float64        `json:"agree_closed"`   // share of peers that closed the epoch: their set is final
	Sets     int            `json:"agree_sets"`     // distinct ones among them
	Items    int            `json:"agree_items"`    // in the set, or in that of most; those that faulty peers got in included
	Disagree int            `json:"agree_disagree"` // items that one peer decided in and another out, also in epochs that are open
	Rounds   int            `json:"agree_rounds"`   // until the last of them closed it, the window included; 0: none did
	Seconds  float64        `json:"agree_seconds"`  // likewise
	Status   map[string]int `json:"agree_status"`   // peers by the phase of their epoch

	// Answered is the share of polls that were answered before their round ended. Whoever does not is silent, by fault or because
	// the machine is too slow, and agreement bears less than a quarter of such peers.
	Answered float64 `json:"agree_answered"`

	Polls   float64           `json:"agree_polls"`   // exchanges of polls that a peer opened, in the mean
	Fresh   float64           `json:"agree_fresh"`   // share of them with peers of the bank
	Bytes   float64           `json:"agree_bytes"`   // that a peer sent a second in streams of the agreement, in the mean
	Refused map[string]uint64 `json:"agree_refused"` // input that all peers refused, by reason

	Set []string `json:"agree_set"` // what was agreed on, in the order of the alphabet; null unless some closed and all have the same
}

// An opinion is what one peer says of the epoch when the run is judged.
type opinion struct {
	phase   machine.Phase
	set     []machine.Item      // if it is closed
	decided map[machine.ID]bool // true: in; of a closed epoch those in the set, what is missing is out
}

func (o opinion) closed() bool { return o.phase == machine.Closed }

// in reports whether the peer has decided the item in, out whether it has decided it out.
func (o opinion) in(id machine.ID) bool { return o.decided[id] }

func (o opinion) out(id machine.ID) bool {
	in, known := o.decided[id]
	return known && !in || !known && o.closed()
}

// judgeAgreement says what became of the agreement. ends is when each peer closed the epoch, after its beginning.
func (r *run) judgeAgreement(live []*member, ends map[*member]time.Duration) *Agreement {
	out := &Agreement{Attack: cmp.Or(r.cfg.AgreeAttack, attack.None), Refused: map[string]uint64{}}
	var opinions []opinion
	var polls, fresh, answered uint64
	var last time.Duration
	for _, m := range live {
		if m.dead {
			continue
		}
		opinions = append(opinions, m.opinion())
		st := m.agree.Status()
		polls, fresh, answered = polls+st.Picked, fresh+st.PickedFresh, answered+st.Answered
		for why, n := range st.Refused {
			out.Refused[string(why)] += n
		}
		last = max(last, ends[m])
	}
	out.judge(opinions)
	out.Rounds, out.Seconds = int(math.Ceil(float64(last)/float64(r.cfg.AgreeInterval))), round3(last.Seconds())
	out.Polls, out.Fresh = round3(ratio(int(polls), len(opinions))), round3(ratio(int(fresh), int(polls)))
	out.Answered = round3(ratio(int(answered), int(polls)))
	return out
}

// judge fills in what can be told from what the peers say.
func (a *Agreement) judge(opinions []opinion) {
	a.Status = make(map[string]int)
	sets := make(map[string]int) // peers by the ids of their sets
	var most opinion
	seen := make(map[machine.ID]bool)
	closed := 0
	for _, o := range opinions {
		a.Status[o.phase.String()]++
		for id := range o.decided {
			seen[id] = true
		}
		if !o.closed() {
			continue
		}
		closed++
		key := o.key()
		if sets[key]++; !most.closed() || sets[key] > sets[most.key()] {
			most = o
		}
	}
	a.Closed, a.Sets, a.Items = ratio(closed, len(opinions)), len(sets), len(most.set)
	for id := range seen {
		in := slices.ContainsFunc(opinions, func(o opinion) bool { return o.in(id) })
		out := slices.ContainsFunc(opinions, func(o opinion) bool { return o.out(id) })
		if in && out {
			a.Disagree++
		}
	}
	if len(sets) == 1 {
		a.Set = []string{}
		for _, it := range most.set {
			a.Set = append(a.Set, string(it.Payload))
		}
		slices.Sort(a.Set)
	}
}

func (o opinion) key() string {
	var key []byte
	for _, it := range o.set { // ascending by id
		id := it.ID()
		key = append(key, id[:]...)
	}
	return string(key)
}

// opinion is what the peer says of the epoch now.
func (m *member) opinion() opinion {
	o := opinion{phase: m.phase(), decided: make(map[machine.ID]bool)}
	for id, in := range m.agree.Outcomes(agreeEpoch) {
		o.decided[id] = in
	}
	if set, ok := m.agree.Decided(agreeEpoch); ok {
		o.close(set)
	}
	return o
}

// close takes in that the peer has closed the epoch with this set. It may have done so since it was asked what it has decided.
func (o *opinion) close(set []machine.Item) {
	o.set, o.phase = set, machine.Closed
	for _, it := range set {
		o.decided[it.ID()] = true
	}
}

// failure says that correct peers have decided differently, "" if not. That some have not decided is none: with too many
// faulty peers agreement stops, and says so.
func (a *Agreement) failure() string {
	if a == nil || a.Disagree == 0 && a.Sets <= 1 {
		return ""
	}
	return fmt.Sprintf("%d items were decided differently by correct peers, which have %d different sets", a.Disagree, a.Sets)
}

// Stopped names the phases in which peers are that have not closed the epoch, with their numbers; "" if all have.
func (a *Agreement) Stopped() string {
	text := ""
	for _, phase := range slices.Sorted(maps.Keys(a.Status)) {
		if phase == machine.Closed.String() {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", a.Status[phase], phase)
	}
	return text
}
