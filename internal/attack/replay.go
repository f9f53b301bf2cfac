package attack

import (
	"bytes"
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var _ = register("replay", "pulls records and answers pulls with the oldest that it ever saw of each peer, the dead included; pushes the records of others, and its own with old tokens; otherwise balanced",
	func(*Adversary) attack { return &replay{oldest: make(map[peer.ID][]byte)} })

// replay uses that a record does not prove that it is recent.
type replay struct {
	balanced
	mu     sync.Mutex
	oldest map[peer.ID][]byte // at most maxReplayed
	ids    []peer.ID          // its keys, in the order of their arrival
	token  *wire.Token        // the first that was made, for whoever asked first
}

const maxReplayed = 4096

func (r *replay) op(f *faulty) func(context.Context) {
	to, ok := f.anyTarget()
	if !ok {
		return nil
	}
	switch f.intN(3) {
	case 0:
		return func(ctx context.Context) { r.learn(ctx, f, to) }
	case 1:
		return func(ctx context.Context) { r.pushAgain(ctx, f, to) }
	}
	raw := r.anyRecord(f)
	if raw == nil {
		return nil
	}
	return func(ctx context.Context) { _, _ = f.say(ctx, to, push, pushFrame(raw)) }
}

// reply lists old records, at most as many distinct ids as slots.
func (r *replay) reply(f *faulty) []byte {
	r.mu.Lock()
	n := len(r.ids)
	var records [][]byte
	if n > 0 {
		start := f.intN(n)
		for i := range min(n, f.a.cfg.Answer/2) {
			records = append(records, r.oldest[r.ids[(start+i)%n]])
		}
	}
	r.mu.Unlock()
	f.a.mu.RLock()
	records = append(records, f.a.records()...)
	f.a.mu.RUnlock()
	return pullFrame(spread(records, f.a.cfg.Answer))
}

// learn pulls, and keeps the records of peers that were not seen before.
func (r *replay) learn(ctx context.Context, f *faulty, from peer.AddrInfo) {
	answer, err := f.say(ctx, from, pull, wire.AppendFrame(nil, nil))
	if err != nil {
		return
	}
	frame, err := wire.ReadFrame(bytes.NewReader(answer), wire.MaxPullResponse)
	if err != nil {
		return
	}
	res, err := wire.DecodePullResponse(frame)
	if err != nil {
		return
	}
	for _, e := range res.Entries {
		rec, err := wire.OpenRecord(e.Record)
		if err != nil || f.a.isFaulty(rec.ID) {
			continue
		}
		r.mu.Lock()
		if _, ok := r.oldest[rec.ID]; !ok && len(r.ids) < maxReplayed {
			r.oldest[rec.ID] = rec.Raw
			r.ids = append(r.ids, rec.ID)
		}
		r.mu.Unlock()
	}
}

func (r *replay) anyRecord(f *faulty) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) == 0 {
		return nil
	}
	return r.oldest[r.ids[f.intN(len(r.ids))]]
}

// pushAgain says hello, and pushes with the token that answered the first challenge that any faulty peer ever got: from
// another receiver mostly, for another sender, of another epoch.
func (r *replay) pushAgain(ctx context.Context, f *faulty, to peer.AddrInfo) {
	raw := f.ownRecord()
	answer, err := f.say(ctx, to, push, wire.AppendFrame(nil, nil))
	if err != nil || raw == nil {
		return
	}
	frame, err := wire.ReadFrame(bytes.NewReader(answer), wire.MaxPushResponse)
	if err != nil {
		return
	}
	res, err := wire.DecodePushResponse(frame)
	if err != nil || res.Challenge == nil {
		return
	}
	token := r.oldToken(f, res.Challenge)
	if f.limiter.Wait(ctx) != nil {
		return
	}
	f.a.ops.Add(1)
	_, _ = f.say(ctx, to, push, tokenFrame(raw, *token))
}

// oldToken makes the token from the first challenge, and returns the same ever after. Its solution is none: it costs work.
func (r *replay) oldToken(f *faulty, c *wire.Challenge) *wire.Token {
	nonce := f.noise(16)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token == nil {
		r.token = &wire.Token{Scheme: c.Scheme, Epoch: c.Epoch, Nonce: nonce, Solution: c.Seed}
	}
	return r.token
}

// isFaulty reports whether id is one of ours.
func (a *Adversary) isFaulty(id peer.ID) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, f := range a.peers {
		if h := f.current(); h != nil && h.ID() == id {
			return true
		}
	}
	return false
}
