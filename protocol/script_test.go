package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestScripts runs the scripts of testdata: one node, what happens to it, and the full trace of what it does. After a
// change of behaviour run
//
//	go test ./protocol -run TestScripts -rewrite
//
// and commit the diff only if you understand what caused it. The commands:
//
//	new [preset=hardened] [l=10] [seeds=(b,c)] [seed=1] [overload=] [refresh=] [maturity=] [misses=] [maxdeaths=]
//	    [indirect=] [postpone=] [doubt=] [tombstone=] [unverified=] [probes=] [tuples] [direct]
//	    makes the node "self"
//	tick [times=1]                            closes the round, opens the next, prints what to do in it
//	push from=(b,c*3)                         pushes, c three times
//	overflow count=5                          pushes that the driver dropped unread
//	pull-reply from=b ids=(c,d*2)             prints how it was taken, if it was refused
//	result id=(b,c) outcome=alive             alive, alive_unproven, missed, leaving, no_evidence
//	exchange alive=(b,c) [view=(b,c)]         the work of the open round: those alive answer, with that view, all
//	                                          others miss
//	indirect id=b [yes]                       one helper's answer about b
//	appeal id=b                               news of b
//	disconnect id=b                           the last connection to b is gone
//	state                                     prints view, sample and status
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			return
		}
		s := script{}
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	node *Node
	acts Actions
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	times, count, from, id := 1, 0, "", ""
	switch d.Cmd {
	case "new":
		s.create(t, d)
	case "tick":
		d.MaybeScanArgs(t, "times", &times)
		for range times {
			s.acts = s.node.Tick()
			fmt.Fprintf(&out, "round %d: %v\n", s.acts.Round, s.acts.Outcome)
			line(&out, "push", s.acts.Pushes)
			line(&out, "pull", s.acts.Pulls)
			line(&out, "probe", s.acts.Probes)
			for _, q := range s.acts.Indirect {
				line(&out, "ask about "+string(q.Target), q.Helpers)
			}
			line(&out, "dead", s.acts.Dead)
		}
	case "push":
		push(s.node, list(t, d, "from")...)
	case "overflow":
		d.ScanArgs(t, "count", &count)
		s.node.HandlePushOverflow(count)
	case "pull-reply":
		d.ScanArgs(t, "from", &from)
		if err := s.node.HandlePullReply(peer.ID(from), list(t, d, "ids")); err != nil {
			fmt.Fprintln(&out, err)
		}
	case "result":
		outcome := ""
		d.ScanArgs(t, "outcome", &outcome)
		o := NoEvidence
		for o.String() != outcome {
			if o++; o > Leaving {
				d.Fatalf(t, "unknown outcome %q", outcome)
			}
		}
		for _, id := range list(t, d, "id") {
			s.node.HandleProbeResult(id, o)
		}
	case "exchange":
		alive := list(t, d, "alive")
		answered := alive
		if d.HasArg("view") {
			answered = list(t, d, "view")
		}
		exchange(t, s.node, s.acts, among(alive...), answered...)
	case "indirect":
		d.ScanArgs(t, "id", &id)
		s.node.HandleIndirect(peer.ID(id), d.HasArg("yes"))
	case "appeal":
		d.ScanArgs(t, "id", &id)
		s.node.Appeal(peer.ID(id))
	case "disconnect":
		d.ScanArgs(t, "id", &id)
		s.node.HandleDisconnect(peer.ID(id))
	case "state":
		s.state(&out)
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	if out.Len() == 0 {
		return "ok"
	}
	return out.String()
}

func (s *script) create(t *testing.T, d *datadriven.TestData) {
	preset, l, seed := "hardened", 10, uint64(1)
	d.MaybeScanArgs(t, "preset", &preset)
	d.MaybeScanArgs(t, "l", &l)
	d.MaybeScanArgs(t, "seed", &seed)
	p, err := Preset(preset, l)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	for name, field := range map[string]*int{"maturity": &p.Maturity, "misses": &p.Misses, "maxdeaths": &p.MaxDeaths,
		"indirect": &p.Indirect, "postpone": &p.MaxPostpone, "doubt": &p.DoubtRounds, "tombstone": &p.Tombstone, "unverified": &p.Unverified, "probes": &p.Probes} {
		d.MaybeScanArgs(t, name, field)
	}
	overload, refresh := string(p.Overload), string(p.Refresh)
	d.MaybeScanArgs(t, "overload", &overload)
	d.MaybeScanArgs(t, "refresh", &refresh)
	p.Overload, p.Refresh = OverloadRule(overload), RefreshPolicy(refresh)
	p.Tuples, p.Direct = p.Tuples || d.HasArg("tuples"), p.Direct || d.HasArg("direct")
	if s.node, err = New(self, p, list(t, d, "seeds"), testRand(seed)); err != nil {
		d.Fatalf(t, "%v", err)
	}
	s.acts = Actions{}
}

// list reads the ids of an argument; b*3 stands for three times b.
func list(t *testing.T, d *datadriven.TestData, key string) (ids []peer.ID) {
	arg, _ := d.Arg(key)
	for _, val := range arg.Vals {
		id, repeat, ok := strings.Cut(val, "*")
		n := 1
		if ok {
			var err error
			if n, err = strconv.Atoi(repeat); err != nil {
				d.Fatalf(t, "%v", err)
			}
		}
		for range n {
			ids = append(ids, peer.ID(id))
		}
	}
	return ids
}

func line(out *strings.Builder, name string, ids []peer.ID) {
	if len(ids) > 0 {
		fmt.Fprintf(out, "  %s %s\n", name, brief(ids))
	}
}

// brief writes ids in order, and how often each is among them.
func brief(ids []peer.ID) string {
	if len(ids) == 0 {
		return "-"
	}
	var words []string
	for _, id := range slices.Sorted(slices.Values(distinct(ids))) {
		word := string(id)
		if n := countIn(ids, among(id)); n > 1 {
			word += fmt.Sprint("*", n)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (s *script) state(out *strings.Builder) {
	st := s.node.Status()
	var held, young []peer.ID
	for _, slot := range s.node.Slots() {
		switch {
		case slot.ID == "":
		case slot.Mature:
			held = append(held, slot.ID)
		default:
			young = append(young, slot.ID)
		}
	}
	var refused, suspects []peer.ID
	for id := range s.node.life.once.tombs {
		refused = append(refused, id)
	}
	for id := range s.node.life.never.tombs {
		refused = append(refused, id)
	}
	for id := range s.node.life.health {
		if s.node.life.suspect(id) {
			suspects = append(suspects, id)
		}
	}
	refused = slices.DeleteFunc(refused, func(id peer.ID) bool { return !s.node.refuses(id) })
	fmt.Fprintf(out, "view    %s\nmature  %s\nyoung   %s\nsuspect %s\nrefused %s\n", brief(s.node.View()), brief(held), brief(young), brief(suspects), brief(refused))
	fmt.Fprintf(out, "pushes  %d of %d, repeats %d, overflow %d; pulls %d, probes %d, deaths %d", st.Pushes, st.Threshold, st.PushRepeats, st.PushOverflow, st.Pulls, st.Probes, st.Deaths)
	for _, flag := range []struct {
		on   bool
		name string
	}{{st.Overloaded, "overloaded"}, {st.Doubting, "doubting"}, {st.Young, "young"}} {
		if flag.on {
			fmt.Fprintf(out, ", %s", flag.name)
		}
	}
	out.WriteString("\n")
}
