package consensus

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

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
