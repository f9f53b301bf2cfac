package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

type addressesEvent struct {
	Event string   `json:"event"` // "addresses"
	Addrs []string `json:"addrs"` // each ends in /p2p/ID
}

type peersEvent struct {
	Event string        `json:"event"` // "peers"
	Round uint64        `json:"round"`
	Peers []reachedPeer `json:"peers"` // the distinct ones of the sample
}

// A reachedPeer says how a peer of the sample is reached.
type reachedPeer struct {
	ID         peer.ID  `json:"id"`
	Addrs      []string `json:"addrs"`      // where it says that it is
	Proven     bool     `json:"proven"`     // a dial of ours was answered
	Connection string   `json:"connection"` // direct, relayed or none
	Pushed     bool     `json:"pushed"`     // in the round
}

// addresses prints the peer's own addresses if they have changed since it started or since they were printed: AutoNAT, a
// relay or a router's port mapping may have done that.
func (r *reporter) addresses(h corehost.Host) error {
	addrs, err := peer.AddrInfoToP2pAddrs(corehost.InfoFromHost(h))
	if err != nil {
		return err
	}
	now := texts(addrs)
	slices.Sort(now)
	if slices.Equal(now, r.addrs) {
		return nil
	}
	before := r.addrs
	r.addrs = now
	if r.json {
		return json.NewEncoder(r.w).Encode(addressesEvent{Event: "addresses", Addrs: now})
	}
	text := ""
	for _, a := range now {
		if !slices.Contains(before, a) {
			text += fmt.Sprintf("address  %s\n", a)
		}
	}
	for _, a := range before {
		if !slices.Contains(now, a) {
			text += fmt.Sprintf("address  %s is no more\n", a)
		}
	}
	_, err = io.WriteString(r.w, text)
	return err
}

// peers prints how each peer of the sample is reached, if that is wanted.
func (r *reporter) peers(h corehost.Host, s *brahmshost.Snapshot, wanted bool) error {
	if !wanted || s.Round == 0 {
		return nil
	}
	proven := make(map[peer.ID]bool, len(s.Slots))
	for i := range s.Slots {
		proven[s.Slots[i].ID] = s.Slots[i].Proven
	}
	list := make([]reachedPeer, 0, len(s.Peers))
	for _, p := range s.Peers {
		list = append(list, reachedPeer{
			ID: p.ID, Addrs: texts(p.Addrs), Proven: proven[p.ID], Connection: connection(h, p.ID),
			Pushed: slices.Contains(s.Pushers, p.ID),
		})
	}
	if r.json {
		return json.NewEncoder(r.w).Encode(peersEvent{Event: "peers", Round: s.Round, Peers: list})
	}
	text := ""
	for _, p := range list {
		how := "unproven"
		if p.Proven {
			how = "proven"
		}
		text += fmt.Sprintf("  %s  %-8s  %-7s", p.ID, how, p.Connection)
		for _, a := range p.Addrs {
			text += "  " + a
		}
		text += "\n"
	}
	_, err := io.WriteString(r.w, text)
	return err
}

// connection says how h is connected to a peer: what is direct outranks what is relayed, as it does for libp2p.
func connection(h corehost.Host, id peer.ID) string {
	how := "none"
	for _, c := range h.Network().ConnsToPeer(id) {
		if _, err := c.RemoteMultiaddr().ValueForProtocol(multiaddr.P_CIRCUIT); err != nil {
			return "direct"
		}
		how = "relayed"
	}
	return how
}

func texts(addrs []multiaddr.Multiaddr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}
