package sampler

import (
	"crypto/sha256"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A Bank is a group of slots whose ids are handed out, each once (D29). What a slot holds is a function of its key and of
// the ids that it was fed: who is handed the same slot twice gets the same id. So a slot that was spent moves to a position that was
// never used, forgets what it was fed, and counts again when it is mature. Its next id is then independent of all that were
// handed out before.
//
// All else is as in a Group: an id wins a slot by answering a probe, and death clears the value and keeps the key.
type Bank struct{ *Group }

// A Pick is what a slot of a bank has to hand out.
type Pick struct {
	ID      peer.ID
	Key     uint64 // position of the slot: no two picks of a bank have the same, unless the first was never spent
	Diverse bool
}

// NewBank returns a bank of cfg.L2 empty slots, or the error of cfg.Validate. Its keys have nothing to do with those of a
// Group that has the same secret. Direct and Rekey must be false: what is handed out must have answered, and a fresh key
// on death is a ratchet here as well.
func NewBank(cfg Config) (*Bank, error) {
	if cfg.Direct || cfg.Rekey {
		return nil, errors.New("sampler: direct and rekey must be false in a bank")
	}
	cfg.Secret = sha256.Sum256(append([]byte("brahms/bank/"), cfg.Secret[:]...))
	g, err := NewGroup(cfg)
	if err != nil {
		return nil, err
	}
	return &Bank{g}, nil
}

// Ready returns what the mature slots hold, in the order of the slots. Who takes some of it must choose by something else
// than the ids.
func (b *Bank) Ready() []Pick {
	var out []Pick
	for i := range b.slots {
		if s := b.Slot(i); s.ID != "" && s.Mature {
			out = append(out, Pick{ID: s.ID, Key: s.Key, Diverse: s.Diverse})
		}
	}
	return out
}

// Spend re-keys the slots with the given keys and returns how many those were. Keys that no slot has are ignored: such a
// slot was spent before.
func (b *Bank) Spend(keys ...uint64) int {
	spent := make(map[int]bool, len(keys))
	for _, key := range keys {
		for i := range b.slots {
			if b.slots[i].position == key {
				spent[i] = true
			}
		}
	}
	if len(spent) == 0 {
		return 0
	}
	return b.empty(func(i int) bool { return spent[i] }, true)
}
