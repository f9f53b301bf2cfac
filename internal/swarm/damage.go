package swarm

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// VictimDials is what hits a victim that does not speak the protocol.
type VictimDials struct {
	Total int `json:"total"` // connections that reached it
	Nodes int `json:"nodes"` // correct peers that dialled it
	// PerNodeMinute is the most that one peer dialled it within a minute of the clock. Rounds of a swarm are short:
	// PerNode6Rounds is the most within six rounds, a minute at the default interval.
	PerNodeMinute  int `json:"per_node_minute"`
	PerNode6Rounds int `json:"per_node_6_rounds"`
}

func victimDials(v *attack.Victim, interval time.Duration) *VictimDials {
	return &VictimDials{
		Total: v.Accepted(), Nodes: len(v.Nodes()),
		PerNodeMinute: v.Most(time.Minute), PerNode6Rounds: v.Most(6 * interval),
	}
}

// judgeAttack fills in what the faulty peers did and what became of it.
func (r *run) judgeAttack(s *Summary, states []state, dead map[peer.ID]bool) {
	s.Faulty, s.Attack, s.TokenBits = r.cfg.faulty(), attack.None, r.cfg.TokenBits
	if r.crew.adversary != nil {
		s.Attack, s.AttackRate, s.AttackOps = r.cfg.Attack, r.cfg.AttackRate, r.crew.adversary.Ops()
	}
	if r.crew.victim != nil {
		s.VictimDials = victimDials(r.crew.victim, r.cfg.Interval)
	}
	s.Refused = make(map[string]uint64)
	var rounds, over, pushes, bad int
	var work TokenWork
	for _, m := range r.members {
		if m.faulty {
			continue
		}
		spent := m.costs()
		work.CorrectAttempts += spent.tokens.Attempts
		work.CorrectTokens += spent.tokens.Solved - spent.tokens.Rejected
		for why, n := range spent.refused {
			s.Refused[string(why)] += n
		}
		m.tally.mu.Lock()
		rounds, over = rounds+m.tally.rounds, over+m.tally.over
		pushes, bad = pushes+m.tally.pushes, bad+m.tally.bad
		m.tally.mu.Unlock()
	}
	s.OverThreshold, s.PushShare = ratio(over, rounds), ratio(bad, pushes)
	if a := r.crew.adversary; a != nil && r.cfg.TokenBits > 0 {
		work.Compute, work.FaultyAttempts, work.FaultyPushes = r.cfg.AttackCompute, a.Attempts(), bad
		s.Tokens = &work
	}
	s.judgeFaulty(states, dead, r.crew.ids)
}

// TokenWork is what the two sides spent on push tokens and got for it over a run, all peers of a side together.
type TokenWork struct {
	Compute         float64 `json:"compute"` // of a faulty peer: Config.AttackCompute
	FaultyAttempts  uint64  `json:"faulty_attempts"`
	FaultyPushes    int     `json:"faulty_pushes"` // that counted with correct peers, each sender once a round
	CorrectAttempts uint64  `json:"correct_attempts"`
	CorrectTokens   uint64  `json:"correct_tokens"` // that were taken, by faulty peers too: those ask for tokens and throw them away
}

// Gain is how many pushes faulty peers landed for an attempt, in those that correct ones did; 0 where one side got or spent
// nothing.
func (t *TokenWork) Gain() float64 {
	if t.FaultyAttempts == 0 || t.CorrectAttempts == 0 || t.CorrectTokens == 0 {
		return 0
	}
	return float64(t.FaultyPushes) / float64(t.FaultyAttempts) / (float64(t.CorrectTokens) / float64(t.CorrectAttempts))
}

// idCounts are ids by what they are.
type idCounts struct{ live, faulty, dead, phantom int }

// judgeFaulty fills in what can be told from the states of the live peers, and the ids of the dead and the faulty.
func (s *Summary) judgeFaulty(states []state, dead, faulty map[peer.ID]bool) {
	live := make(map[peer.ID]bool, len(states))
	for _, st := range states {
		live[st.id] = true
	}
	count := func(c *idCounts, ids []peer.ID) {
		for _, id := range ids {
			switch {
			case id == "":
			case live[id]:
				c.live++
			case dead[id]:
				c.dead++
			case faulty[id]:
				c.faulty++
			default:
				c.phantom++
			}
		}
	}
	var views, counted, samples idCounts
	for _, st := range states {
		count(&views, st.view)
		count(&counted, st.counted)
		count(&samples, st.sample)
		other := func(id peer.ID) bool { return live[id] && id != st.id }
		if !slices.ContainsFunc(st.view, other) {
			s.Isolated++
			if !slices.ContainsFunc(st.sample, other) {
				s.IsolatedBoth++
			}
		}
	}
	s.ViewFaulty = ratio(views.faulty, views.live+views.faulty)
	s.SampleFaulty = ratio(counted.faulty+counted.phantom, counted.live+counted.faulty+counted.phantom)
	s.PhantomsInViews, s.PhantomsInSamples = views.phantom, samples.phantom
}
