package message_test

import (
	"testing"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// BenchmarkCopy is what a copy costs its receiver: of a message that is seen, all but the verification; of a new one, that too.
func BenchmarkCopy(b *testing.B) {
	key, id := testKey(b, 1)
	for name, size := range map[string]int{"100B": 100, "64KiB": message.MaxPayload} {
		body, err := testBody(b, 1, make([]byte, size)).Marshal(message.MaxPayload)
		must(b, err)
		m, err := message.Sign(key, message.ID, id, body)
		must(b, err)
		raw, err := m.Marshal(message.MaxPayload)
		must(b, err)
		for _, verify := range []bool{false, true} {
			kind := "seen"
			if verify {
				kind = "new"
			}
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m, err := message.Decode(raw, message.MaxPayload)
					must(b, err)
					_, err = message.DecodeBody(m.Body, message.MaxPayload)
					must(b, err)
					_ = message.HashOf(m.Body)
					if verify {
						must(b, m.Verify(message.ID, id))
					}
				}
			})
		}
	}
}
