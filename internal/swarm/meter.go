package swarm

import (
	"strings"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/consensus"
)

// meter counts the bytes that all its hosts send in streams of the agreement, without what yamux, Noise and TCP put around
// them. libp2p's own counter starts a goroutine that outlives its hosts.
type meter struct {
	*metrics.BandwidthCounter // whose counts stay at zero
	sent                      atomic.Int64
}

func newMeter() *meter { return &meter{BandwidthCounter: metrics.NewBandwidthCounter()} }

func (m *meter) LogSentMessage(int64)                             {}
func (m *meter) LogRecvMessage(int64)                             {}
func (m *meter) LogRecvMessageStream(int64, protocol.ID, peer.ID) {}
func (m *meter) LogSentMessageStream(n int64, p protocol.ID, _ peer.ID) {
	if strings.HasPrefix(string(p), consensus.ID) {
		m.sent.Add(n)
	}
}
