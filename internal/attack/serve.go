package attack

import (
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// kind is one of the three exchanges.
type kind int

const (
	push kind = iota
	pull
	probe
	kinds
)

// protocols are the ids that package protocol has, which faulty peers do not import: they are written from the spec.
var protocols = [kinds]coreprotocol.ID{
	push: "/brahms/1.0.0/push", pull: "/brahms/1.0.0/pull", probe: "/brahms/1.0.0/probe",
}

// errAway: the faulty peer's host is down.
var errAway = errors.New("attack: the host is down")

// handle serves a stream that a correct peer opened. Pushes and probes are answered as a correct peer does: who does not
// answer leaves the samples.
func (f *faulty) handle(k kind, st network.Stream) {
	if !f.a.begin() {
		_ = st.Reset()
		return
	}
	defer f.a.running.Done()
	_ = st.SetDeadline(time.Now().Add(serving))
	if err := f.answer(k, st); err != nil {
		_ = st.Reset()
		return
	}
	_ = st.Close()
}

func (f *faulty) answer(k kind, st network.Stream) error {
	switch k {
	case pull:
		if _, err := wire.ReadFrame(st, wire.MaxPullRequest); err != nil {
			return err
		}
		return f.attack.send(f.a.life, f, st, f.attack.reply(f))
	case probe:
		if _, err := wire.ReadFrame(st, wire.MaxProbeRequest); err != nil {
			return err
		}
		return respond(st, wire.ProbeResponse{Status: wire.StatusAlive})
	}
	frame, err := wire.ReadFrame(st, wire.MaxPushRequest)
	if err == nil && len(frame) == 0 { // a hello
		if err = respond(st, wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: f.ask()}); err == nil {
			_, err = wire.ReadFrame(st, wire.MaxPushRequest)
		}
	}
	if err != nil {
		return err
	}
	return respond(st, wire.PushResponse{Status: wire.StatusTaken})
}

func respond(st network.Stream, m interface{ Marshal() ([]byte, error) }) error {
	b, err := m.Marshal()
	if err != nil {
		return err
	}
	return wire.WriteFrame(st, b)
}
