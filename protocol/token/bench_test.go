package token_test

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/usage"
	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// timed runs the benchmark and reports the processor time of an operation beside ns/op, which a busy machine stretches.
func timed(b *testing.B, op func()) {
	b.ReportAllocs()
	before := usage.CPUTime()
	for b.Loop() {
		op()
	}
	b.ReportMetric(float64((usage.CPUTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// BenchmarkAttempt is one attempt of a search: what a token of d bits costs is 2^d of them on average.
func BenchmarkAttempt(b *testing.B) {
	s := token.NewSearch(token.Proof{Network: network, Receiver: bob, Sender: alice, Seed: make([]byte, 32), Bits: 64}, 0)
	timed(b, func() {
		if s.Run(1) {
			b.Fatal("found 64 zero bits")
		}
	})
}

// BenchmarkChallenge is what a hello costs the receiver beside the stream.
func BenchmarkChallenge(b *testing.B) {
	i := newIssuer(b, bob, 16)
	timed(b, func() {
		if _, ok := i.Challenge(alice); !ok {
			b.Fatal("none")
		}
	})
}

// BenchmarkRefuse is what a worthless token costs the receiver beside the stream, by the check that stops it.
func BenchmarkRefuse(b *testing.B) {
	i := newIssuer(b, bob, 16)
	tok := solve(proofOf(challenge(b, i, alice), bob, alice))
	if err := i.Take(alice, tok); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		sender peer.ID
		tok    *wire.Token
	}{
		{"scheme", alice, &wire.Token{Scheme: 9}},
		{"epoch", alice, &wire.Token{Scheme: 1, Epoch: 9, Nonce: tok.Nonce}},
		{"replay", alice, tok},
		{"proof", carol, tok},
	} {
		b.Run(c.name, func(b *testing.B) {
			timed(b, func() {
				if i.Take(c.sender, c.tok) == nil {
					b.Fatal("taken")
				}
			})
		})
	}
}

// BenchmarkCandidates is one attempt, which is also one verification, of hashes that were weighed against SHA-256: memory
// in KiB is in the name. docs/threat-model.md has what was made of it.
func BenchmarkCandidates(b *testing.B) {
	input, salt := make([]byte, 40), []byte("brahms push token")
	for _, kib := range []uint32{64, 1024, 16384} {
		b.Run(fmt.Sprintf("argon2id/%d", kib), func(b *testing.B) {
			timed(b, func() { argon2.IDKey(input, salt, 1, kib, 1, 32) })
		})
		b.Run(fmt.Sprintf("scrypt/%d", kib), func(b *testing.B) {
			timed(b, func() {
				if _, err := scrypt.Key(input, salt, int(kib), 8, 1, 32); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
	b.Run("sha256", BenchmarkAttempt)
}
