package spread

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// memStream is a stream in memory. It allows each thing only in its time.
type memStream struct {
	network.Stream // nil: the service must not use what is not below
	remote         peer.ID
	addr           multiaddr.Multiaddr
	code           network.StreamErrorCode
	in             io.Reader
	out            bytes.Buffer
	isClosed       bool
	isReset        bool
	reserved       int
}

// newMemStreamAt is newMemStream for a peer at an address.
func newMemStreamAt(remote peer.ID, addr string, in []byte) *memStream {
	m := newMemStream(remote, in)
	m.addr = multiaddr.StringCast(addr)
	return m
}

func newMemStream(remote peer.ID, in []byte) *memStream {
	return &memStream{remote: remote, in: bytes.NewReader(in)}
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
func (m *memStream) ResetWithError(code network.StreamErrorCode) error {
	m.code = code
	return m.Reset()
}
func (m *memStream) SetDeadline(time.Time) error { return nil }
func (m *memStream) Conn() network.Conn          { return memConn{remote: m.remote, addr: m.addr} }
func (m *memStream) Scope() network.StreamScope  { return memScope{m: m} }

type memConn struct {
	network.Conn
	remote peer.ID
	addr   multiaddr.Multiaddr
}

func (c memConn) RemoteMultiaddr() multiaddr.Multiaddr { return c.addr }

func (c memConn) RemotePeer() peer.ID { return c.remote }

type memScope struct {
	network.StreamScope
	m *memStream
}

func (memScope) SetService(string) error              { return nil }
func (s memScope) ReserveMemory(n int, _ uint8) error { s.m.reserved += n; return nil }
func (s memScope) ReleaseMemory(n int)                { s.m.reserved -= n }
