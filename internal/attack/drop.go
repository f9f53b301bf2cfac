package attack

import (
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// TakeAndDrop makes a faulty peer say of every message that it is spread that it took it, and do nothing with it: so its
// sender counts it in, and the message ends there. It does so whatever attack the peer is part of.
func TakeAndDrop(h corehost.Host) {
	h.SetStreamHandler(message.ID, func(st network.Stream) {
		_ = st.SetDeadline(time.Now().Add(serving))
		if _, err := wire.ReadFrame(st, message.MaxSize(message.MaxPayload)); err != nil {
			_ = st.Reset()
			return
		}
		if err := respond(st, message.Answer{Status: message.StatusTaken}); err != nil {
			_ = st.Reset()
			return
		}
		_ = st.Close()
	})
}
