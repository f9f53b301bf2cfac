package attack

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// The frames are put together by hand: the encoder of package wire refuses what no peer would take.

// An entry of a pull answer.
type entry struct {
	record []byte
	count  int
}

func bytesField(num protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
}

func numberField(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

// pushFrame is a framed push of a record, which may be anything.
func pushFrame(record []byte) []byte { return wire.AppendFrame(nil, bytesField(1, record)) }

// tokenFrame is a framed push of a record with a token.
func tokenFrame(record []byte, t wire.Token) []byte {
	token := numberField(1, uint64(t.Scheme))
	token = append(token, numberField(2, t.Epoch)...)
	token = append(token, bytesField(3, t.Nonce)...)
	token = append(token, bytesField(4, t.Solution)...)
	return wire.AppendFrame(nil, append(bytesField(1, record), bytesField(2, token)...))
}

// pullFrame is a framed pull answer.
func pullFrame(entries []entry) []byte {
	msg := numberField(1, uint64(wire.StatusTaken))
	for _, e := range entries {
		msg = append(msg, bytesField(2, append(bytesField(1, e.record), numberField(2, uint64(e.count))...))...)
	}
	return wire.AppendFrame(nil, msg)
}

// spread makes entries of records that fill the given number of slots, each as many as another. Where there are more
// records than slots the first have one each.
func spread(records [][]byte, slots int) []entry {
	slots = min(slots, wire.MaxEntries)
	records = records[:min(len(records), slots)]
	out := make([]entry, len(records))
	for i, raw := range records {
		out[i] = entry{raw, slots / len(records)}
		if i < slots%len(records) {
			out[i].count++
		}
	}
	return out
}
