package host

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// maxTold bounds the peers of which a service that leaves remembers that they have come. It is many times what a view and a
// sample of the greatest size are held by on average.
const maxTold = 4096

// farewell is the answer to pulls of a service that leaves: the view as it was published last, so that those who rely on
// this peer alone lose nothing by its going.
type farewell struct {
	reply     []byte
	replyLess []byte // for limited connections
}

// Leave goes politely: no more pushes, pulls and probes of ours; pushes and probes of others are answered that we are
// leaving, pulls with the last view beside. The service is closed when for a while no peer has come that had not come
// since the call (WithLeaveQuiet), or when ctx ends; it returns ctx's error in that case, joined with that of Close. Others
// drop a leaver in the round in which they hear of it, and do not count it as dead: it may come back under the same id at
// once. Nobody is told who does not ask: those who hold us in their samples ask within some rounds.
//
// A peer that comes again and again does not hold Leave up, but one with many ids can: ctx should have a deadline.
func (s *Service) Leave(ctx context.Context) (err error) {
	s.sayGoodbye()
	defer func() {
		if failed := s.Close(); failed != nil {
			err = errors.Join(err, failed)
		}
	}()
	start := time.Now() // others can only hear of it from now on
	for {
		wait := s.cfg.leaveQuiet - min(s.inbound.quiet(), time.Since(start))
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.ended:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// sayGoodbye makes the service one that leaves. It may be called again.
func (s *Service) sayGoodbye() {
	view := s.Snapshot().View
	f := &farewell{reply: s.encodeView(wire.StatusLeaving, view, wire.MaxPullResponse)}
	f.replyLess = f.reply
	if len(f.reply) > wire.MaxPullResponseLimited {
		f.replyLess = s.encodeView(wire.StatusLeaving, view, wire.MaxPullResponseLimited)
	}
	s.farewell.CompareAndSwap(nil, f) // the same for everybody
	s.leaving.Store(true)
	s.inbound.watch()
}

// answerLeaving serves a pull while we leave.
func (s *Service) answerLeaving(st network.Stream) error {
	f := s.farewell.Load()
	reply := f.reply
	if st.Conn().Stat().Limited {
		reply = f.replyLess
	}
	if !s.gate.answer(st.Conn().RemoteMultiaddr(), len(reply)) {
		s.refuse(originOf(st), ReasonPullBytes, nil)
		return respond(st, wire.PullResponse{Status: wire.StatusLeaving})
	}
	_, err := st.Write(reply)
	return err
}

// watch begins to remember who comes: from now on a peer counts as arriving once.
func (in *inbound) watch() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.told == nil {
		in.told = make(map[peer.ID]bool)
	}
}

// arrived notes that a stream of a peer has come.
func (in *inbound) arrived(from peer.ID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.told != nil {
		if in.told[from] || len(in.told) >= maxTold {
			return
		}
		in.told[from] = true
	}
	in.last = in.now()
}
