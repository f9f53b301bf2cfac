package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
)

// TestAttempts: of libp2p's events those are told that end an attempt, to people and to programs. What the other peer chose
// is not printed to people. internal/nattest has them from real NATs.
func TestAttempts(t *testing.T) {
	const id = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	other, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		evt        any
		json, text string
	}{
		{&holepunch.EndHolePunchEvt{Success: true, EllapsedTime: 1234567 * time.Microsecond},
			`{"event":"direct","peer":"` + id + `","by":"punch","success":true,"seconds":1.235}` + "\n",
			"direct   " + id + ": reached by a punched hole, after 1.2 s\n"},
		{&holepunch.EndHolePunchEvt{EllapsedTime: 10 * time.Second, Error: "at /dns4/\x1b[2J/tcp/1"},
			`{"event":"direct","peer":"` + id + `","by":"punch","success":false,"seconds":10,"error":"at /dns4/\u001b[2J/tcp/1"}` + "\n",
			"direct   " + id + ": not reached by a punched hole, after 10.0 s\n"},
		{&holepunch.DirectDialEvt{Success: true, EllapsedTime: time.Millisecond},
			`{"event":"direct","peer":"` + id + `","by":"dial","success":true,"seconds":0.001}` + "\n",
			"direct   " + id + ": reached by a dial of its public address, after 0.0 s\n"},
		{&holepunch.DirectDialEvt{EllapsedTime: time.Second, Error: "no"},
			`{"event":"direct","peer":"` + id + `","by":"dial","success":false,"seconds":1,"error":"no"}` + "\n",
			"direct   " + id + ": not reached by a dial of its public address, after 1.0 s\n"},
		{&holepunch.StartHolePunchEvt{}, "", ""},
		{&holepunch.HolePunchAttemptEvt{}, "", ""},
		{&holepunch.ProtocolErrorEvt{}, "", ""},
	} {
		a := newAttempts(true)
		a.Trace(&holepunch.Event{Remote: other, Evt: c.evt})
		close(a)
		var text, json bytes.Buffer
		for e := range a {
			if err := (&reporter{w: &text}).direct(e); err != nil {
				t.Fatal(err)
			}
			if err := (&reporter{w: &json, json: true}).direct(e); err != nil {
				t.Fatal(err)
			}
		}
		if json.String() != c.json || text.String() != c.text {
			t.Errorf("%+v:\n%s%s", c.evt, json.String(), text.String())
		}
	}
}

// TestAttemptsWaitForNobody: libp2p does not wait for our output.
func TestAttemptsWaitForNobody(t *testing.T) {
	a := newAttempts(true)
	for range 2 * directQueue {
		a.Trace(&holepunch.Event{Evt: &holepunch.EndHolePunchEvt{}})
	}
	if len(a) != directQueue {
		t.Errorf("%d wait", len(a))
	}
	if newAttempts(false) != nil {
		t.Error("a queue that nobody reads")
	}
}
