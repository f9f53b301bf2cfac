package consensus

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// patience is how long a test waits for what must happen. It is far beyond what it takes on a busy machine.
const patience = 60 * time.Second

// eventually waits until cond holds and fails the test if it does not within a time that only a defect takes.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not come true: %s", what)
		}
	}
}

// testKey returns a key that is fixed by i, and its peer id.
func testKey(t testing.TB, i int) (crypto.PrivKey, peer.ID) {
	t.Helper()
	seed := binary.LittleEndian.AppendUint64(make([]byte, ed25519.SeedSize-8), uint64(i))
	std := ed25519.NewKeyFromSeed(seed)
	key, _, err := crypto.KeyPairFromStdKey(&std)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

func testID(t testing.TB, i int) peer.ID {
	_, id := testKey(t, i)
	return id
}

// fakeSampler is a sample, and a bank.
type fakeSampler struct {
	mu         sync.Mutex
	rng        *rand.Rand
	infos      []peer.AddrInfo
	bank       []peer.AddrInfo
	asked      []int // what Fresh was asked for
	young      bool
	unverified bool
	offences   []brahmshost.Offence
	host       corehost.Host // that it connects
	withheld   error         // of Connect
}

func sampleOf(seed uint64, ids ...peer.ID) *fakeSampler {
	p := &fakeSampler{rng: rand.New(rand.NewPCG(seed, 0))}
	for _, id := range ids {
		p.infos = append(p.infos, peer.AddrInfo{ID: id})
	}
	return p
}

func (p *fakeSampler) Fresh(ctx context.Context, n int) ([]peer.AddrInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, n)
	out := p.bank[:min(n, len(p.bank))]
	p.bank = p.bank[len(out):]
	if len(out) < n {
		return out, context.Cause(ctx)
	}
	return out, nil
}

func (p *fakeSampler) Draw(n int) []peer.AddrInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []peer.AddrInfo
	for _, i := range p.rng.Perm(len(p.infos))[:min(n, len(p.infos))] {
		out = append(out, p.infos[i])
	}
	return out
}

func (p *fakeSampler) Snapshot() *brahmshost.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &brahmshost.Snapshot{Peers: p.infos}
	s.Node.Young = p.young
	return s
}

func (p *fakeSampler) Verified() bool { return !p.unverified }

func (p *fakeSampler) Connect(ctx context.Context, to peer.AddrInfo) error {
	p.mu.Lock()
	h, err := p.host, p.withheld
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return h.Connect(ctx, to)
}

// dials says what Connect does.
func (p *fakeSampler) dials(h corehost.Host, withheld error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host, p.withheld = h, withheld
}

func (p *fakeSampler) Accuse(o brahmshost.Offence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offences = append(p.offences, o)
}

// accused returns what was held against peers since it was asked last.
func (p *fakeSampler) accused() []brahmshost.Offence {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.offences
	p.offences = nil
	return out
}

// small has polls of 4 with a quorum of 3, which three in a row decide.
func small() machine.Params {
	return machine.Params{K: 4, Alpha: 3, Beta: 3, Adopt: 2, Drift: 4, Hold: 2, Window: 4, MinPeers: 4, Stall: 20}
}

// A memNet carries exchanges between services in memory. Who is not in it cannot be reached.
type memNet struct {
	mu      sync.Mutex
	members map[peer.ID]*Service
	lies    map[peer.ID]func(from peer.ID, e Exchange, request []byte) ([]byte, error) // in place of answers
	polls   int
}

func newMemNet() *memNet {
	return &memNet{members: map[peer.ID]*Service{}, lies: map[peer.ID]func(peer.ID, Exchange, []byte) ([]byte, error){}}
}

// of is the carrier of one peer.
func (n *memNet) of(self peer.ID) carrier { return memCarrier{n, self} }

type memCarrier struct {
	net  *memNet
	self peer.ID
}

