package sim

import "github.com/brahms-p2p/brahms-p2p/protocol"

var _ = register("silent", "faulty nodes send nothing and answer nothing", true,
	func(*world) attack { return &silent{} })

// silent nodes are dead ones that count as faulty.
type silent struct{ balanced }

func (s *silent) plan(_ *world, to []push) []push { return to }

func (s *silent) answer(*world, exchange) (protocol.ProbeOutcome, int) { return protocol.Missed, 0 }

func (s *silent) dialable(*world, *member) bool { return false }
