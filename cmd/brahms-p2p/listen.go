package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// checkListen fails if one of addrs is another process's, or none that this machine lets us listen on. Libp2p would share a TCP
// port with the other process (SO_REUSEPORT), and each of the two get connections that are meant for the other; and of several
// addresses it leaves out without a word what it cannot have. We leave that to it where an address is that of all interfaces,
// which the defaults have: a machine without IPv6 has no such one.
func checkListen(addrs []multiaddr.Multiaddr) error {
	for _, a := range addrs {
		ln, err := listenAlone(a)
		switch {
		case err == nil:
			_ = ln.Close()
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("listen=%q: another process listens there", a)
		case !manet.IsIPUnspecified(a) || errors.Is(err, syscall.EACCES) || errors.Is(err, errNoPort):
			if op := (*net.OpError)(nil); errors.As(err, &op) {
				err = op.Err // without the address once more
			}
			return fmt.Errorf("listen=%q cannot be listened on: %w", a, err)
		}
	}
	return nil
}

var errNoPort = errors.New("it has neither a TCP nor a UDP port")

// listenAlone listens on the IP address and port in front of a, as one that shares them with nobody.
func listenAlone(a multiaddr.Multiaddr) (io.Closer, error) {
	if len(a) < 2 {
		return nil, errNoPort
	}
	switch a[1].Code() {
	case multiaddr.P_TCP:
		return manet.Listen(a[:2])
	case multiaddr.P_UDP:
		return manet.ListenPacket(a[:2])
	}
	return nil, errNoPort
}
