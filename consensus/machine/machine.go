package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Errors of what is given to the machine. The driver counts them; nothing of the input was used.
var (
	// ErrItem: a field of the item is out of its limits.
	ErrItem = errors.New("consensus: bad item")
	// ErrEpoch: the epoch is not kept, or not the current one where it must be.
	ErrEpoch = errors.New("consensus: epoch not kept")
	// ErrWindow: the window of the epoch is over.
	ErrWindow = errors.New("consensus: window is over")
	// ErrOriginFull: the origin has MaxItemsPerOrigin items in this epoch.
	ErrOriginFull = errors.New("consensus: too many items of this origin")
	// ErrFull: the epoch has MaxItems items and none gives way.
	ErrFull = errors.New("consensus: too many items in this epoch")
	// ErrUnsolicited: an answer or item that was not asked for, of this peer, in this round; or given twice.
	ErrUnsolicited = errors.New("consensus: not asked for")
	// ErrAnswer: an answer with more ids than MaxItems, or with ids that do not ascend.
	ErrAnswer = errors.New("consensus: malformed answer")
	// ErrTooFew: fewer peers than MinPeers; the poll is void.
	ErrTooFew = errors.New("consensus: too few peers for a poll")
)

// A Clock is where the driver's time stands: Epoch counts up, Age is the number of rounds since the epoch began.
type Clock struct {
	Epoch uint64
	Age   uint64
}

// A Nonce binds an answer to its poll.
type Nonce [16]byte

// A Poll is to be sent to K peers, after Ask.
type Poll struct {
	Epoch uint64
	Nonce Nonce
	K     int
}

// A Fetch asks From for items that it has listed.
type Fetch struct {
	Epoch uint64
	From  peer.ID
	IDs   []ID // at most MaxFetch
}

// Actions is the work of a round.
type Actions struct {
	Polls   []Poll   // one for each kept epoch that is not closed, the oldest first
	Fetches []Fetch  // at most one for each peer that answered a poll of the last round
	Closed  []uint64 // epochs that this Tick has closed: Decided gives their sets
}

// A Vote is one id in an answer.
type Vote struct {
	ID      ID
	Decided bool
}

// An Answer is what a node says to a poll. In ascends by id and holds what the node prefers to be in the set; all else
// counts as out. It is not changed once made, by the machine or its driver.
type Answer struct {
	Epoch  uint64
	Closed bool // the epoch is closed: In is the set, all of it decided
	In     []Vote
}

// Check returns ErrAnswer if the answer is malformed.
func (a Answer) Check() error {
	if len(a.In) > MaxItems {
		return fmt.Errorf("%w: %d items, at most %d", ErrAnswer, len(a.In), MaxItems)
	}
	for i := 1; i < len(a.In); i++ {
		if a.In[i-1].ID.compare(a.In[i].ID) >= 0 {
			return fmt.Errorf("%w: ids do not ascend", ErrAnswer)
		}
	}
	return nil
}

// A Machine is one node's state. It is not safe for concurrent use.
type Machine struct {
	p      Params
	rng    *rand.Rand
	clock  Clock
	began  bool     // there was a Tick
	epochs []*epoch // kept ones, ascending; the last is the current one
}

