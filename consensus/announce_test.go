package consensus

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// TestSubscriberThatDoesNotRead: rounds go on, what finds the queue full is counted, and Close waits a second at most.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := eventbus.NewBus()
		sub, err := bus.Subscribe(new(EvtStatusChanged), eventbus.BufSize(1))
		if err != nil {
			t.Fatal(err)
		}
		s := idle(t, sampleOf(1), withManualRounds())
		if err := s.announcer.open(bus); err != nil {
			t.Fatal(err)
		}
		s.start()
		const epochs = 3 * eventQueue
		for e := range uint64(epochs) {
			s.step(machine.Clock{Epoch: e}) // each comes into a phase
		}
		if st := s.Status(); st.Epoch != epochs-1 || st.EventsDropped < epochs/2 {
			t.Errorf("%+v", st)
		}
		began := time.Now()
		s.Close()
		if took := time.Since(began); took != closeGrace {
			t.Errorf("Close took %v", took)
		}
		go sub.Close()
		for range sub.Out() {
		}
	})
}

// TestOffenders: each peer is named once a round with all that it did, a bounded number of them, and a crowd at one address does not take
// all places.
func TestOffenders(t *testing.T) {
	o := newOffences()
	note := func(who int, addr string) {
		o.note(origin{peer: testID(t, who), addr: multiaddr.StringCast(addr), protocol: PollID}, ReasonForged)
	}
	for i := range 1000 {
		note(i, "/ip4/9.9.9.9/tcp/1")
	}
	note(0, "/ip4/9.9.9.9/tcp/1")
	note(2000, "/ip4/8.8.8.8/tcp/1")
	list := o.take(7)
	if len(list) != offendersOfAddr+1 || list[0].Count != 2 || list[0].Round != 7 || list[offendersOfAddr].Peer != testID(t, 2000) {
		t.Errorf("%d are named: %+v", len(list), list)
	}
	for i := range 1000 {
		note(i, fmt.Sprintf("/ip4/9.9.%d.9/tcp/1", i%250))
	}
	if n := len(o.take(8)); n != MaxOffenders {
		t.Errorf("%d are named", n)
	}
	if n := len(o.take(9)); n != 0 {
		t.Errorf("%d are named in a quiet round", n)
	}
}
