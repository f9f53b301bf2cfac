package host

import (
	"errors"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
)

// relayFull reports whether a relay refused to carry a call because it carries enough, as one that allows 16 circuits a
// peer, which is libp2p's default, soon does for a popular one. It is no evidence of death: a relay looks first whether the
// peer is connected to it. libp2p has no error value for it, only this text; what a relay says is a number.
func relayFull(err error) bool {
	var dial *swarm.DialError
	return errors.As(err, &dial) && slices.ContainsFunc(dial.DialErrors, func(e swarm.TransportError) bool {
		return e.Cause != nil && relayed(e.Address) &&
			strings.Contains(e.Cause.Error(), circuit.Status_RESOURCE_LIMIT_EXCEEDED.String())
	})
}
