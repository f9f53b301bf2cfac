package attack

import (
	"context"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// purse is what a faulty peer has to spend on tokens. Attempts come at an even rate, and what is not spent within a round
// is lost, as processor time is.
type purse struct {
	bits     int
	step     int           // attempts that are paid for together: a 64th of a token
	attempts *rate.Limiter // of one peer
	turn     chan struct{} // one search at a time: half of two tokens is none
}

func newPurse(cfg Config) purse {
	p := purse{bits: cfg.TokenBits, step: 1 << max(0, cfg.TokenBits-6), turn: make(chan struct{}, 1)}
	round := cfg.Compute * math.Ldexp(float64(cfg.Pushes), cfg.TokenBits)
	p.attempts = rate.NewLimiter(rate.Limit(round/cfg.Interval.Seconds()), max(p.step, int(round)))
	p.attempts.AllowN(time.Now(), p.attempts.Burst()) // nothing has been earned yet: a first attempt for nothing may hit
	return p
}

// pushTo pushes raw to a correct peer, and pays if it must.
func (f *faulty) pushTo(ctx context.Context, to peer.AddrInfo, raw []byte) {
	if f.purse.bits == 0 {
		_, _ = f.say(ctx, to, push, pushFrame(raw))
		return
	}
	select {
	case f.purse.turn <- struct{}{}:
		defer func() { <-f.purse.turn }()
	case <-ctx.Done():
		return
	}
	h := f.current()
	st, err := f.open(ctx, to, push, wire.AppendFrame(nil, nil))
	if err != nil || h == nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = st.Reset() })()
	if err := f.pay(ctx, st, token.Proof{Network: string(protocols[push]), Receiver: to.ID, Sender: h.ID()}, raw); err != nil {
		_ = st.Reset()
		return
	}
	_ = st.Close()
}

// pay reads the challenge, works for the token and pushes with it.
func (f *faulty) pay(ctx context.Context, st network.Stream, p token.Proof, raw []byte) error {
	frame, err := wire.ReadFrame(st, wire.MaxPushResponse)
	if err != nil {
		return err
	}
	res, err := wire.DecodePushResponse(frame)
	if err != nil || res.Challenge == nil {
		return err
	}
	bought := pushFrame(raw)
	if c := res.Challenge; c.Scheme != token.None {
		p.Seed, p.Epoch, p.Bits = c.Seed, c.Epoch, c.Bits
		search := token.NewSearch(p, 0)
		for found := false; !found; {
			if err := f.purse.attempts.WaitN(ctx, f.purse.step); err != nil {
				return err
			}
			before := search.Attempts()
			found = search.Run(f.purse.step)
			f.a.work.Add(search.Attempts() - before)
		}
		bought = tokenFrame(raw, *search.Token())
	}
	if _, err := st.Write(bought); err != nil {
		return err
	}
	_ = st.CloseWrite()
	_, err = wire.ReadFrame(st, wire.MaxPushResponse)
	return err
}

// ask is what a correct peer is asked for before it may push to f: all that it can be made to pay. The token is not looked
// at.
func (f *faulty) ask() *wire.Challenge {
	if f.purse.bits == 0 {
		return &wire.Challenge{}
	}
	return &wire.Challenge{Scheme: token.SHA256, Seed: f.noise(token.SeedSize), Epoch: 1, Bits: uint32(f.purse.bits)}
}
