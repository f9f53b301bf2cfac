package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// A Condition is something that troubles a service, or that its user should know. The conditions are a closed set: see
// Conditions.
type Condition string

// The conditions. What each means stands in the table below.
const (
	ConditionYoung        Condition = "young"
	ConditionRestored     Condition = "restored"
	ConditionAlone        Condition = "alone"
	ConditionIsolated     Condition = "isolated"
	ConditionDoubting     Condition = "doubting"
	ConditionOverloaded   Condition = "overloaded"
	ConditionSaturated    Condition = "saturated"
	ConditionMisbehaviour Condition = "misbehaviour"
	ConditionPrivate      Condition = "private"
	ConditionUnreachable  Condition = "unreachable"
	ConditionLeaving      Condition = "leaving"
)

// A ConditionInfo describes a Condition.
type ConditionInfo struct {
	Condition Condition
	Doc       string
}

// A Trouble is a condition that holds, and why.
type Trouble struct {
	Condition Condition `json:"condition"`
	Reason    string    `json:"reason"` // a sentence with the figures
}

// Health is the conditions that hold, in the order of Conditions; none is good health. A service can only tell what it
// sees: one that knows none but faulty peers, who all answer, calls itself healthy.
type Health []Trouble

// Has reports whether c holds.
func (h Health) Has(c Condition) bool {
	return slices.ContainsFunc(h, func(t Trouble) bool { return t.Condition == c })
}

// Same reports whether the same conditions hold in other, whatever their figures.
func (h Health) Same(other Health) bool {
	return slices.EqualFunc(h, other, func(a, b Trouble) bool { return a.Condition == b.Condition })
}

// String returns "healthy", or each condition with its reason.
func (h Health) String() string {
	if len(h) == 0 {
		return "healthy"
	}
	var parts []string
	for _, t := range h {
		parts = append(parts, fmt.Sprintf("%s (%s)", t.Condition, t.Reason))
	}
	return strings.Join(parts, ", ")
}

// What comes and goes by chance holds only when it lasts: from healthEnter of the last healthWindow rounds on, until no
// more than healthLeave of them are left. A healthy round of Hardened is overloaded with a chance of .023 at most
// (docs/simulation.md, over_threshold), so that eight of them sound the alarm once in three million times; rounds of
// Paper, at .44, do so one time in four, as that preset loses them.
const (
	healthWindow   = 8
	healthEnter    = 5
	healthLeave    = 2
	isolatedRounds = 4 // without any answer
	doubtLinger    = 4 // rounds for which doubt must have gone
)

// vital is what one round tells of a service's health.
type vital struct {
	node                protocol.Status
	slots               int
	exchanges, answered int
	offences, offenders int
	turnedAway          int
	private, leaving    bool
	reach               network.Reachability
}

func vitalOf(s *Snapshot) vital {
	return vital{
		node: s.Node, slots: len(s.Slots), exchanges: s.Exchanges, answered: s.Answered,
		offences: s.Offences, offenders: s.Offenders, turnedAway: s.TurnedAway,
		private: s.Private, leaving: s.Leaving, reach: s.Reachability,
	}
}

// judgeHealth returns the health at the end of the last of rounds, of which there is at least one and which are at most
// healthWindow, oldest first. before is the health at the end of the round before.
func judgeHealth(rounds []vital, before Health) Health {
	var h Health
	for _, c := range conditionTable {
		if why := c.judge(rounds, before.Has(c.Condition)); why != "" {
			h = append(h, Trouble{c.Condition, why})
		}
	}
	return h
}

