package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/spread"
)

// reporter prints what happens to a peer, for people or, with json, for programs.
type reporter struct {
	w      io.Writer
	json   bool
	missed uint64            // messages that were not printed, as said last
	health brahmshost.Health // as printed last; at the start it is good
	addrs  []string          // our own, sorted, as printed last
}

type startedEvent struct {
	Event string   `json:"event"` // "started"
	ID    peer.ID  `json:"id"`
	Addrs []string `json:"addrs"` // each ends in /p2p/ID

	Restored int `json:"restored"` // peers of the sample that come from --data
}

type roundEvent struct {
	Event   string    `json:"event"` // "round"
	Round   uint64    `json:"round"`
	Outcome string    `json:"outcome"`
	View    []peer.ID `json:"view"`   // one a slot
	Sample  []peer.ID `json:"sample"` // distinct
	Pushes  int       `json:"pushes"` // accepted from others in the closed round
	Pulls   int       `json:"pulls"`  // replies used
	Probes  int       `json:"probes"` // answered
	Picks   int       `json:"picks"`  // fresh peers that could be handed out

	Refused map[brahmshost.Reason]uint64 `json:"refused"` // input of others, by reason, since the start
}

type healthEvent struct {
	Event  string            `json:"event"` // "health"
	Round  uint64            `json:"round"`
	Health brahmshost.Health `json:"health"` // empty: all is well
}

type leavingEvent struct {
	Event  string  `json:"event"`  // "leaving"
	Within float64 `json:"within"` // seconds
}

type leftEvent struct {
	Event   string  `json:"event"` // "left"
	How     string  `json:"how"`
	Seconds float64 `json:"seconds"` // since it was interrupted
}

// How a peer has left.
const (
	leftQuiet   = "quiet"   // nobody new asked any more
	leftTimeout = "timeout" // some still did
	leftClosed  = "closed"  // nobody was told
)

// leaving prints that the peer goes, and how long that may take.
func (r *reporter) leaving(within time.Duration) error {
	if r.json {
		return json.NewEncoder(r.w).Encode(leavingEvent{Event: "leaving", Within: within.Seconds()})
	}
	_, err := fmt.Fprintf(r.w, "leaving  others are told for %v at most; interrupt again to end at once\n", within)
	return err
}

// left prints how the peer went.
func (r *reporter) left(how string, took time.Duration) error {
	seconds := math.Round(1000*took.Seconds()) / 1000
	if r.json {
		return json.NewEncoder(r.w).Encode(leftEvent{Event: "left", How: how, Seconds: seconds})
	}
	why := map[string]string{
		leftQuiet: "nobody new asked any more", leftTimeout: "time was up, others still asked", leftClosed: "nobody was told",
	}[how]
	_, err := fmt.Fprintf(r.w, "left     %s: %s, after %.1f s\n", how, why, seconds)
	return err
}

// started prints id, addresses and the number of peers of the sample that were restored. command is what starts another peer of the network, but for the address.
func (r *reporter) started(h corehost.Host, command string, restored int) error {
	addrs, err := peer.AddrInfoToP2pAddrs(corehost.InfoFromHost(h))
	if err != nil {
		return err
	}
	r.addrs = texts(addrs)
	slices.Sort(r.addrs)
	if r.json {
		return json.NewEncoder(r.w).Encode(startedEvent{Event: "started", ID: h.ID(), Addrs: texts(addrs), Restored: restored})
	}
	text := fmt.Sprintf("peer     %s\n", h.ID())
	for _, a := range addrs {
		text += fmt.Sprintf("address  %s\n", a)
	}
	if restored > 0 {
		text += fmt.Sprintf("sample   %d peers restored; each counts once it has answered again\n", restored)
	}
	if a := widest(addrs); a != nil {
		text += fmt.Sprintf("\nTo start another peer from this one:\n\n    %s --bootstrap %s\n\n", command, a)
	}
	_, err = io.WriteString(r.w, text)
	return err
}

