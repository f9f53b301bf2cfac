package host

import "github.com/brahms-p2p/brahms-p2p/protocol"

// This file keeps what the service derives from the sizes of view and sample in step with them, where they follow the
// network's size (WithAdaptiveSize).

// DefaultMaxSize is how large views and samples become by default: enough for 260,000 peers.
const DefaultMaxSize = protocol.MaxL1

// workersFor is the default number of workers: a round's work grows with l1 and l2, and so does the share of it that
// some silent peers can hold up.
func workersFor(p protocol.Params) int {
	return min(max(DefaultWorkers, 2*(p.L1+p.L2)/5), MaxWorkers)
}

// follow brings limits and workers up to date with the sizes of the round that begins. Workers never become fewer: those
// without work cost nothing but their stacks.
func (s *Service) follow() {
	p := s.loop.node.Params()
	if p.L1 == s.loop.sized.L1 && p.L2 == s.loop.sized.L2 {
		return
	}
	s.loop.sized = p
	if !s.cfg.workersSet {
		for ; s.cfg.workers < workersFor(p); s.cfg.workers++ {
			s.running.Go(func() { s.work(s.life) }) // the loop is running, so Close waits for these too
		}
	}
	l := s.cfg.wanted.withDefaults(p, s.cfg.workers)
	s.gate.resize(l, p, s.cfg.interval)
	s.dialling.resize(l, s.cfg.interval)
	s.loop.crowd.resize(l, p)
	log.Debugw("sizes follow the network", "l1", p.L1, "l2", p.L2, "size", s.loop.node.Status().Size.N)
}