// conditionTable has an entry for each condition. judge returns the sentence if it holds, else nothing; held is whether
// it did before.
var conditionTable = []struct {
	ConditionInfo
	judge func(rounds []vital, held bool) string
}{
	{ConditionInfo{ConditionYoung, "no slot of the sample is mature: it is not uniform yet"},
		func(rounds []vital, _ bool) string {
			v := rounds[len(rounds)-1]
			if !v.node.Young {
				return ""
			}
			return fmt.Sprintf("no slot of %d is mature, %d are filled: the sample is not uniform yet", v.slots, v.node.SampleFilled)
		}},
	{ConditionInfo{ConditionRestored, "peers of the stored sample have not answered since the start: they do not count"},
		func(rounds []vital, _ bool) string {
			v := rounds[len(rounds)-1]
			if v.node.Waiting == 0 {
				return ""
			}
			return fmt.Sprintf("of the stored sample %d peers have not answered since the start: they do not count", v.node.Waiting)
		}},
	{ConditionInfo{ConditionAlone, "nobody known has ever answered; seeds, former contacts and the discover function are tried with back-off, for ever"},
		func(rounds []vital, _ bool) string {
			v := rounds[len(rounds)-1]
			if v.node.Outcome != protocol.Alone {
				return ""
			}
			return fmt.Sprintf("of %d ids in the view none has answered since the start, and no push came; %d seeds and former contacts, %d tries, the next in %d rounds",
				v.node.ViewDistinct, v.node.Acquaintances, v.node.Tries, v.node.NextTry)
		}},
	{ConditionInfo{ConditionIsolated, fmt.Sprintf("others are known, but in the last %d rounds none answered and none pushed", isolatedRounds)},
		judgeIsolated},
	{ConditionInfo{ConditionDoubting, "so many peers fail at once that the fault may be ours: nobody is declared dead"},
		judgeDoubting},
	{ConditionInfo{ConditionOverloaded, "more pushes than a healthy network sends, for rounds: a flood"},
		func(rounds []vital, held bool) string {
			n, last, ok := lasting(rounds, held, func(v *vital) bool { return v.node.Overloaded })
			if !ok {
				return ""
			}
			return fmt.Sprintf("pushes %d > threshold %d, and so in %d of %d rounds",
				last.node.Pushes+last.node.PushOverflow, last.node.Threshold, n, len(rounds))
		}},
	{ConditionInfo{ConditionSaturated, "streams of others are turned away for want of room, for rounds"},
		func(rounds []vital, held bool) string {
			n, last, ok := lasting(rounds, held, func(v *vital) bool { return v.turnedAway > 0 })
			if !ok {
				return ""
			}
			return fmt.Sprintf("turned away %d streams in a round, and some in %d of %d rounds", last.turnedAway, n, len(rounds))
		}},
	{ConditionInfo{ConditionMisbehaviour, "peers send what no correct peer sends, for rounds"},
		func(rounds []vital, held bool) string {
			n, last, ok := lasting(rounds, held, func(v *vital) bool { return v.offences > 0 })
			if !ok {
				return ""
			}
			return fmt.Sprintf("offences %d by %s%d peers in a round, and some in %d of %d rounds",
				last.offences, atLeast(last.offenders), last.offenders, n, len(rounds))
		}},
	{ConditionInfo{ConditionPrivate, "no address that others may be told: this peer does not push, and nobody learns of it"},
		func(rounds []vital, _ bool) string {
			if !rounds[len(rounds)-1].private {
				return ""
			}
			return "no address that others may be told: nobody learns of this peer"
		}},
	{ConditionInfo{ConditionUnreachable, "AutoNAT found that others cannot dial this peer directly"},
		func(rounds []vital, _ bool) string {
			v := rounds[len(rounds)-1]
			switch {
			case v.reach != network.ReachabilityPrivate:
				return ""
			case v.private:
				return "AutoNAT: others cannot dial this peer, and no relay takes its calls"
			}
			return "AutoNAT: others cannot dial this peer directly"
		}},
	{ConditionInfo{ConditionLeaving, "Leave was called"},
		func(rounds []vital, _ bool) string {
			if !rounds[len(rounds)-1].leaving {
				return ""
			}
			return "Leave was called: others are told so when they ask"
		}},
}

// Conditions returns the closed set of conditions.
func Conditions() []ConditionInfo {
	var out []ConditionInfo
	for _, c := range conditionTable {
		out = append(out, c.ConditionInfo)
	}
	return out
}

// lasting reports whether what bad finds in a round has lasted, in how many of rounds it was, and the last of those.
func lasting(rounds []vital, held bool, bad func(*vital) bool) (n int, last *vital, ok bool) {
	for i := range rounds {
		if bad(&rounds[i]) {
			n, last = n+1, &rounds[i]
		}
	}
	if held {
		return n, last, n > healthLeave
	}
	return n, last, n >= healthEnter
}

// judgeIsolated: an exchange that was planned was meant for somebody; pushes that come say that others reach us.
func judgeIsolated(rounds []vital, _ bool) string {
	if len(rounds) < isolatedRounds || rounds[len(rounds)-1].node.Outcome == protocol.Alone {
		return ""
	}
	planned := 0
	for _, v := range rounds[len(rounds)-isolatedRounds:] {
		if v.exchanges == 0 || v.answered > 0 || v.node.Pushes > 0 {
			return ""
		}
		planned += v.exchanges
	}
	return fmt.Sprintf("in the last %d rounds 0 of %d exchanges were answered, and no push came", isolatedRounds, planned)
}

// judgeDoubting lingers: doubt ends by itself after some rounds, whatever the cause, and may begin again.
func judgeDoubting(rounds []vital, held bool) string {
	linger := 1
	if held {
		linger = min(doubtLinger, len(rounds))
	}
	for i := range linger {
		v := rounds[len(rounds)-1-i]
		if v.node.Doubting {
			return fmt.Sprintf("more than half of the last first probes failed, %d sampled peers of %d are suspect: nobody is declared dead",
				v.node.Suspects, v.node.SampleDistinct)
		}
	}
	return ""
}

// atLeast marks a count of offenders that is cut off.
func atLeast(offenders int) string {
	if offenders == MaxOffenders {
		return "at least "
	}
	return ""
}
