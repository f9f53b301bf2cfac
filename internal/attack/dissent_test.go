package attack

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	consensuswire "github.com/brahms-p2p/brahms-p2p/consensus/wire"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const dissentWindow = 8

// quarrel is two faulty peers, and three correct ones that say what they are told to.
type quarrel struct {
	*Dissent
	faulty, correct []corehost.Host
}

// newQuarrel makes one in which the epoch has the given age; a round lasts for an hour, so it keeps that.
func newQuarrel(t *testing.T, attack string, age int, said ...machine.Answer) *quarrel {
	t.Helper()
	d, err := NewDissent(DissentConfig{
		Attack: attack, Epoch: 7, Start: time.Now().Add(-time.Duration(age)*time.Hour - time.Minute), Interval: time.Hour, Window: dissentWindow,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	q := &quarrel{Dissent: d}
	for i := range 2 + len(said) {
		h, err := newHost(i)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		if i < 2 {
			q.faulty = append(q.faulty, h)
			if err := d.Join(h); err != nil {
				t.Fatal(err)
			}
			continue
		}
		h.SetStreamHandler(pollID, func(st network.Stream) {
			defer st.Close()
			frame, err := wire.ReadFrame(st, consensuswire.MaxPollRequest)
			if err != nil {
				return
			}
			req, err := consensuswire.DecodePollRequest(frame)
			if err != nil {
				t.Errorf("a faulty peer polls with %x", frame)
				return
			}
			_ = respond(st, consensuswire.PollResponse{Status: consensuswire.StatusOK, Nonce: req.Nonce, Answer: said[i-2]})
		})
		q.correct = append(q.correct, h)
		d.Meet(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	}
	for _, h := range q.correct {
		for _, f := range q.faulty {
			if err := h.Connect(t.Context(), peer.AddrInfo{ID: f.ID(), Addrs: f.Addrs()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return q
}

// exchange sends one message from a correct peer to a faulty one and returns the frame of the answer.
func (q *quarrel) exchange(t *testing.T, from, to int, id coreprotocol.ID, m marshaler) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), until)
	defer cancel()
	st, err := q.correct[from].NewStream(ctx, q.faulty[to].ID(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_ = st.SetDeadline(time.Now().Add(until))
	if err := respond(st, m); err != nil {
		t.Fatal(err)
	}
	_ = st.CloseWrite()
	frame, err := wire.ReadFrame(st, consensuswire.MaxFetchResponse)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func (q *quarrel) poll(t *testing.T, from int, epoch uint64, nonce byte) consensuswire.PollResponse {
	t.Helper()
	res, err := consensuswire.DecodePollResponse(q.exchange(t, from, from%2, pollID,
		consensuswire.PollRequest{Epoch: epoch, Nonce: machine.Nonce{nonce}}))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// fetch returns an item, which it verifies.
func (q *quarrel) fetch(t *testing.T, id machine.ID) {
	t.Helper()
	res, err := consensuswire.DecodeFetchResponse(q.exchange(t, 0, 1, fetchID, consensuswire.FetchRequest{Epoch: 7, IDs: []machine.ID{id}}))
	if err != nil || len(res.Items) != 1 || res.Items[0].ID() != id {
		t.Fatalf("fetched %+v, %v", res, err)
	}
	if err := consensuswire.VerifyItem(agreement, res.Items[0]); err != nil {
		t.Error(err)
	}
}

func answerOf(decided, preferred string) machine.Answer {
	a := machine.Answer{Epoch: 7}
	for _, c := range []byte(decided + preferred) {
		a.In = append(a.In, machine.Vote{ID: machine.ID{c}, Decided: strings.IndexByte(decided, c) >= 0})
	}
	slices.SortFunc(a.In, byID)
	return a
}

// letters are the ids of an answer; others than those of answerOf are '?'.
func letters(a machine.Answer) (text string) {
	for _, v := range a.In {
		if bytes.Equal(v.ID[1:], make([]byte, len(v.ID)-1)) {
			text += string(v.ID[0])
		} else {
			text += "?"
		}
	}
	return text
}

// said is what the correct peers of most tests say: a is preferred by two of three, b by all, c by one; a is decided by one.
var said = []machine.Answer{answerOf("a", "b"), answerOf("", "ab"), answerOf("", "bc")}

// looked waits until the faulty peers know what the correct ones said.
func (q *quarrel) looked(t *testing.T) {
	t.Helper()
	q.Start()
	eventually(t, "they have looked", func() bool { return len(q.seen.Load().by) == len(q.correct) })
}

func TestLies(t *testing.T) {
	for name, want := range map[string]func(q *quarrel, i int) string{
		"contrary": func(*quarrel, int) string { return "c" },
		Eclipse:    func(*quarrel, int) string { return "c" },
		"turncoat": func(_ *quarrel, i int) string { return []string{"b", "b", "bc"}[i] },
		"equivocating": func(q *quarrel, i int) string {
			if q.chance(q.correct[i].ID(), -1) < .5 {
				return "abc"
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQuarrel(t, name, 20, said...)
			q.looked(t)
			for i := range q.correct {
				res := q.poll(t, i, 7, byte(i))
				if got := letters(res.Answer); got != want(q, i) || !res.Answer.Closed || res.Nonce != (machine.Nonce{byte(i)}) {
					t.Errorf("to peer %d they say %q with nonce %x, want %q", i, got, res.Nonce, want(q, i))
				}
			}
			if res := q.poll(t, 0, 8, 1); res.Status != consensuswire.StatusUnknown {
				t.Errorf("of another epoch they say %+v", res)
			}
		})
	}
}

func TestDrip(t *testing.T) {
	q := newQuarrel(t, "drip", 20, said...)
	q.looked(t)
	a := q.poll(t, 0, 7, 1).Answer
	if got := strings.Replace(letters(a), "?", "", 1); got != "ab" || len(a.In) != 3 || a.Closed {
		t.Fatalf("they say %q", letters(a))
	}
	for _, v := range a.In {
		if !v.Decided {
			q.fetch(t, v.ID)
		}
	}
}

func TestReplayOfAnswers(t *testing.T) {
	q := newQuarrel(t, "replay", 20, said...)
	for _, nonce := range []byte{1, 2, 3} {
		if res := q.poll(t, 0, 7, nonce); res.Nonce != (machine.Nonce{1}) || letters(res.Answer) != "" {
			t.Errorf("poll %d is answered with %+v", nonce, res)
		}
	}
}

// TestSilentPeers: whoever asks waits; when they end, the stream is reset.
func TestSilentPeers(t *testing.T) {
	q := newQuarrel(t, "silent", 20, said...)
	q.Start()
	st, err := q.correct[0].NewStream(t.Context(), q.faulty[0].ID(), pollID)
	if err != nil {
		t.Fatal(err)
	}
	_ = st.SetDeadline(time.Now().Add(until))
	if err := respond(st, consensuswire.PollRequest{Epoch: 7}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error)
	go func() {
		_, err := wire.ReadFrame(st, consensuswire.MaxPollResponse)
		answered <- err
	}()
	q.Close()
	if err := <-answered; err == nil {
		t.Error("they answered")
	}
	if len(q.camps) != 0 {
		t.Error("they have camps")
	}
}

// TestCamps: some are shown an item in the one round in which they still fetch it, and cannot pass it on.
func TestCamps(t *testing.T) {
	for age, shown := range map[int]bool{dissentWindow - 3: false, dissentWindow - 2: true, dissentWindow - 1: false} {
		q := newQuarrel(t, "contrary", age, said...)
		seen := make(map[machine.ID]bool)
		for i := range q.correct {
			res := q.poll(t, i, 7, 1)
			if res.Answer.Closed {
				t.Error("closed in the window")
			}
			for _, v := range res.Answer.In {
				seen[v.ID] = true
				if j := slices.Index(q.camps, v.ID); j < 0 || q.chance(q.correct[i].ID(), j) >= campShares[j] || v.Decided {
					t.Errorf("peer %d is shown %+v", i, v)
				}
			}
		}
		if (len(seen) > 0) != shown {
			t.Errorf("at age %d %d camps are shown", age, len(seen))
		}
		for id := range maps.Keys(seen) {
			q.fetch(t, id)
		}
	}
}

func TestDissentsAreChecked(t *testing.T) {
	for _, name := range Dissents() {
		if CheckDissent(name) != nil || AboutDissent(name) == "" {
			t.Errorf("%q: %v, about %q", name, CheckDissent(name), AboutDissent(name))
		}
	}
	if Dissents()[0] != None || CheckDissent("loud") == nil || CheckDissent("") == nil {
		t.Errorf("%v", Dissents())
	}
	good := DissentConfig{Attack: "silent", Interval: time.Second, Window: 8}
	for _, change := range []func(*DissentConfig){
		func(c *DissentConfig) { c.Attack = None }, func(c *DissentConfig) { c.Attack = "loud" },
		func(c *DissentConfig) { c.Interval = 0 }, func(c *DissentConfig) { c.Window = 1 },
	} {
		c := good
		change(&c)
		if _, err := NewDissent(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
