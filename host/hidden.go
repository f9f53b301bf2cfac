package host

import "github.com/libp2p/go-libp2p/core/network"

// hidden reports whether whoever opened st must not pass us on: we have no address that others may be told, and it has not
// come to us by one that we do not know of, since the connection is of our own dialling. It may have heard of us when we did
// have one, or did not know yet that a NAT keeps others out. We answer it, over that connection, and nobody else could
// reach us: we would stay in its sample, and in those of others for as long as it names us. So it is told to forget us.
//
// Who did reach us knows better, and so it is not told: AutoNAT servers can lie.
func (s *Service) hidden(st network.Stream) bool {
	return s.own.Load() == nil && st.Conn().Stat().Direction == network.DirOutbound
}