// New returns a machine without any epoch. It fails if p is invalid or rng is nil. The nonces are drawn from rng.
func New(p Params, rng *rand.Rand) (*Machine, error) {
	if rng == nil {
		return nil, errors.New("consensus: rng must not be nil")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Machine{p: p, rng: rng}, nil
}

// Tick closes the polls of the last round and opens those of the next. now is where the driver's clock stands; a clock
// that goes back changes nothing until it has caught up.
func (m *Machine) Tick(now Clock) Actions {
	var a Actions
	m.turn(now)
	for _, e := range m.epochs {
		wasClosed := e.closed
		a.Fetches = append(a.Fetches, e.conclude(m.p)...)
		if e.closed && !wasClosed {
			a.Closed = append(a.Closed, e.number)
		}
		e.publish()
		if !e.closed {
			a.Polls = append(a.Polls, e.open(m.nonce(), m.p.K))
		}
	}
	return a
}

// turn follows the clock: it opens and drops epochs, and ends windows.
func (m *Machine) turn(now Clock) {
	if m.began && (now.Epoch < m.clock.Epoch || now.Epoch == m.clock.Epoch && now.Age < m.clock.Age) {
		now = m.clock
	}
	if !m.began || now.Epoch > m.clock.Epoch {
		for _, e := range m.epochs {
			e.over = true
		}
		// Who comes in the last round of a window cannot fetch any more what it hears of then.
		late := now.Age >= uint64(max(1, m.p.Window-1))
		m.epochs = append(m.epochs, newEpoch(now.Epoch, late))
		for m.epochs[0].number+Epochs <= now.Epoch {
			m.epochs = m.epochs[1:]
		}
	}
	m.clock, m.began = now, true
	if now.Age >= uint64(m.p.Window) {
		m.epochs[len(m.epochs)-1].over = true
	}
}

func (m *Machine) nonce() (n Nonce) {
	binary.LittleEndian.PutUint64(n[:8], m.rng.Uint64())
	binary.LittleEndian.PutUint64(n[8:], m.rng.Uint64())
	return n
}

// Ask names the peers of the open poll of an epoch: distinct, drawn anew for this poll, K of them or as many as there
// are; more than K are cut. With fewer than MinPeers it fails with ErrTooFew and the poll is void: nobody is to be asked.
// It returns those who are to be asked.
func (m *Machine) Ask(number uint64, picks []peer.ID) ([]peer.ID, error) {
	e := m.epoch(number)
	if e == nil || e.poll == nil || e.poll.asked != nil {
		return nil, ErrEpoch
	}
	picks = picks[:min(len(picks), m.p.K)]
	if len(picks) < m.p.MinPeers {
		e.tooFew = true
		e.poll = nil
		return nil, fmt.Errorf("%w: %d, at least %d", ErrTooFew, len(picks), m.p.MinPeers)
	}
	e.tooFew = false
	e.poll.asked = append([]peer.ID(nil), picks...)
	e.poll.answers = make([]*Answer, len(picks))
	return e.poll.asked, nil
}

// HandleAnswer takes the answer of a peer to the open poll with this nonce. It fails with ErrEpoch, ErrUnsolicited (a
// peer that was not asked, a second answer, the nonce of another poll) or ErrAnswer. The answer must not change later.
func (m *Machine) HandleAnswer(from peer.ID, nonce Nonce, a Answer) error {
	e := m.epoch(a.Epoch)
	if e == nil {
		return ErrEpoch
	}
	if e.poll == nil || e.poll.nonce != nonce {
		return ErrUnsolicited
	}
	for i, id := range e.poll.asked {
		if id != from {
			continue
		}
		if e.poll.answers[i] != nil {
			return ErrUnsolicited
		}
		if err := a.Check(); err != nil {
			return err
		}
		e.poll.answers[i] = &a
		return nil
	}
	return ErrUnsolicited
}

// HandleItem takes an item that a fetch of this round has asked of from. The driver has verified its signature. Beside
// the errors of Propose it fails with ErrUnsolicited.
func (m *Machine) HandleItem(from peer.ID, it Item) error {
	if err := it.Check(); err != nil {
		return err
	}
	e := m.epoch(it.Epoch)
	if e == nil {
		return ErrEpoch
	}
	id := it.ID()
	if who, ok := e.wanted[id]; !ok || who != from {
		return ErrUnsolicited
	}
	delete(e.wanted, id)
	return e.add(id, it)
}

// Propose adds an item of this node to the current epoch. It fails with ErrItem, with ErrEpoch if the item is of another
// epoch, and with ErrWindow, ErrOriginFull or ErrFull. Proposing an item again changes nothing.
func (m *Machine) Propose(it Item) error {
	if err := it.Check(); err != nil {
		return err
	}
	if !m.began || it.Epoch != m.clock.Epoch {
		return ErrEpoch
	}
	e := m.epochs[len(m.epochs)-1]
	if e.over || e.closed {
		return ErrWindow
	}
	return e.add(it.ID(), it)
}

// Answer returns what the node says in this round to a poll about the epoch, the same to everybody. ok is false if it
// has nothing to say: the epoch is not kept, or the node came after its window and has not closed it yet. A newcomer
// who answered "nothing is in" would be one more vote against every item.
func (m *Machine) Answer(number uint64) (a Answer, ok bool) {
	e := m.epoch(number)
	if e == nil || e.late && !e.closed {
		return Answer{}, false
	}
	return e.answer, true
}

// Item returns an item of a kept epoch, to serve a fetch.
func (m *Machine) Item(number uint64, id ID) (Item, bool) {
	if e := m.epoch(number); e != nil {
		if i, ok := e.find(id); ok {
			return e.items[i].item, true
		}
	}
	return Item{}, false
}

// Items ranges over the items that the node holds of an epoch, ascending by id.
func (m *Machine) Items(number uint64) iter.Seq2[ID, Item] {
	return func(yield func(ID, Item) bool) {
		e := m.epoch(number)
		if e == nil {
			return
		}
		for _, x := range e.items {
			if !yield(x.id, x.item) {
				return
			}
		}
	}
}

// Decided returns the set of a closed epoch, ascending by id. ok is false while the epoch is open or if it is not kept.
func (m *Machine) Decided(number uint64) (set []Item, ok bool) {
	e := m.epoch(number)
	if e == nil || !e.closed {
		return nil, false
	}
	for _, x := range e.items {
		if x.prefer == In {
			set = append(set, x.item)
		}
	}
	return set, true
}

func (m *Machine) epoch(number uint64) *epoch {
	for _, e := range m.epochs {
		if e.number == number {
			return e
		}
	}
	return nil
}
