package token_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const (
	alice = peer.ID("alice with the length of a peer id")
	bob   = peer.ID("bob with the length of a peer id, or so")
	carol = peer.ID("carol with the length of a peer id")
)

func TestDifficultyIsBounded(t *testing.T) {
	for bits, want := range map[int]bool{-1: false, 0: false, 1: true, token.MaxBits: true, token.MaxBits + 1: false} {
		if _, err := token.NewIssuer(network, bob, bits, secret(0)); (err == nil) != want {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// What a sender answers: never more than its network's difficulty.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		scheme, bits uint32
		network      int
		want         error
	}{
		{token.None, 0, 0, nil},
		{token.None, 99, 0, nil}, // no token is asked, whatever else it says
		{token.SHA256, 16, 16, nil},
		{token.SHA256, 17, 16, token.ErrTooHard},
		{token.SHA256, 15, 16, nil}, // fewer: as many as it asks for
		{token.SHA256, 0, 16, nil},
		{token.SHA256, 1, 0, token.ErrTooHard}, // off: no work at all
		{token.SHA256, math.MaxUint32, token.MaxBits, token.ErrTooHard},
		{2, 1, 16, token.ErrUnknownScheme},
		{math.MaxUint32, 0, 16, token.ErrUnknownScheme},
	} {
		if err := token.Check(wire.Challenge{Scheme: c.scheme, Bits: c.bits, Seed: []byte("seed")}, c.network); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("scheme %d, %d bits in a network of %d: %v, want %v", c.scheme, c.bits, c.network, err, c.want)
		}
	}
}

// Every refusal, each at its limit and one beyond, in the order cheap first; none of them spends the sender's epoch.
func TestRefusals(t *testing.T) {
	i := newIssuer(t, bob, 8)
	for range 5 { // to epoch 5: 3, 4 and 5 are taken
		i.Open(secret(byte(i.Epoch() + 1)))
	}
	good := solve(proofOf(challenge(t, i, alice), bob, alice))
	change := func(f func(*wire.Token)) *wire.Token {
		c := *good
		c.Nonce = bytes.Clone(good.Nonce)
		f(&c)
		return &c
	}
	for _, c := range []struct {
		name string
		tok  *wire.Token
		want error
	}{
		{"none", nil, token.ErrMissing},
		{"scheme 0", change(func(t *wire.Token) { t.Scheme = token.None }), token.ErrScheme},
		{"scheme 2", change(func(t *wire.Token) { t.Scheme = 2 }), token.ErrScheme},
		{"scheme before size", change(func(t *wire.Token) { t.Scheme, t.Nonce = 2, nil }), token.ErrScheme},
		{"no nonce", change(func(t *wire.Token) { t.Nonce = nil }), token.ErrSize},
		{"nonce one short", change(func(t *wire.Token) { t.Nonce = t.Nonce[1:] }), token.ErrSize},
		{"nonce one long", change(func(t *wire.Token) { t.Nonce = append(t.Nonce, 0) }), token.ErrSize},
		{"a solution", change(func(t *wire.Token) { t.Solution = []byte{0} }), token.ErrSize},
		{"size before epoch", change(func(t *wire.Token) { t.Nonce, t.Epoch = nil, 9 }), token.ErrSize},
		{"an epoch that is over", change(func(t *wire.Token) { t.Epoch = 2 }), token.ErrEpoch},
		{"the next epoch", change(func(t *wire.Token) { t.Epoch = 6 }), token.ErrEpoch},
		{"the last epoch there is", change(func(t *wire.Token) { t.Epoch = math.MaxUint64 }), token.ErrEpoch},
		{"the proof of another epoch", change(func(t *wire.Token) { t.Epoch = 3 }), token.ErrProof},
		{"another nonce", change(func(t *wire.Token) { t.Nonce[0]++ }), token.ErrProof},
	} {
		if err := i.Take(alice, c.tok); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := i.Take(alice, good); err != nil {
		t.Fatalf("the control: %v", err)
	}
	if err := i.Take(alice, good); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("once more: %v", err)
	}
}

