package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Errors of the answers to indirect probes.
var (
	errVouchUnsigned = errors.New("brahms: a helper's word that a peer lives, without the peer's signature")
	errVouchForged   = errors.New("brahms: a helper's word that a peer lives, with a signature that does not hold")
	errProbeForged   = errors.New("brahms: a signed answer to a probe, with a signature that does not hold")
)

// indirect asks helper to probe target in our stead, and reports whether target signed our question. The answer tells
// nothing of the helper's own life: it may have waited for the target.
func (x *libp2pExchanger) indirect(ctx context.Context, helper, target peer.ID) (yes bool, a answer) {
	a = x.carry(ctx, probe, helper, func(_ context.Context, st network.Stream, _ *answer) error {
		nonce := make([]byte, wire.MinNonceSize) // one for each helper, so that none can use what another got
		if _, err := rand.Read(nonce); err != nil {
			return err
		}
		res, err := askProbe(st, wire.ProbeRequest{Nonce: nonce, Target: target})
		if err != nil {
			return err
		}
		if yes, err = x.s.vouched(target, nonce, res); err != nil {
			x.s.refuseError(originOf(st), err) // the message was in order, so the stream is
		}
		return nil
	})
	a.outcome = protocol.NoEvidence
	return yes, a
}

// vouched reports whether a helper's answer proves that target lives. Anything but that it lives is no evidence, and
// needs no check.
func (s *Service) vouched(target peer.ID, nonce []byte, res wire.ProbeResponse) (bool, error) {
	if res.TargetStatus != wire.StatusAlive {
		return false, nil
	}
	if len(res.TargetSignature) == 0 {
		return false, errVouchUnsigned
	}
	ok, err := s.signedAlive(target, s.self, nonce, res.TargetSignature)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errVouchForged, err)
	}
	return ok, nil
}

// signedAlive reports whether sig is signer's over its answer that it is there, to a probe on behalf of asker. It is false
// without an error where nobody is to blame: we do not know signer's key.
func (s *Service) signedAlive(signer, asker peer.ID, nonce, sig []byte) (bool, error) {
	key := s.keyOf(signer)
	if key == nil {
		return false, nil
	}
	err := wire.VerifyProbe(key, wire.ProbeProof{
		Protocol: string(s.protocols[probe]), Asker: asker, Signer: signer, Nonce: nonce, Status: wire.StatusAlive,
	}, sig)
	return err == nil, err
}

// keyOf returns the public key of id, nil if it is not known. RSA keys are no part of the id, but of its record.
func (s *Service) keyOf(id peer.ID) crypto.PubKey {
	if key, err := id.ExtractPublicKey(); err == nil {
		return key
	}
	env, err := record.UnmarshalEnvelope(s.book.raw(id))
	if err != nil {
		return nil
	}
	return env.PublicKey
}

// onBehalf probes target for asker, and returns the target's signature; nil if there is none that holds.
func (x *libp2pExchanger) onBehalf(ctx context.Context, target, asker peer.ID, nonce []byte) (sig []byte, a answer) {
	a = x.carry(context.WithValue(ctx, forAnother{}, true), probe, target, func(_ context.Context, st network.Stream, _ *answer) error {
		res, err := askProbe(st, wire.ProbeRequest{Nonce: nonce, Sign: true, Asker: asker})
		if err != nil || res.Status != wire.StatusAlive || len(res.Signature) == 0 {
			return err
		}
		// Passed on unchecked, the target's bad signature would be held against us.
		ok, err := x.s.signedAlive(target, asker, nonce, res.Signature)
		if err != nil {
			x.s.refuseError(originOf(st), fmt.Errorf("%w: %w", errProbeForged, err))
		}
		if ok {
			sig = res.Signature
		}
		return nil
	})
	return sig, a
}

func askProbe(st network.Stream, req wire.ProbeRequest) (res wire.ProbeResponse, err error) {
	err = ask(st, req, wire.MaxProbeResponse, func(frame []byte) (err error) {
		res, err = wire.DecodeProbeResponse(frame)
		return err
	})
	return res, err
}

