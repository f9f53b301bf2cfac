package swarm

import "fmt"

// Standing is how the peers of a run with churn stood at the ends of its rounds: in the largest component, or outside. It
// is looked at from the round on in which churn begins. At the end alone one would see the last of many newcomers, who
// may not have arrived yet, and none of those that were lost before and died.
type Standing struct {
	// SettleRounds is for how many rounds since its start a newcomer was outside before it stood in the component for the
	// first time, the most of them; those that never did count with the rounds that they were up. Orphans count as long as
	// they were none.
	SettleRounds int `json:"settle_rounds"`
	// Orphans are newcomers whose only contact died, or became an orphan, before they stood in the component: like those whose
	// only contact is faulty they may never hear of a correct peer, whatever the algorithm.
	Orphans     int `json:"orphans"`
	Lapses      int `json:"lapses"`       // how often a peer that had stood in it was outside
	LapseRounds int `json:"lapse_rounds"` // for how many rounds, the most of them
}

// What the standing of a run must not exceed. Newcomers are in it after one round or two, and the most that was seen of any was 9, on
// a machine so busy that their first exchanges did not end in their rounds; of lapses it was 2.
const (
	MaxSettleRounds = 20
	MaxLapseRounds  = 10
)

// Failure says in one line in what the standing is too poor, "" if in nothing.
func (s *Standing) Failure() string {
	switch {
	case s.SettleRounds > MaxSettleRounds:
		return fmt.Sprintf("a newcomer was outside the largest component for %d rounds, at most %d are allowed", s.SettleRounds, MaxSettleRounds)
	case s.LapseRounds > MaxLapseRounds:
		return fmt.Sprintf("a peer fell out of the largest component for %d rounds, at most %d are allowed", s.LapseRounds, MaxLapseRounds)
	}
	return ""
}

// footing is how one peer stands.
type footing struct {
	settled bool // it was in the largest component once
	orphan  bool // its contact was gone before
	outside int  // ends of rounds in a row, up to the last, at which it was not
}

// note takes down how a peer stands at the end of one more round, and whether the contact that it began with is gone.
func (s *Standing) note(f *footing, outside, alone bool) {
	if !outside {
		*f = footing{settled: true}
		return
	}
	f.outside++
	switch {
	case f.orphan:
	case !f.settled && alone:
		f.orphan = true
		s.Orphans++
	case !f.settled:
		s.SettleRounds = max(s.SettleRounds, f.outside)
	case f.outside == 1:
		s.Lapses++
		fallthrough
	default:
		s.LapseRounds = max(s.LapseRounds, f.outside)
	}
}

// stand looks at all live peers at the end of a round.
func (r *run) stand() {
	if r.cfg.Churn == 0 || r.round < MaturityRounds {
		return
	}
	if r.standing == nil {
		r.standing = &Standing{}
	}
	members := correct(r.live())
	var states []state
	for _, m := range members {
		states = append(states, m.state(true))
	}
	for i, outside := range newGraph(states).outside() {
		r.standing.note(&members[i].footing, outside, members[i].contactGone())
	}
}

func (m *member) contactGone() bool {
	return m.contact != nil && (m.contact.dead || m.contact.footing.orphan)
}
