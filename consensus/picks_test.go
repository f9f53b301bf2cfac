package consensus

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

func infosOf(t testing.TB, from, to int) (out []peer.AddrInfo) {
	for i := from; i < to; i++ {
		out = append(out, peer.AddrInfo{ID: testID(t, i)})
	}
	return out
}

// idle is a service that is not running.
func idle(t testing.TB, sampler Sampler, opts ...Option) *Service {
	t.Helper()
	key, id := testKey(t, 0)
	s, err := newService(id, key, sampler, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cancel)
	return s
}

// TestPicks: distinct peers, fresh ones first where they count, the rest from the sample, never ourselves.
func TestPicks(t *testing.T) {
	sample := sampleOf(1)
	sample.infos = infosOf(t, 1, 31)
	sample.infos = append(sample.infos, peer.AddrInfo{ID: testID(t, 0)}) // ourselves
	bank := infosOf(t, 100, 105)
	sample.bank = append(slices.Clone(bank), bank[0], peer.AddrInfo{ID: sample.infos[0].ID})
	s := idle(t, sample)
	picks, fresh := s.draw(20, true)
	ids := map[peer.ID]bool{}
	for _, p := range picks {
		ids[p.ID] = true
	}
	if len(picks) != 20 || len(ids) != 20 || fresh != 6 || ids[s.self] {
		t.Errorf("%d picks, %d distinct, %d fresh", len(picks), len(ids), fresh)
	}
	for i, p := range bank {
		if picks[i].ID != p.ID {
			t.Errorf("pick %d is not fresh", i)
		}
	}
	if len(sample.bank) != 0 {
		t.Errorf("%d are left in the bank", len(sample.bank))
	}
	sample.bank = slices.Clone(bank)
	if _, fresh := s.draw(20, false); fresh != 0 || len(sample.bank) != 5 {
		t.Errorf("%d fresh ones of a bank that was to be left alone, which has %d", fresh, len(sample.bank))
	}
	few := sampleOf(1, testID(t, 1), testID(t, 2))
	if picks, _ := idle(t, few).draw(20, true); len(picks) != 2 {
		t.Errorf("%d picks of a sample of two", len(picks))
	}
}

// TestPassedOver: who is known not to speak the protocol is not asked, and uses up no more of the bank than the bound
// says. Negative control: without the predicate all of them are asked.
func TestPassedOver(t *testing.T) {
	sample := sampleOf(1)
	sample.infos = infosOf(t, 1, 41)
	deaf := map[peer.ID]bool{}
	for _, p := range sample.infos[:25] {
		deaf[p.ID] = true
	}
	sample.bank = infosOf(t, 100, 300)
	for _, p := range sample.bank {
		deaf[p.ID] = true
	}
	s := idle(t, sample)
	s.speaks = func(id peer.ID) bool { return !deaf[id] }
	picks, fresh := s.draw(20, true)
	if len(picks) != 15 || fresh != 0 {
		t.Errorf("%d picks, %d fresh; 15 of the sample speak", len(picks), fresh)
	}
	if used := 200 - len(sample.bank); used != brahmshost.WhereLooks*20 {
		t.Errorf("%d fresh peers were used up", used)
	}
	if n := s.counts.passedOver.Load(); n != uint64(brahmshost.WhereLooks*20+25) {
		t.Errorf("%d passed over", n)
	}
	sample.bank = infosOf(t, 100, 300)
	s.speaks = func(peer.ID) bool { return true }
	if picks, fresh := s.draw(20, true); len(picks) != 20 || fresh != 20 || !deaf[picks[0].ID] {
		t.Errorf("control: %d picks, %d fresh", len(picks), fresh)
	}
}

// TestWindowLeavesTheBank: polls of the window take nothing of the bank, those that count do.
func TestWindowLeavesTheBank(t *testing.T) {
	c := newCrowd(t, 8, WithParams(small()))
	sample := c.all[0].sampler.(*fakeSampler)
	for range 100 {
		sample.bank = append(sample.bank, sample.infos...)
	}
	c.rounds(4)
	if st := c.all[0].Status(); st.PickedFresh != 0 || st.Picked != 16 || len(sample.asked) != 0 {
		t.Errorf("in the window: %+v", st)
	}
	c.round()
	st := c.all[0].Status()
	if st.PickedFresh != 4 || st.Polls[0] != (PollStatus{Epoch: 7, Peers: 4, Fresh: 4}) {
		t.Errorf("after it: %+v", st)
	}
	// The poll of an older epoch counts also in the window of the next.
	c.epoch, c.age = 8, 0
	c.round()
	if st := c.all[0].Status(); len(st.Polls) != 2 || st.Polls[0].Fresh != 4 || st.Polls[1].Fresh != 0 {
		t.Errorf("two epochs: %+v", st.Polls)
	}
}

// TestSpeaks: a peer of which nothing is known may speak the protocol.
func TestSpeaks(t *testing.T) {
	ps, err := pstoremem.NewPeerstore()
	if err != nil {
		t.Fatal(err)
	}
	defer ps.Close()
	a, b, unknown := testID(t, 1), testID(t, 2), testID(t, 3)
	_ = ps.SetProtocols(a, "/x/1", PollID)
	_ = ps.SetProtocols(b, "/x/1")
	if !speaks(ps, a, PollID) || speaks(ps, b, PollID) || !speaks(ps, unknown, PollID) || speaks(ps, a, "/other"+PollID) {
		t.Error(speaks(ps, a, PollID), speaks(ps, b, PollID), speaks(ps, unknown, PollID), speaks(ps, a, "/other"+PollID))
	}
	_ = ps.SetProtocols(b, PollID) // it has started one
	if !speaks(ps, b, PollID) {
		t.Error("a peer that speaks now is passed over for ever")
	}
}

var _ Sampler = (*brahmshost.Service)(nil)
