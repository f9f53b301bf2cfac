package attack

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// charge makes g ask tokens of bits, and returns what counts the pushes that were paid for and those that were not.
func charge(t *testing.T, g *target, bits int) (taken func() (paid, unpaid int)) {
	t.Helper()
	issuer, err := token.NewIssuer(string(protocols[push]), g.ID(), bits, token.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var paid, unpaid int
	answer := func(from peer.ID, req wire.PushRequest) wire.PushResponse {
		mu.Lock()
		defer mu.Unlock()
		if !req.IsHello() {
			err := issuer.Take(from, req.Token)
			switch {
			case err == nil:
				paid++
				return wire.PushResponse{Status: wire.StatusTaken}
			case !errors.Is(err, token.ErrEpoch): // paid for too, but the other one's pushes have ended the epoch
				unpaid++
			}
		}
		c, ok := issuer.Challenge(from)
		if !ok { // it has pushed in this epoch: the next one
			issuer.Open(token.Secret{byte(paid), byte(paid >> 8)})
			c, _ = issuer.Challenge(from)
		}
		return wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: &c}
	}
	g.SetStreamHandler(protocols[push], func(st network.Stream) {
		for {
			frame, err := wire.ReadFrame(st, wire.MaxPushRequest)
			if err != nil {
				_ = st.Close()
				return
			}
			req, err := wire.DecodePushRequest(frame)
			if err == nil {
				err = respond(st, answer(st.Conn().RemotePeer(), req))
			}
			if err != nil {
				_ = st.Reset()
				return
			}
		}
	})
	return func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return paid, unpaid
	}
}

// TestFaultyPeersPay: where pushes have a price faulty peers work for theirs, never beyond their means, and who has no
// means does not push.
func TestFaultyPeersPay(t *testing.T) {
	const bits = 6
	for _, name := range []string{"balanced", "targeted", "flood"} {
		t.Run(name, func(t *testing.T) {
			cfg := settings(name)
			cfg.TokenBits, cfg.Compute = bits, .5
			a, g := newAdversary(t, cfg, 2), newTarget(t, 0)
			taken := charge(t, g, bits)
			a.Meet(g.info())
			begin := time.Now()
			a.Start()
			eventually(t, "it pays", func() bool { paid, _ := taken(); return paid >= 5 })
			a.Close()
			_, unpaid := taken()
			rounds := float64(time.Since(begin))/float64(cfg.Interval) + 1 // what a round brings may be saved up
			if most := 2 * rounds * cfg.Compute * float64(cfg.Pushes<<bits); unpaid != 0 || float64(a.Attempts()) > most {
				t.Errorf("%d pushes were not paid for; %d attempts in %.1f rounds, at most %.0f", unpaid, a.Attempts(), rounds, most)
			}
		})
	}
	t.Run("penniless", func(t *testing.T) {
		cfg := settings("flood")
		cfg.TokenBits = 20
		a, g := newAdversary(t, cfg, 1), newTarget(t, 0)
		taken := charge(t, g, cfg.TokenBits)
		a.Meet(g.info())
		a.Start()
		eventually(t, "it tries", func() bool { return a.Ops() > 5 })
		a.Close()
		if paid, unpaid := taken(); paid+unpaid > 0 || a.Attempts() > 0 {
			t.Errorf("%d and %d pushes after %d attempts", paid, unpaid, a.Attempts())
		}
	})
}

// TestFaultyPeersAsk: who pushes to a faulty peer is made to pay as much as a correct one would ask.
func TestFaultyPeersAsk(t *testing.T) {
	cfg := settings("balanced")
	cfg.TokenBits = 9
	f := newAdversary(t, cfg, 1).peers[0]
	if c := f.ask(); token.Check(*c, 9) != nil || token.Check(*c, 8) == nil {
		t.Errorf("it asks %+v, want the price of 9 bits", c)
	}
	f.purse.bits = 0
	if c := f.ask(); c.Scheme != token.None {
		t.Errorf("it asks %+v where pushes are free", c)
	}
}
