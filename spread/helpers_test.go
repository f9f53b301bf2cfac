package spread

import (
	"bytes"
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

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// patience is how long a test waits for what must happen. It is far beyond what it takes on a busy machine.
const patience = 30 * time.Second

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

// fakePeers is a sample.
type fakePeers struct {
	mu    sync.Mutex
	rng   *rand.Rand
	infos []peer.AddrInfo
	size  float64 // 0: no estimate

	accused  []brahmshost.Offence
	host     corehost.Host // that it connects
	withheld error         // of Connect
}

func peersOf(seed uint64, ids ...peer.ID) *fakePeers {
	p := &fakePeers{rng: rand.New(rand.NewPCG(seed, 0)), size: float64(len(ids) + 1)}
	for _, id := range ids {
		p.infos = append(p.infos, peer.AddrInfo{ID: id})
	}
	return p
}

func (p *fakePeers) Draw(n int) []peer.AddrInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []peer.AddrInfo
	for _, i := range p.rng.Perm(len(p.infos))[:min(n, len(p.infos))] {
		out = append(out, p.infos[i])
	}
	return out
}

func (p *fakePeers) Snapshot() *brahmshost.Snapshot {
	s := &brahmshost.Snapshot{Peers: p.infos}
	s.Size.N, s.Size.OK = p.size, p.size > 0
	return s
}

func (p *fakePeers) Connect(ctx context.Context, to peer.AddrInfo) error {
	p.mu.Lock()
	h, err := p.host, p.withheld
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return h.Connect(ctx, to)
}

// dials says what Connect does.
func (p *fakePeers) dials(h corehost.Host, withheld error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host, p.withheld = h, withheld
}

func (p *fakePeers) Accuse(o brahmshost.Offence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accused = append(p.accused, o)
}

// offences returns who was accused since the last call.
func (p *fakePeers) offences() []brahmshost.Offence {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.accused
	p.accused = nil
	return out
}

// from is a source without an address.
func from(id peer.ID) source { return source{peer: id} }

// carry is what a carrier does.
type carry func(ctx context.Context, to peer.AddrInfo, frame []byte) (message.Status, error)

func (c carry) carry(ctx context.Context, to peer.AddrInfo, frame []byte) (message.Status, error) {
	return c(ctx, to, frame)
}

// taken is a carrier to peers that take everything.
func taken(context.Context, peer.AddrInfo, []byte) (message.Status, error) {
	return message.StatusTaken, nil
}

// fakeService makes a service of peer i in memory and starts it. It is closed with the test, or before.
func fakeService(t testing.TB, i int, peers Peers, net carry, opts ...Option) *Service {
	t.Helper()
	key, id := testKey(t, i)
	s, err := newService(id, key, peers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.carrier = net
	s.start()
	return s
}

// newNetwork makes n services in memory that know each other. The first faulty ones take all messages and drop them.
func newNetwork(t testing.TB, n, faulty int, opts ...Option) []*Service {
	t.Helper()
	members := make(map[peer.ID]*Service)
	ids := make([]peer.ID, n)
	for i := range ids {
		_, ids[i] = testKey(t, i)
	}
	all := make([]*Service, n)
	for i := range n {
		others := append(append([]peer.ID(nil), ids[:i]...), ids[i+1:]...)
		all[i] = fakeService(t, i, peersOf(uint64(i), others...), func(_ context.Context, to peer.AddrInfo, frame []byte) (message.Status, error) {
			target := members[to.ID]
			if target == nil {
				return message.StatusTaken, nil
			}
			raw, err := wire.ReadFrame(bytes.NewReader(frame), message.MaxSize(message.MaxPayload))
			if err != nil {
				return 0, err
			}
			return target.take(from(ids[i]), raw)
		}, opts...)
	}
	for i := faulty; i < n; i++ { // nobody has anything to send yet
		members[ids[i]] = all[i]
	}
	return all
}

// made returns a message of peer i, as bytes.
func made(t testing.TB, i int, topic, payload string, at time.Time, hops uint32) []byte {
	t.Helper()
	key, id := testKey(t, i)
	body := message.Body{Origin: id, Topic: topic, Time: at.UnixMilli(), Nonce: make([]byte, message.NonceSize), Payload: []byte(payload)}
	raw, err := body.Marshal(message.MaxPayload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := message.Sign(key, ID, id, raw)
	if err != nil {
		t.Fatal(err)
	}
	m.Hops = hops
	out, err := m.Marshal(message.MaxPayload)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// drain returns what waits for a subscriber.
func drain(sub *Subscription) (out []Message) {
	for {
		select {
		case m, ok := <-sub.Messages():
			if !ok {
				return out
			}
			out = append(out, m)
		default:
			return out
		}
	}
}
