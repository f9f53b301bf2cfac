package attack

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"golang.org/x/time/rate"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Bounds on one faulty peer. Beyond underWay an operation waits for another to end.
const (
	underWay = 64               // operations at once
	patience = 5 * time.Second  // for one of them
	serving  = 10 * time.Second // for one stream that a correct peer opened
)

// faulty is one faulty peer.
type faulty struct {
	a       *Adversary
	attack  attack
	number  int
	limiter *rate.Limiter
	places  chan struct{}
	purse   purse

	mu     sync.Mutex
	rng    *rand.Rand
	host   corehost.Host // nil while it is away
	record []byte
	seq    uint64
	held   []network.Stream // that are kept open, the oldest first
	minted [][]byte         // records of invented ids, the oldest first
}

// up starts the host with its handlers.
func (f *faulty) up() error {
	h, err := f.a.cfg.NewHost(f.number)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.seq = max(f.seq+1, peer.TimestampSeq())
	addrs := h.Addrs()
	if _, ok := f.attack.(dialCannon); ok {
		addrs = append(addrs, f.a.cfg.Victim)
	}
	f.record, err = wire.SealRecord(h.Peerstore().PrivKey(h.ID()), h.ID(), addrs, f.seq)
	if err == nil {
		err = f.a.life.Err() // Close may have been here already
	}
	if err == nil {
		f.host = h
	} else {
		f.record = nil
	}
	f.mu.Unlock()
	if err != nil {
		_ = h.Close()
		return fmt.Errorf("attack: %w", err)
	}
	for k := range kinds {
		h.SetStreamHandler(protocols[k], func(st network.Stream) { f.handle(k, st) })
	}
	return nil
}

// down ends the host without a word.
func (f *faulty) down() {
	f.mu.Lock()
	h := f.host
	f.host, f.record, f.held = nil, nil, nil
	f.mu.Unlock()
	if h != nil {
		_ = h.Close()
	}
}

// rounds lets the attack do what it does each round, from a moment of the round that is f's own.
func (f *faulty) rounds(ctx context.Context, phase time.Duration) {
	if !sleep(ctx, phase) {
		return
	}
	tick := time.NewTicker(f.a.cfg.Interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		f.attack.round(ctx, f, n)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// hammer does one operation after the other.
func (f *faulty) hammer(ctx context.Context, r restless) {
	for f.limiter.Wait(ctx) == nil {
		if op := r.op(f); op != nil && !f.run(ctx, op) {
			return
		}
	}
}

// do runs one operation as soon as the rate allows. It reports whether the run goes on.
func (f *faulty) do(ctx context.Context, op func(context.Context)) bool {
	return f.limiter.Wait(ctx) == nil && f.run(ctx, op)
}

func (f *faulty) run(ctx context.Context, op func(context.Context)) bool {
	select {
	case f.places <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	f.a.ops.Add(1)
	f.a.running.Go(func() {
		defer func() { <-f.places }()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		op(ctx)
	})
	return true
}

// push pushes raw to each of the targets, one operation each.
func (f *faulty) push(ctx context.Context, to []peer.AddrInfo, raw []byte) {
	if raw == nil {
		return
	}
	for _, p := range to {
		if !f.do(ctx, func(ctx context.Context) { f.pushTo(ctx, p, raw) }) {
			return
		}
	}
}

// open opens a stream to a correct peer and writes to it what there is to write.
func (f *faulty) open(ctx context.Context, to peer.AddrInfo, k kind, raw []byte) (network.Stream, error) {
	h := f.current()
	if h == nil {
		return nil, errAway
	}
	if h.Network().Connectedness(to.ID) != network.Connected {
		h.Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.PermanentAddrTTL)
		if sw, ok := h.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
			sw.Backoff().Clear(to.ID)
		}
	}
	st, err := h.NewStream(ctx, to.ID, protocols[k])
	if err != nil {
		return nil, err
	}
	_ = st.SetDeadline(time.Now().Add(patience))
	if _, err := st.Write(raw); err != nil {
		_ = st.Reset()
		return nil, err
	}
	return st, nil
}

// say writes raw to a stream of its own, half-closes and returns what is answered, as far as it is no longer than the
// longest answer.
func (f *faulty) say(ctx context.Context, to peer.AddrInfo, k kind, raw []byte) ([]byte, error) {
	st, err := f.open(ctx, to, k, raw)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = st.Reset() })()
	_ = st.CloseWrite()
	answer, err := io.ReadAll(io.LimitReader(st, wire.MaxPullResponse+16))
	if err != nil {
		_ = st.Reset()
		return nil, err
	}
	_ = st.Close()
	return answer, nil
}

// hold keeps a stream open. Where that makes more than most, the oldest is let go.
func (f *faulty) hold(st network.Stream, most int) {
	_ = st.SetDeadline(time.Time{})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.host == nil || f.a.life.Err() != nil {
		_ = st.Reset()
		return
	}
	f.held = append(f.held, st)
	if len(f.held) > most {
		_ = f.held[0].Reset()
		f.held = f.held[1:]
	}
}

// takeHeld removes the stream that has been held for longest, nil if there is none.
func (f *faulty) takeHeld() network.Stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.held) == 0 {
		return nil
	}
	st := f.held[0]
	f.held = f.held[1:]
	return st
}

func (f *faulty) current() corehost.Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.host
}

func (f *faulty) ownRecord() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.record
}

func (f *faulty) intN(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.IntN(n)
}

// anyTarget is a random correct peer; false if none is up.
func (f *faulty) anyTarget() (peer.AddrInfo, bool) {
	all := f.a.targets()
	if len(all) == 0 {
		return peer.AddrInfo{}, false
	}
	return all[f.intN(len(all))], true
}

// sleep reports whether d went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