// A token is of its sender, receiver and network, of the seed, the epoch and the difficulty, and of nothing else.
func TestNothingCanBeTransferred(t *testing.T) {
	const bits = 12 // a proof that does not hold holds by accident once in 4096
	i := newIssuer(t, bob, bits)
	c := challenge(t, i, alice)
	own := proofOf(c, bob, alice)
	for name, f := range map[string]func(*token.Proof){
		"sender":       func(p *token.Proof) { p.Sender = carol },
		"receiver":     func(p *token.Proof) { p.Receiver = carol },
		"network":      func(p *token.Proof) { p.Network = "/myapp" + network },
		"seed":         func(p *token.Proof) { p.Seed = challenge(t, i, carol).Seed },
		"epoch":        func(p *token.Proof) { p.Epoch++ },
		"a bit less":   func(p *token.Proof) { p.Bits-- },
		"moved length": func(p *token.Proof) { p.Network, p.Receiver = network+"b", bob[1:] },
	} {
		p := own
		f(&p)
		tok := solve(p)
		tok.Epoch = c.Epoch
		if err := i.Take(alice, tok); !errors.Is(err, token.ErrProof) {
			t.Errorf("a token of another %s: %v", name, err)
		}
	}
	tok := solve(own)
	if err := i.Take(carol, tok); !errors.Is(err, token.ErrProof) {
		t.Errorf("alice's token of carol: %v", err)
	}
	for _, other := range []*token.Issuer{newIssuer(t, carol, bits), newIssuer(t, bob, bits+1)} {
		if err := other.Take(alice, tok); !errors.Is(err, token.ErrProof) {
			t.Errorf("another receiver: %v", err)
		}
	}
	if err := i.Take(alice, tok); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// A token is good for its epoch and two more; work for a later epoch cannot be done before its secret is drawn.
func TestWindow(t *testing.T) {
	for age, want := range []error{nil, nil, nil, token.ErrEpoch} {
		i := newIssuer(t, bob, 8)
		tok := solve(proofOf(challenge(t, i, alice), bob, alice))
		for n := range age {
			i.Open(secret(byte(n + 1)))
		}
		if err := i.Take(alice, tok); !errors.Is(err, want) {
			t.Errorf("%d rounds old: %v, want %v", age, err, want)
		}
	}
	i := newIssuer(t, bob, 12)
	early := proofOf(challenge(t, i, alice), bob, alice)
	early.Epoch++ // the best guess: the seed of now
	tok := solve(early)
	i.Open(secret(1))
	if err := i.Take(alice, tok); !errors.Is(err, token.ErrProof) {
		t.Errorf("worked for before its epoch: %v", err)
	}
	if a, b := challenge(t, i, alice), challenge(t, newIssuer(t, bob, 12), alice); bytes.Equal(a.Seed, b.Seed) {
		t.Error("two epochs have one seed")
	}
}

// One push a round: a sender whose rounds are shorter uses up the window, and then waits for the next epoch.
func TestOneTokenAnEpoch(t *testing.T) {
	i := newIssuer(t, bob, 4)
	i.Open(secret(1))
	i.Open(secret(2))
	for _, epoch := range []uint64{2, 1, 0} {
		c := challenge(t, i, alice)
		if c.Epoch != epoch {
			t.Errorf("asked for epoch %d, want %d: the newest that is not used", c.Epoch, epoch)
		}
		if err := i.Take(alice, solve(proofOf(c, bob, alice))); err != nil {
			t.Error(err)
		}
	}
	if c, ok := i.Challenge(alice); ok {
		t.Errorf("a fourth token in three rounds: %+v", c)
	}
	if c := challenge(t, i, carol); c.Epoch != 2 {
		t.Errorf("another sender is asked for epoch %d", c.Epoch)
	}
	i.Open(secret(3))
	if c := challenge(t, i, alice); c.Epoch != 3 {
		t.Errorf("in the next round: %+v", c)
	}
}

// The table of an epoch has a bound: what comes beyond it is refused, that epoch only, and replays stay refused.
func TestFullTable(t *testing.T) {
	i := newIssuer(t, bob, 1)
	take := func(sender peer.ID, c wire.Challenge) error { return i.Take(sender, solve(proofOf(c, bob, sender))) }
	early := challenge(t, i, alice)
	var first *wire.Token
	for n := range token.MaxTaken {
		sender := peer.ID(fmt.Sprint("sender ", n))
		tok := solve(proofOf(challenge(t, i, sender), bob, sender))
		if err := i.Take(sender, tok); err != nil {
			t.Fatalf("sender %d: %v", n, err)
		}
		if n == 0 {
			first = tok
		}
	}
	if err := take(alice, early); !errors.Is(err, token.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if c, ok := i.Challenge(alice); ok {
		t.Errorf("asked to work for epoch %d, which takes no more tokens", c.Epoch)
	}
	if err := i.Take("sender 0", first); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("a replay in a full table: %v", err)
	}
	i.Open(secret(1))
	if err := take(alice, challenge(t, i, alice)); err != nil {
		t.Errorf("the next epoch has room of its own: %v", err)
	}
	i.Open(secret(2))
	i.Open(secret(3))
	if err := i.Take("sender 0", first); !errors.Is(err, token.ErrEpoch) {
		t.Errorf("a replay when its table is forgotten: %v", err)
	}
}

// A search that is cut into pieces finds what one in a single piece does, says what it has cost, and stops.
func TestSearchResumes(t *testing.T) {
	p := token.Proof{Network: network, Receiver: bob, Sender: alice, Seed: []byte("a seed"), Epoch: 1, Bits: 10}
	whole := token.NewSearch(p, 5)
	if !whole.Run(1 << 20) {
		t.Fatal("not found")
	}
	pieces := token.NewSearch(p, 5)
	calls := uint64(0)
	for ; !pieces.Run(7); calls++ {
		if pieces.Token() != nil {
			t.Fatal("a token before it is found")
		}
		if pieces.Attempts() != 7*(calls+1) {
			t.Fatalf("%d attempts after %d calls of 7", pieces.Attempts(), calls+1)
		}
	}
	if a, b := whole.Token(), pieces.Token(); !bytes.Equal(a.Nonce, b.Nonce) || whole.Attempts() != pieces.Attempts() {
		t.Errorf("found %x and %x in %d and %d attempts", a.Nonce, b.Nonce, whole.Attempts(), pieces.Attempts())
	}
	done := pieces.Attempts()
	if !pieces.Run(1000) || pieces.Attempts() != done {
		t.Error("goes on after it is done")
	}
	if token.NewSearch(p, 0).Run(0) {
		t.Error("found in no attempt")
	}
	wrap := token.NewSearch(p, math.MaxUint64) // the counter wraps: there is always a next nonce
	if !wrap.Run(1 << 20) {
		t.Error("not found from the last nonce on")
	}
}

// The work is what the bits say: 2^bits attempts on average, at every difficulty. With 1000 searches the mean of a
// geometric distribution is within 13% of it (four standard errors, 6e-5) unless something is wrong.
func TestWorkIsAsAsked(t *testing.T) {
	for _, bits := range []uint32{0, 1, 4, 8} {
		const searches = 1000
		attempts := uint64(0)
		for n := range searches {
			s := token.NewSearch(token.Proof{Network: network, Receiver: bob, Sender: alice, Seed: counter(uint64(n)), Bits: bits}, 0)
			for !s.Run(1 << 10) {
			}
			attempts += s.Attempts()
		}
		mean, want := float64(attempts)/searches, math.Exp2(float64(bits))
		if math.Abs(mean/want-1) > .13 {
			t.Errorf("%d bits: %.1f attempts on average, want %.1f", bits, mean, want)
		}
	}
}

// Whatever a token holds, it is taken only if the words of the specification say so, once.
func FuzzTake(f *testing.F) {
	i := newIssuer(f, bob, 2)
	i.Open(secret(1))
	good := solve(proofOf(challenge(f, i, alice), bob, alice))
	f.Add(string(alice), good.Scheme, good.Epoch, good.Nonce, good.Solution, uint8(1))
	f.Add(string(carol), good.Scheme, good.Epoch, good.Nonce, good.Solution, uint8(2))
	f.Add("", uint32(0), uint64(0), []byte(nil), []byte{1}, uint8(9))
	f.Fuzz(func(t *testing.T, sender string, scheme uint32, epoch uint64, nonce, solution []byte, now uint8) {
		i := newIssuer(t, bob, 2)
		for range now {
			i.Open(secret(byte(i.Epoch() + 1)))
		}
		tok := &wire.Token{Scheme: scheme, Epoch: epoch, Nonce: nonce, Solution: solution}
		want := scheme == 1 && len(solution) == 0 && len(nonce) == 8 && epoch <= uint64(now) && epoch+2 >= uint64(now)
		if want {
			s := secret(byte(epoch))
			base := specBase(token.Proof{
				Network: network, Receiver: bob, Sender: peer.ID(sender), Seed: specSeed(s[:], peer.ID(sender)), Epoch: epoch, Bits: 2,
			})
			want = specHolds(base, nonce, 2)
		}
		if err := i.Take(peer.ID(sender), tok); (err == nil) != want {
			t.Errorf("%+v in epoch %d: %v, want taken %v", tok, now, err, want)
		}
		if err := i.Take(peer.ID(sender), tok); err == nil || want && !errors.Is(err, token.ErrReplayed) {
			t.Errorf("once more: %v", err)
		}
	})
}

// Whatever a challenge holds, it is left alone or answered with a token that holds, within the bits that the network has.
func FuzzAnswer(f *testing.F) {
	f.Add(uint32(1), []byte("seed"), uint64(3), uint32(4))
	f.Add(uint32(1), []byte(nil), uint64(math.MaxUint64), uint32(math.MaxUint32))
	f.Add(uint32(7), []byte{}, uint64(0), uint32(0))
	f.Fuzz(func(t *testing.T, scheme uint32, seed []byte, epoch uint64, bits uint32) {
		const network = 6
		c := wire.Challenge{Scheme: scheme, Seed: seed, Epoch: epoch, Bits: bits}
		err := token.Check(c, network)
		if ok := scheme == 0 || scheme == 1 && bits <= network; (err == nil) != ok {
			t.Fatalf("%+v: %v", c, err)
		}
		if err != nil || scheme == 0 {
			return
		}
		p := proofOf(c, bob, alice)
		if tok := solve(p); !specHolds(specBase(p), tok.Nonce, bits) || tok.Epoch != epoch {
			t.Errorf("%+v answered with %+v", c, tok)
		}
	})
}
