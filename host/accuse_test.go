package host

import (
	"testing"
	"testing/synctest"
)

// TestAccuse: what another protocol saw of a peer and what the service saw itself come as one event, and show in the
// snapshot; who was not accused is not named.
func TestAccuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := announcing(t, newFakeNet(nil))
		sub := subscribe(t, bus, new(EvtPeerMisbehaved), 10)
		s.start()
		settle(second / 2)
		who, addr := peerNo(1), addrList("/ip4/192.0.2.7/tcp/4001")[0]
		for range 3 {
			s.Accuse(Offence{Peer: who, Addr: addr, Reason: "forged", Protocol: "/x/1"})
		}
		offend(s, who, 2, ReasonBadFrame)
		offend(s, peerNo(2), 1, ReasonUnsolicited) // bad luck
		settle(second)
		got := pending[EvtPeerMisbehaved](sub)
		want := EvtPeerMisbehaved{Peer: who, Addr: addr, Reason: "forged", Protocol: "/x/1", Count: 5, Round: s.Snapshot().Round}
		if len(got) != 1 || got[0].Peer != want.Peer || !got[0].Addr.Equal(want.Addr) || got[0].Reason != want.Reason ||
			got[0].Protocol != want.Protocol || got[0].Count != want.Count || got[0].Round != want.Round {
			t.Errorf("%+v, want one %+v", got, want)
		}
		if snap := s.Snapshot(); snap.Offences != 5 || snap.Offenders != 1 {
			t.Errorf("%d offences by %d", snap.Offences, snap.Offenders)
		}
		if n := len(s.Status().Refused); n != 2 { // its own two reasons: those of others are counted by those
			t.Errorf("%v", s.Status().Refused)
		}
		s.Close()
		s.Accuse(Offence{Peer: who, Reason: "forged", Protocol: "/x/1"})
	})
}