// help answers what a peer asks about a third: the third's signature, or that we have nothing to say. We dial nobody that
// we have no record of, and no address but those of our own book, and take the time from a budget of its own.
func (s *Service) help(st network.Stream, req wire.ProbeRequest) (wire.Status, []byte) {
	asker, target := st.Conn().RemotePeer(), req.Target
	switch {
	case s.leaving.Load() || len(req.Nonce) < wire.MinNonceSize: // too short for the target to sign
		return wire.StatusUnknown, nil
	case target == s.self || target == asker || s.book.raw(target) == nil:
		s.refuse(originOf(st), ReasonHelpUnknown, nil)
		return wire.StatusUnknown, nil
	case !s.helping.begin(asker, target):
		s.refuse(originOf(st), ReasonHelpLimited, nil)
		return wire.StatusUnknown, nil
	}
	defer s.helping.end()
	// Half of the time that the asker, who waits meanwhile, is likely to have.
	ctx, cancel := context.WithTimeout(s.life, s.cfg.exchange/2)
	defer cancel()
	sig, a := s.net.onBehalf(ctx, target, asker, req.Nonce)
	if a.conn != nil && a.dialled {
		s.detached.Go(func() { // the loop closes it when it is idle
			select {
			case s.results <- result{job: job{id: target}, kind: probe, answer: answer{conn: a.conn, dialled: true}}:
			case <-s.life.Done():
			}
		})
	}
	if sig == nil {
		return wire.StatusUnknown, nil
	}
	s.helped.Add(1)
	return wire.StatusAlive, sig
}

// Bounds on the probes for others. A correct peer asks us MaxAsks times a round at most, and its rounds are not ours.
const (
	maxHelpsOfAsker  = 2 * protocol.MaxAsks // in a round
	maxHelpsToTarget = 3                    // in a round
	maxHelping       = 16                   // at once
)

// helping is the budget of probes for others in a round. It is safe for concurrent use.
type helping struct {
	mu      sync.Mutex
	most    int // in a round; negative is no limit, of any kind
	begun   int
	running int
	askers  map[peer.ID]int
	targets map[peer.ID]int
}

func newHelping(most int) *helping {
	return &helping{most: most, askers: make(map[peer.ID]int), targets: make(map[peer.ID]int)}
}

// begin takes a probe of target for asker into account, or reports that there are too many.
func (h *helping) begin(asker, target peer.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.most >= 0 && (h.begun >= h.most || h.running >= maxHelping ||
		h.askers[asker] >= maxHelpsOfAsker || h.targets[target] >= maxHelpsToTarget) {
		return false
	}
	h.begun++
	h.running++
	if h.most >= 0 { // or the maps would grow without bound
		h.askers[asker]++
		h.targets[target]++
	}
	return true
}

func (h *helping) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
}

// tick begins a round.
func (h *helping) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun = 0
	clear(h.askers)
	clear(h.targets)
}

// planAsks adds to the round's jobs what helpers are to be asked.
func (s *Service) planAsks(jobOf func(peer.ID) *job, asks []protocol.Indirect) {
	for _, q := range asks {
		for _, helper := range q.Helpers {
			j := jobOf(helper)
			j.asks = append(j.asks, q.Target)
			s.loop.planned++
		}
	}
}

// ask does what a job asks of its peer as a helper, after its other exchanges, of which a is the last.
func (s *Service) ask(ctx context.Context, j job, a answer, life protocol.ProbeOutcome) bool {
	for i, target := range j.asks {
		r := result{job: j, kind: probe, about: target, last: i == len(j.asks)-1, life: life}
		if (!a.unreached || s.worthAnother(j, a)) && !s.leaving.Load() {
			r.yes, r.answer = s.net.indirect(ctx, j.id, target)
			a = r.answer
		}
		select {
		case <-ctx.Done():
			return false
		case s.results <- r:
		}
	}
	return true
}

// worthAnother reports whether a peer that was not reached is asked all the same: a connection to it stands, and most of an
// exchange's time is left. On a link that loses one exchange of three, six helpers would be four otherwise. A peer to which there is
// no connection is not dialled a second time.
func (s *Service) worthAnother(j job, a answer) bool {
	return !a.opened.IsZero() && time.Since(j.began) < s.cfg.exchange/2
}
