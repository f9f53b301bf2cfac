package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/prometheus/client_golang/prometheus"
)

// directQueue is how many attempts to connect directly may wait to be printed. Those that find it full go unprinted.
const directQueue = 64

// By what a peer tries to come from a relayed connection to a direct one.
const (
	byDial  = "dial"  // of the other's public address
	byPunch = "punch" // of holes into both NATs at once
)

// directEvent is how one such attempt ended. Both peers try; each tells of its own attempts.
type directEvent struct {
	Event   string  `json:"event"` // "direct"
	Peer    peer.ID `json:"peer"`
	By      string  `json:"by"`
	Success bool    `json:"success"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // names addresses that the other chose
}

// attempts hears from libp2p how attempts to connect directly end. It is a holepunch.EventTracer.
type attempts chan directEvent

// newAttempts returns nil if nobody wants to know.
func newAttempts(wanted bool) attempts {
	if !wanted {
		return nil
	}
	return make(attempts, directQueue)
}

// option makes the host punch holes, and tell of it where that is wanted. The metrics are those that it has anyway: they and
// events exclude each other unless they are set together.
func (a attempts) option() libp2p.Option {
	if a == nil {
		return libp2p.EnableHolePunching()
	}
	metrics := holepunch.NewMetricsTracer(holepunch.WithRegisterer(prometheus.DefaultRegisterer))
	return libp2p.EnableHolePunching(holepunch.WithMetricsAndEventTracer(metrics, a))
}

// Trace is called by libp2p. It does not wait.
func (a attempts) Trace(evt *holepunch.Event) {
	out := directEvent{Event: "direct", Peer: evt.Remote}
	switch e := evt.Evt.(type) {
	case *holepunch.DirectDialEvt:
		out.By, out.Success, out.Seconds, out.Error = byDial, e.Success, seconds(e.EllapsedTime), e.Error
	case *holepunch.EndHolePunchEvt:
		out.By, out.Success, out.Seconds, out.Error = byPunch, e.Success, seconds(e.EllapsedTime), e.Error
	default: // the others lead to these
		return
	}
	select {
	case a <- out:
	default:
	}
}

// seconds are those of d, to a millisecond.
func seconds(d time.Duration) float64 { return math.Round(1000*d.Seconds()) / 1000 }

// direct prints how an attempt ended.
func (r *reporter) direct(e directEvent) error {
	if r.json {
		return json.NewEncoder(r.w).Encode(e)
	}
	what, how := map[string]string{byDial: "a dial of its public address", byPunch: "a punched hole"}[e.By], "reached"
	if !e.Success {
		how = "not reached"
	}
	_, err := io.WriteString(r.w, fmt.Sprintf("direct   %s: %s by %s, after %.1f s\n", e.Peer, how, what, e.Seconds))
	return err
}
