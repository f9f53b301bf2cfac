package consensus

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// memStream is a stream in memory. It allows each thing only in its time.
type memStream struct {
	network.Stream // nil: the service must not use what is not below
	remote         peer.ID
	addr           multiaddr.Multiaddr
	in             io.Reader
	out            bytes.Buffer
	isClosed       bool
	isReset        bool
	code           network.StreamErrorCode
	reserved       int
}

func newMemStream(remote peer.ID, addr string, in []byte) *memStream {
	return &memStream{remote: remote, addr: multiaddr.StringCast(addr), in: bytes.NewReader(in)}
}

var errEnded = errors.New("the stream has ended")

func (m *memStream) Read(b []byte) (int, error) {
	if m.isReset || m.isClosed {
		return 0, errEnded
	}
	return m.in.Read(b)
}

func (m *memStream) Write(b []byte) (int, error) {
	if m.isReset || m.isClosed {
		return 0, errEnded
	}
	return m.out.Write(b)
}

func (m *memStream) Close() error      { m.isClosed = true; return nil }
func (m *memStream) CloseWrite() error { return nil }
func (m *memStream) Reset() error      { m.isReset = true; return nil }
func (m *memStream) ResetWithError(c network.StreamErrorCode) error {
	m.code = c
	return m.Reset()
}
func (m *memStream) SetDeadline(time.Time) error { return nil }
func (m *memStream) Protocol() coreprotocol.ID   { return PollID }
func (m *memStream) Conn() network.Conn          { return memConn{m: m} }
func (m *memStream) Scope() network.StreamScope  { return memScope{m: m} }

type memConn struct {
	network.Conn
	m *memStream
}

func (c memConn) RemotePeer() peer.ID                  { return c.m.remote }
func (c memConn) RemoteMultiaddr() multiaddr.Multiaddr { return c.m.addr }

type memScope struct {
	network.StreamScope
	m *memStream
}

func (memScope) SetService(string) error              { return nil }
func (s memScope) ReserveMemory(n int, _ uint8) error { s.m.reserved += n; return nil }
func (s memScope) ReleaseMemory(n int)                { s.m.reserved -= n }
