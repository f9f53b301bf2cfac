package main

import (
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/multiformats/go-multiaddr"
	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// relayRetry is when a relay that had no place for us is asked again, at the earliest. libp2p's own hour is for those who
// choose among many; a peer with one relay would be out of reach for an hour after each restart of it.
const relayRetry = time.Minute

// natFlags are those of run for peers behind a NAT, and for those who help them.
func natFlags() []cli.Flag {
	return []cli.Flag{
		listFlag(inNetwork, "relay", nil, "`MULTIADDR` of a relay, ending in /p2p/ID, through which others reach this peer while it is behind a NAT; may be repeated; without it relays are sought in the sample"),
		boolFlag(inNetwork, "relay-service", "be a relay for peers behind NATs, within libp2p's default limits; for a peer with a public address, which it is then taken to have"),
	}
}

// natOptions are the options of the host that natFlags ask for. source is where relays are sought if none is named, and direct
// hears of hole punching.
func natOptions(cmd *cli.Command, listen []multiaddr.Multiaddr, source *adapters.Source, direct attempts) ([]libp2p.Option, error) {
	relays, err := peersOf("relay", cmd.StringSlice("relay"))
	if err != nil {
		return nil, err
	}
	service := cmd.Bool("relay-service")
	if service && len(relays) > 0 {
		return nil, usagef("relay-service is for peers that others reach directly, and relay for those that they do not: give one of them")
	}
	opts := []libp2p.Option{direct.option()}
	if allLoopback(listen) {
		if service || len(relays) > 0 {
			return nil, usagef("relay and relay-service need an address to listen on that is not on loopback")
		}
		return opts, nil
	}
	// To answer others whether they can be dialled is what they need to know that they want a relay.
	opts = append(opts, libp2p.NATPortMap(), libp2p.EnableNATService())
	retry := []autorelay.Option{autorelay.WithBootDelay(0), autorelay.WithBackoff(relayRetry)}
	switch {
	case service:
		return append(opts, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic()), nil
	case len(relays) > 0:
		return append(opts, libp2p.EnableAutoRelayWithStaticRelays(relays, retry...)), nil
	default:
		retry = append(retry, autorelay.WithMinCandidates(1)) // the sample is a uniform choice already
		return append(opts, libp2p.EnableAutoRelayWithPeerSource(source.PeerSource, retry...)), nil
	}
}