func (c memCarrier) carry(ctx context.Context, e Exchange, to peer.AddrInfo, request []byte, most int, decode func([]byte) error) (origin, error) {
	c.net.mu.Lock()
	target, lie := c.net.members[to.ID], c.net.lies[to.ID]
	if e == ExchangePoll {
		c.net.polls++
	}
	c.net.mu.Unlock()
	var answer []byte
	var err error
	switch {
	case lie != nil:
		answer, err = lie(c.self, e, request)
	case target == nil:
		<-ctx.Done()
		return origin{}, errUnreached
	default:
		answer, err = target.answer(e, request)
	}
	if err != nil {
		return origin{}, err
	}
	if len(answer) > most {
		panic("an answer beyond its limit")
	}
	return origin{}, decode(answer)
}

// remove takes a peer off the network.
func (n *memNet) remove(id peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.members, id)
}

// join makes a service of peer i in memory and starts it. It is closed with the test, or before.
func (n *memNet) join(t testing.TB, i int, sampler Sampler, opts ...Option) *Service {
	t.Helper()
	key, id := testKey(t, i)
	s, err := newService(id, key, sampler, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.carrier = n.of(id)
	n.mu.Lock()
	n.members[id] = s
	n.mu.Unlock()
	s.start()
	t.Cleanup(func() { s.Close() })
	return s
}

// A crowd is a network of services whose rounds a test drives.
type crowd struct {
	testing.TB
	net   *memNet
	ids   []peer.ID
	all   []*Service
	epoch uint64
	age   uint64
}

// newCrowd makes n services that know each other.
func newCrowd(t testing.TB, n int, opts ...Option) *crowd {
	t.Helper()
	c := &crowd{TB: t, net: newMemNet(), epoch: 7}
	for i := range n {
		c.ids = append(c.ids, testID(t, i))
	}
	for i := range n {
		c.all = append(c.all, c.net.join(t, i, c.sampler(i), append([]Option{withManualRounds()}, opts...)...))
	}
	return c
}

// sampler has all peers of the crowd but i.
func (c *crowd) sampler(i int) *fakeSampler {
	others := append(append([]peer.ID(nil), c.ids[:i]...), c.ids[i+1:]...)
	return sampleOf(uint64(i), others...)
}

// round opens the next round everywhere, one service after the other.
func (c *crowd) round() {
	c.Helper()
	for _, s := range c.all {
		s.step(machine.Clock{Epoch: c.epoch, Age: c.age})
	}
	c.age++
}

func (c *crowd) rounds(n int) {
	for range n {
		c.round()
	}
}

// until opens rounds until cond holds, most of them at most.
func (c *crowd) until(what string, most int, cond func() bool) {
	c.Helper()
	for range most {
		if cond() {
			return
		}
		c.round()
	}
	if !cond() {
		c.Fatalf("not after %d rounds: %s; %+v", most, what, c.all[0].Status())
	}
}

// closed reports whether all have closed the epoch.
func (c *crowd) closed(epoch uint64) bool {
	for _, s := range c.all {
		if _, ok := s.Decided(epoch); !ok {
			return false
		}
	}
	return true
}

// propose has a service propose a word in the current epoch.
func (c *crowd) propose(i int, word string) Item {
	c.Helper()
	it, err := c.all[i].Propose(c.Context(), []byte(word))
	if err != nil {
		c.Fatal(err)
	}
	return it
}

func payloads(set []Item) (out []string) {
	for _, it := range set {
		out = append(out, string(it.Payload))
	}
	return out
}

// sameSet fails unless all have closed the epoch with the same set, which it returns.
func (c *crowd) sameSet(epoch uint64) []Item {
	c.Helper()
	first, ok := c.all[0].Decided(epoch)
	if !ok {
		c.Fatal("the first has not closed the epoch")
	}
	for i, s := range c.all {
		set, ok := s.Decided(epoch)
		if !ok || len(set) != len(first) {
			c.Fatalf("peer %d: %q, %v; the first has %q", i, payloads(set), ok, payloads(first))
		}
		for k := range set {
			if set[k].ID() != first[k].ID() {
				c.Fatalf("peer %d: %q; the first has %q", i, payloads(set), payloads(first))
			}
		}
	}
	return first
}

// signed is an item of peer i.
func signed(t testing.TB, i int, epoch uint64, word string) Item {
	t.Helper()
	key, _ := testKey(t, i)
	it, err := wire.SignItem(key, ID, epoch, []byte(word))
	if err != nil {
		t.Fatal(err)
	}
	return it
}
