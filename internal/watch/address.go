package watch

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Address is where to serve.
type Address struct {
	host string // as the user wrote it; loopback where it was left out
	port uint16
}

// ParseAddress reads HOST:PORT, :PORT or PORT. Without a host it is this machine's loopback, not every interface as
// elsewhere; port 0 lets the system choose. The error names value and rule.
func ParseAddress(text string) (Address, error) {
	wrong := func(why string) (Address, error) {
		return Address{}, fmt.Errorf("http=%q must be HOST:PORT, or PORT for this machine alone: %s", text, why)
	}
	host, port := "", text
	if strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return wrong(err.Error())
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return wrong(fmt.Sprintf("the port is %q, not a number up to 65535", port))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if strings.ContainsAny(host, " /@%") {
		return wrong(fmt.Sprintf("%q is no name of a host", host))
	}
	return Address{host: host, port: uint16(n)}, nil
}

func (a Address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// ours reports whether a Host header names this server for certain: an IP address, which no name server can rebind,
// localhost, or the name that the user gave. A page of a stranger whose name is made to lead here sends that name.
func (a Address) ours(header string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || strings.EqualFold(host, a.host)
}
