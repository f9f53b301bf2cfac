package attack

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// TestProtocols: the ids that faulty peers write down are those of the protocol.
func TestProtocols(t *testing.T) {
	if protocols != [kinds]coreprotocol.ID{push: protocol.PushID, pull: protocol.PullID, probe: protocol.ProbeID} {
		t.Errorf("faulty peers speak %v", protocols)
	}
}

// decodeRequest does what a correct peer does with a request: one message, and nothing behind it.
func decodeRequest(k kind, raw []byte) error {
	r := wire.NewReader(bytes.NewReader(raw))
	frame, err := r.Frame(maxRequest[k])
	if err != nil {
		return err
	}
	switch k {
	case push:
		_, err = wire.DecodePushRequest(frame)
	case pull:
		_, err = wire.DecodePullRequest(frame)
	default:
		_, err = wire.DecodeProbeRequest(frame)
	}
	if err != nil {
		return err
	}
	return r.EOF()
}

func decodeAnswer(raw []byte) (wire.PullResponse, error) {
	r := wire.NewReader(bytes.NewReader(raw))
	frame, err := r.Frame(wire.MaxPullResponse)
	if err != nil {
		return wire.PullResponse{}, err
	}
	res, err := wire.DecodePullResponse(frame)
	if err != nil {
		return res, err
	}
	return res, r.EOF()
}

// TestRubbish: no decoder takes any of it, for the reason that it was made for.
func TestRubbish(t *testing.T) {
	f := newAdversary(t, settings("garbage"), 1).peers[0]
	want := map[rubbish]error{
		nothing: wire.ErrEmpty, truncated: wire.ErrTruncated, tooLong: wire.ErrTooLarge, notMinimal: wire.ErrVarint,
		overflow: wire.ErrVarint, malformed: wire.ErrMalformed, trailing: wire.ErrTrailing,
	}
	if len(want) != int(rubbishes)-1 {
		t.Fatalf("%d kinds of rubbish are tested, there are %d and the random one", len(want), rubbishes)
	}
	for how, why := range want {
		for range 50 {
			for k := range kinds {
				if raw := f.rubbish(how, maxRequest[k]); !errors.Is(decodeRequest(k, raw), why) {
					t.Errorf("rubbish %d as a request %d: %v, want %v; %x", how, k, decodeRequest(k, raw), why, raw)
				}
			}
			if how == trailing { // an answer of no bytes has no status
				why = wire.ErrUnknownStatus
			}
			raw := f.rubbish(how, wire.MaxPullResponse)
			if _, err := decodeAnswer(raw); !errors.Is(err, why) {
				t.Errorf("rubbish %d as an answer: %v, want %v; %x", how, err, why, raw)
			}
			why = want[how]
		}
	}
	for range 1000 { // random bytes may be anything, at most a message of 64 bytes
		if raw := f.rubbish(randomly, wire.MaxPushRequest); len(raw) < 1 || len(raw) > 64 {
			t.Fatalf("%d random bytes", len(raw))
		}
	}
}

