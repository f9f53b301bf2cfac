package host

import (
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// compose makes the snapshot of the round that was just closed.
func (s *Service) compose(round uint64) *Snapshot {
	node := s.loop.node
	snap := &Snapshot{
		Round: round, View: node.View(), Slots: node.Slots(), Node: node.Status(), Size: node.Status().Size,
		Suspects: node.Suspects(),
		Private:  s.own.Load() == nil, Leaving: s.leaving.Load(), Records: s.book.len(), Reachability: s.loop.reach,
	}
	proven := make(map[peer.ID]bool, len(snap.Slots))
	for i := range snap.Slots {
		slot := &snap.Slots[i]
		proven[slot.ID] = slot.Proven
		slot.Hash, slot.Key = 0, 0 // secrets of the node, which no reader of snapshots needs
	}
	infos := make(map[peer.ID]peer.AddrInfo, len(snap.Slots))
	infoOf := func(id peer.ID) peer.AddrInfo {
		info, ok := infos[id]
		if !ok {
			info = s.book.info(id)
			info.Addrs = slices.Clip(info.Addrs) // shared by all readers: an append of theirs must copy
			infos[id] = info
		}
		return info
	}
	for _, id := range node.Sample() {
		if s.cfg.provenOnly && !proven[id] {
			continue
		}
		if _, ok := infos[id]; !ok {
			snap.Peers = append(snap.Peers, infoOf(id))
		}
		snap.drawn = append(snap.drawn, infoOf(id))
	}
	snap.tray = s.lay(infoOf)
	return snap
}

// publish makes snap what users and pull requests see, and protects the records of all ids in use from eviction.
func (s *Service) publish(snap *Snapshot) {
	snap.reply = s.encodeView(wire.StatusTaken, snap.View, wire.MaxPullResponse)
	snap.replyLess = snap.reply
	if len(snap.reply) > wire.MaxPullResponseLimited {
		snap.replyLess = s.encodeView(wire.StatusTaken, snap.View, wire.MaxPullResponseLimited)
	}
	s.published.Store(snap)
	next := make(chan struct{})
	close(*s.turn.Swap(&next))

	inUse := s.loop.node.InUse()
	for _, j := range s.loop.queue {
		inUse = append(inUse, j.id)
	}
	for id := range s.loop.busy {
		inUse = append(inUse, id)
	}
	s.book.setPinned(inUse)
	if s.cfg.onRound != nil {
		s.cfg.onRound(snap)
	}
}

// frameRoom is what a frame's length prefix and a status take at most.
const frameRoom = 16

// answerShare is how many bytes of a pull answer there are for each slot of the view. Records of real peers have 150 to
// 900 bytes, and 8 KiB are allowed: some padded ones could make the answer of every node ten times as large and use up
// Limits.PullBytes by few pulls.
const answerShare = 1 << 10

// encodeView returns the framed answer to a pull request: the status, taken or leaving, and the distinct ids of the view
// with their counts, at most limit bytes of them, a uniform choice where there are more. Ids without a record are left out:
// nobody could check them. So are, in a view whose records exceed answerShare on average, some of those that take more than their part: each with the
// probability that leaves it its part in the mean. So no id is left out for ever, and what one has too much no other pays.
func (s *Service) encodeView(status wire.Status, view []peer.ID, limit int) []byte {
	counts := make(map[peer.ID]uint32, len(view))
	var ids []peer.ID
	for _, id := range view {
		if counts[id] == 0 {
			ids = append(ids, id)
		}
		counts[id]++
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	res := wire.PullResponse{Status: status}
	var entries []wire.Entry
	total := 0
	for _, id := range ids {
		if raw := s.book.raw(id); raw != nil {
			entries = append(entries, wire.Entry{Record: raw, Count: counts[id]})
			total += wire.EntrySize(len(raw))
		}
	}
	part := 0.0 // of one entry; 0: as much as it takes
	if most := min(limit, s.cfg.params.L1*answerShare); s.cfg.limits.PullBytes > 0 && total > most {
		part = float64(most) / float64(len(entries))
	}
	size := frameRoom + s.tokens.room()
	for _, e := range entries {
		takes := wire.EntrySize(len(e.Record))
		if part > 0 && rand.Float64()*float64(takes) > part {
			continue
		}
		if size += takes; size > limit {
			break
		}
		res.Entries = append(res.Entries, e)
	}
	b, err := res.Marshal()
	if err != nil {
		// Every record in the book was checked against the limits that Marshal checks.
		log.Errorf("internal error: encode the view: %v", err)
		return wire.AppendFrame(nil, nil)
	}
	return wire.AppendFrame(nil, b)
}

// ownRecord is the record that we push.
type ownRecord struct {
	raw []byte
	seq uint64
}

// takeOwn makes our own record anew from the host's addresses. It is the host's own signed record wherever that holds
// nothing that we would not tell; otherwise, and on hosts that make none, one of ours with the same seq, so that the two
// do not replace each other for ever in the books of others. A host with no address that others may dial has no record,
// and neither has one that AutoNAT found to be private, unless a relay takes its calls.
func (s *Service) takeOwn(envelope *record.Envelope) {
	s.loop.envelope = envelope
	floor := classPublic
	if s.cfg.private {
		floor = classLoopback
	}
	addrs := filterAddrs(s.host.Addrs(), s.self, addrPolicy{floor})
	private := !s.cfg.private && s.loop.reach == network.ReachabilityPrivate && !slices.ContainsFunc(addrs, relayed)
	if len(addrs) == 0 || private {
		s.own.Store(nil)
		return
	}
	seq := peer.TimestampSeq()
	if envelope != nil {
		if raw, err := envelope.Marshal(); err == nil {
			rec, err := wire.OpenRecord(raw)
			if err == nil && rec.ID == s.self && len(filterAddrs(rec.Addrs, s.self, addrPolicy{floor})) == len(rec.Addrs) && len(rec.Addrs) > 0 {
				s.own.Store(&ownRecord{raw: raw, seq: rec.Seq})
				return
			}
			if err == nil {
				seq = rec.Seq
			}
		}
	}
	key := s.key()
	if key == nil {
		log.Errorf("the host's peerstore has no private key and the host no usable signed record: this peer does not push")
		s.own.Store(nil)
		return
	}
	raw, err := wire.SealRecord(key, s.self, addrs, seq)
	if err != nil {
		log.Errorf("internal error: seal our own record: %v", err)
		return
	}
	s.own.Store(&ownRecord{raw: raw, seq: seq})
}

func relayed(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_CIRCUIT)
	return err == nil
}

// key is the host's private key, nil if its peerstore does not have it.
func (s *Service) key() crypto.PrivKey {
	if s.host == nil {
		return nil
	}
	return s.host.Peerstore().PrivKey(s.self)
}
