package attack

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// TestTakeAndDrop: a faulty peer says that it took whatever it is sent as a message.
func TestTakeAndDrop(t *testing.T) {
	var hosts []corehost.Host
	for range 2 {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		hosts = append(hosts, h)
	}
	TakeAndDrop(hosts[1])
	if err := hosts[0].Connect(t.Context(), peer.AddrInfo{ID: hosts[1].ID(), Addrs: hosts[1].Addrs()}); err != nil {
		t.Fatal(err)
	}
	st, err := hosts[0].NewStream(t.Context(), hosts[1].ID(), message.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_ = st.SetDeadline(time.Now().Add(30 * time.Second))
	if err := wire.WriteFrame(st, []byte("anything")); err != nil {
		t.Fatal(err)
	}
	raw, err := wire.ReadFrame(st, message.MaxAnswer)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := message.DecodeAnswer(raw); err != nil || a.Status != message.StatusTaken {
		t.Errorf("%v, %v", a, err)
	}
}