// TestForgeries: package wire refuses each, for the reason that it was made for.
func TestForgeries(t *testing.T) {
	a := newAdversary(t, settings("forge"), 2)
	f := a.peers[0]
	if raw := f.forged(otherKey); raw != nil {
		t.Error("forged the record of a peer that is not there")
	}
	correct := peer.AddrInfo{ID: "a correct peer"}
	_, correct.ID = newKey(func() uint32 { return 5 })
	a.Meet(correct)
	want := map[forgery]error{
		otherKey: wire.ErrForged, inventedID: wire.ErrForged, altered: wire.ErrBadRecord, notCanonical: wire.ErrNotCanonical,
		manyAddrs: wire.ErrTooManyAddrs, oversized: wire.ErrTooLarge,
	}
	if len(want) != int(forgeries) {
		t.Fatalf("%d kinds of forgery are tested of %d", len(want), forgeries)
	}
	for how, why := range want {
		if _, err := wire.OpenRecord(f.forged(how)); !errors.Is(err, why) {
			t.Errorf("forgery %d: %v, want %v", how, err, why)
		}
	}
	// libp2p alone takes it: without our own check the attack works.
	_, r, err := record.ConsumeEnvelope(f.forged(otherKey), peer.PeerRecordEnvelopeDomain)
	if err != nil || r.(*peer.PeerRecord).PeerID != correct.ID {
		t.Errorf("libp2p refuses the record that names the correct peer as well: %v", err)
	}
	if rec, err := wire.OpenRecord(f.forged(replayed)); err != nil || rec.ID != a.peers[1].current().ID() {
		t.Errorf("the replayed record is no valid one of the colleague: %v", err)
	}

	for range 20 {
		res, err := decodeAnswer(forge{}.reply(f))
		if errors.Is(err, wire.ErrLimit) {
			continue // the oversized one
		}
		if err != nil {
			t.Fatal(err)
		}
		bad := 0
		for _, e := range res.Entries {
			if _, err := wire.OpenRecord(e.Record); err != nil {
				bad++
			}
		}
		if bad != 1 || len(res.Entries) != 3 {
			t.Errorf("%d of %d entries are forged, want 1 of 3", bad, len(res.Entries))
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct{ records, slots, entries, sum int }{
		{12, 40, 12, 40}, {3, 10, 3, 10}, {50, 40, 40, 40}, {0, 40, 0, 0}, {300, 300, 256, 256}, {1, 300, 1, 256},
	} {
		records := make([][]byte, c.records)
		for i := range records {
			records[i] = []byte(fmt.Sprint(i))
		}
		res, err := decodeAnswer(pullFrame(spread(records, c.slots)))
		if err != nil {
			t.Errorf("%d records in %d slots: %v", c.records, c.slots, err)
			continue
		}
		sum, least, most := 0, 1<<30, 0
		for _, e := range res.Entries {
			sum, least, most = sum+int(e.Count), min(least, int(e.Count)), max(most, int(e.Count))
		}
		if len(res.Entries) != c.entries || sum != c.sum || (c.entries > 0 && most-least > 1) {
			t.Errorf("%d records in %d slots: %d entries of %d to %d, %d in all", c.records, c.slots, len(res.Entries), least, most, sum)
		}
	}
}

func TestTokenFrame(t *testing.T) {
	want := wire.Token{Scheme: 1, Epoch: 9, Nonce: []byte("nonce"), Solution: []byte("solution")}
	frame, err := wire.ReadFrame(bytes.NewReader(tokenFrame([]byte("record"), want)), wire.MaxPushRequest)
	if err != nil {
		t.Fatal(err)
	}
	req, err := wire.DecodePushRequest(frame)
	if err != nil || string(req.Record) != "record" || req.Token == nil || fmt.Sprint(*req.Token) != fmt.Sprint(want) {
		t.Errorf("decoded %+v, error %v", req, err)
	}
}

// TestMint: invented ids are validly signed, live where they are told, and cost an operation each.
func TestMint(t *testing.T) {
	f := newAdversary(t, settings("phantom"), 1).peers[0]
	f.limiter = rate.NewLimiter(0, 25) // nothing comes after the first
	at := multiaddr.StringCast("/ip4/127.0.0.1/tcp/9")
	seen := map[peer.ID]bool{}
	for round, fresh := range []int{10, 10, 5, 0} {
		before := f.a.Ops()
		for _, raw := range f.mint(func(int) multiaddr.Multiaddr { return at }) {
			rec, err := wire.OpenRecord(raw)
			if err != nil || len(rec.Addrs) != 1 || !rec.Addrs[0].Equal(at) {
				t.Fatalf("minted %+v, error %v", rec, err)
			}
			seen[rec.ID] = true
		}
		if got := int(f.a.Ops() - before); got != fresh {
			t.Errorf("call %d minted %d, want %d", round, got, fresh)
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d distinct ids, want 25", len(seen))
	}
}
