package wire_test

import (
	"fmt"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// viewOf is a pull answer of n peers with 4 addresses each, about 240 bytes a record.
func viewOf(t testing.TB, n int) wire.PullResponse {
	t.Helper()
	m := wire.PullResponse{Status: wire.StatusTaken}
	for i := range n {
		m.Entries = append(m.Entries, wire.Entry{Record: testRecord(t, byte(i), 4), Count: 1})
	}
	return m
}

func BenchmarkMarshal(b *testing.B) {
	for name, m := range benchMessages(b) {
		c := codecs[typeName(m)]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.encode(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, m := range benchMessages(b) {
		c := codecs[typeName(m)]
		raw, err := c.encode(m)
		must(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := c.decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchMessages(b *testing.B) map[string]any {
	out := map[string]any{
		"push":   wire.PushRequest{Record: testRecord(b, 1, 4)},
		"probe":  wire.ProbeRequest{Nonce: make([]byte, 16), Sign: true},
		"answer": wire.ProbeResponse{Status: wire.StatusAlive, Signature: make([]byte, 64)},
	}
	for _, n := range []int{40, 100} {
		out[fmt.Sprintf("pull-%d", n)] = viewOf(b, n)
	}
	return out
}

func BenchmarkOpenRecord(b *testing.B) {
	raw := testRecord(b, 1, 4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.OpenRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealRecord(b *testing.B) {
	key, id := testKey(b, 1)
	addrs := testAddrs(b, 4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.SealRecord(key, id, addrs, 1); err != nil {
			b.Fatal(err)
		}
	}
}