// widest returns the first of addrs that can be reached from most of the network: a public one, else one of the LAN,
// else any.
func widest(addrs []multiaddr.Multiaddr) multiaddr.Multiaddr {
	var best multiaddr.Multiaddr
	rank := 0
	for _, a := range addrs {
		r := 2
		switch {
		case manet.IsPublicAddr(a):
			r = 3
		case manet.IsIPLoopback(a):
			r = 1
		}
		if r > rank {
			best, rank = a, r
		}
	}
	return best
}

// round prints a closed round. The snapshot from before the first is none. refused counts input of others by reason.
func (r *reporter) round(s *brahmshost.Snapshot, refused map[brahmshost.Reason]uint64) error {
	if s.Round == 0 {
		return nil
	}
	if err := r.changed(s); err != nil {
		return err
	}
	if r.json {
		e := roundEvent{
			Event: "round", Round: s.Round, Outcome: s.Node.Outcome.String(), View: s.View, Sample: []peer.ID{},
			Pushes: s.Node.Pushes, Pulls: s.Node.Pulls, Probes: s.Node.Probes,
			Picks: s.Node.BankPicks, Refused: refused,
		}
		if e.View == nil {
			e.View = []peer.ID{}
		}
		for _, p := range s.Peers {
			e.Sample = append(e.Sample, p.ID)
		}
		return json.NewEncoder(r.w).Encode(e)
	}
	young := ""
	if s.Node.Young && s.Node.SampleFilled > 0 {
		young = ", not uniform yet"
	}
	_, err := fmt.Fprintf(r.w, "round %-5d %-13s  view %d slots, %d distinct; sample %d of %d slots, %d distinct%s; %d pushes, %d pulls, %d probes\n",
		s.Round, s.Node.Outcome, s.Node.ViewLen, s.Node.ViewDistinct, s.Node.SampleFilled, len(s.Slots), len(s.Peers), young,
		s.Node.Pushes, s.Node.Pulls, s.Node.Probes)
	return err
}

type messageEvent struct {
	Event  string  `json:"event"` // "message"
	ID     string  `json:"id"`
	Origin peer.ID `json:"origin"`
	Topic  string  `json:"topic"`
	Time   string  `json:"time"` // by the origin's clock, RFC 3339
	// One of the two: what the message says, or if that is no UTF-8 its bytes.
	Text *string `json:"text,omitempty"`
	Data []byte  `json:"data,omitempty"`
}

// message prints a message. missed is how many were not, up to now, because our output was not read.
func (r *reporter) message(m spread.Message, missed uint64) error {
	if r.json {
		e := messageEvent{
			Event: "message", ID: m.ID.String(), Origin: m.Origin, Topic: m.Topic, Time: m.Time.UTC().Format(time.RFC3339Nano), Data: m.Payload,
		}
		if utf8.Valid(m.Payload) {
			text := string(m.Payload)
			e.Text, e.Data = &text, nil
		}
		return json.NewEncoder(r.w).Encode(e)
	}
	text := ""
	if missed > r.missed {
		text, r.missed = fmt.Sprintf("message  %d were not printed: too many came at once\n", missed-r.missed), missed
	}
	_, err := fmt.Fprintf(r.w, "%smessage  %s: %s\n", text, m.Origin, printable(m.Payload))
	return err
}

// printable is the text of a message for a terminal: whatever is no visible character or space stands escaped, as in Go, for
// a message could move the cursor and write over other lines.
func printable(b []byte) string {
	quoted := strconv.QuoteToGraphic(string(b))
	return strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\\`, `\`)
}

// changed prints the health at the end of a round if other conditions hold than were printed last.
func (r *reporter) changed(s *brahmshost.Snapshot) error {
	if s.Health.Same(r.health) {
		return nil
	}
	r.health = s.Health
	if r.json {
		return json.NewEncoder(r.w).Encode(healthEvent{
			Event: "health", Round: s.Round, Health: append(brahmshost.Health{}, s.Health...),
		})
	}
	if len(s.Health) == 0 {
		_, err := fmt.Fprintln(r.w, "health   healthy")
		return err
	}
	text := ""
	for _, t := range s.Health {
		text += fmt.Sprintf("health   %s: %s\n", t.Condition, t.Reason)
	}
	_, err := io.WriteString(r.w, text)
	return err
}
