package host

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// viewOf makes a service whose book has n records of size bytes each and, behind them, padded ones as large as a record
// may be, and returns the ids.
func viewOf(t *testing.T, n, size, padded int, opts ...Option) (*Service, []peer.ID) {
	t.Helper()
	s := memService(t, opts...)
	s.book.open, s.book.peek = fakeOpen, fakeOpen
	var view []peer.ID
	for i := range n + padded {
		id := fmt.Sprintf("peer%04d", i)
		if i >= n {
			size = wire.MaxRecordSize
		}
		pad := size - len(fakeRecord(id, 1, 0))
		mustPut(t, s.book, fakeRecord(id, 1, pad), fromFirstHand, peer.ID(id), putAdded)
		view = append(view, peer.ID(id))
	}
	return s, view
}

// How often each id is in 1,000 answers, and the bytes of all.
func answered1000(t *testing.T, s *Service, view []peer.ID, limit int) (times map[peer.ID]int, size int) {
	t.Helper()
	times = make(map[peer.ID]int)
	for range 1000 {
		frame := s.encodeView(wire.StatusTaken, view, limit)
		size += len(frame)
		msg, err := wire.ReadFrame(bytes.NewReader(frame), limit)
		if err != nil {
			t.Fatal(err)
		}
		res, err := wire.DecodePullResponse(msg)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Entries {
			rec, err := fakeOpen(e.Record)
			if err != nil {
				t.Fatal(err)
			}
			times[rec.ID]++
		}
	}
	return times, size
}

// Records that are padded up to their limit do not make the answers of those who hold them in their views ten times as
// large: each takes its part of the bytes in the mean, correct peers are in every answer, and nobody is never in one. The
// control, without a bound on the bytes of answers: all are in it.
func TestPaddedRecords(t *testing.T) {
	const honest, padded, l1 = 27, 13, 40
	s, view := viewOf(t, honest, 250, padded, WithLimits(Limits{}))
	times, size := answered1000(t, s, view, wire.MaxPullResponse)
	for _, id := range view[:honest] {
		if times[id] != 1000 {
			t.Errorf("a correct peer is in %d of 1000 answers", times[id])
		}
	}
	part := float64(answerShare) / float64(wire.EntrySize(wire.MaxRecordSize))
	for _, id := range view[honest:] {
		stattest.RequireBinomial(t, times[id], 1000, part, 1e-6, 3)
	}
	if size > 1000*l1*answerShare {
		t.Errorf("%d bytes an answer, at most %d", size/1000, l1*answerShare)
	}
	s, view = viewOf(t, honest, 250, padded, WithLimits(Limits{PullBytes: Unlimited}))
	if _, size := answered1000(t, s, view, wire.MaxPullResponse); size < 1000*100_000 {
		t.Errorf("%d bytes an answer without the bound: the attack does not work", size/1000)
	}
}

// At the bound of answerShare a slot all are in the answer. One byte over it in the mean, some are left out in some. On
// limited connections the share is what fits.
func TestAnswerShare(t *testing.T) {
	exact := answerShare - wire.EntrySize(0)
	for _, c := range []struct {
		size, limit int
		all         bool
	}{
		{exact, wire.MaxPullResponse, true}, {exact + 1, wire.MaxPullResponse, false}, {exact, wire.MaxPullResponseLimited, false},
	} {
		s, view := viewOf(t, 40, c.size, 0, WithLimits(Limits{}))
		times, size := answered1000(t, s, view, c.limit)
		sum := 0
		for _, id := range view {
			sum += times[id]
			if times[id] < 650 {
				t.Errorf("%d bytes: an id is in %d of 1000 answers", c.size, times[id])
			}
		}
		if (sum == 40*1000) != c.all || size > 1000*min(c.limit, 40*answerShare) {
			t.Errorf("%d bytes, limit %d: %d of %d entries, %d bytes an answer", c.size, c.limit, sum, 40*1000, size/1000)
		}
	}
}
