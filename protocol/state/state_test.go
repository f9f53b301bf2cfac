package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/sampler"
)

func testID(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%06d", i)) }

// testNode is a node that has lived: it met some, some died, some never answered.
func testNode(t testing.TB) *protocol.Node {
	t.Helper()
	p := protocol.Hardened(12)
	n, err := protocol.New("self", p, []peer.ID{testID(0)}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		a := n.Tick()
		for i := range 20 {
			n.HandlePush(testID(20*round + i))
		}
		for _, id := range append(append(a.Pushes, a.Pulls...), a.Probes...) {
			if o := protocol.Alive; id[len(id)-1]%5 != 0 && (round < 20 || id[len(id)-1]%5 != 1) {
				n.HandleProbeResult(id, o)
			} else {
				n.HandleProbeResult(id, protocol.Missed)
			}
		}
	}
	return n
}

func testSnapshot(t testing.TB) *Snapshot {
	s := &Snapshot{Network: "/app", Saved: 1_800_000_000, Node: testNode(t).Export()}
	for i := range 5 {
		s.Records = append(s.Records, Record{Raw: bytes.Repeat([]byte{byte(i)}, 100*i+1), Floor: uint8(i)})
	}
	if len(s.Node.View) == 0 || len(s.Node.Met) == 0 || len(s.Node.Once) == 0 || len(s.Node.Never) == 0 {
		t.Fatalf("the test's node has lived too little: %d in view, %d met, %d and %d tombstones",
			len(s.Node.View), len(s.Node.Met), len(s.Node.Once), len(s.Node.Never))
	}
	return s
}

func encode(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	b, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []*Snapshot{testSnapshot(t), {}, {Saved: 1<<64 - 1, Node: protocol.State{Self: "s", Round: 1<<64 - 1}}} {
		got, err := Decode(encode(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("decoded\n%+v\nwant\n%+v", got, want)
		}
	}
}

// TestFormat: the bytes of version 1 stay as they are, or older states could not be read.
func TestFormat(t *testing.T) {
	s := &Snapshot{
		Network: "/n", Saved: 300,
		Node: protocol.State{
			Self: "me", Round: 5, View: []peer.ID{"v", "v"}, Met: []peer.ID{"m"},
			Sample: sampler.State{Secret: [32]byte{1, 2}, Hash: sampler.AES, Generation: 2, Next: 9,
				Slots: []sampler.SlotState{{ID: "x", Hash: 0x0102030405060708, Key: 8, Born: 2, Age: 130, Diverse: true}, {Key: 1, Born: 1}}},
			Once:  []protocol.Tomb{{ID: "o", Left: 1, Wait: 2, AppealIn: 3, AppealWait: 4}},
			Never: []protocol.Tomb{{ID: "n", Wait: 200}},
		},
		Records: []Record{{Raw: []byte("r"), Floor: 3}},
	}
	body := "\x02/n" + "\xac\x02" + "\x02me" + "\x05" + "\x03aes" + "\x01\x02" + strings.Repeat("\x00", 30) + "\x02" + "\x09" +
		"\x02" + "\x01x\x01\x02\x03\x04\x05\x06\x07\x08\x08\x02\x82\x01\x01" + "\x00" + strings.Repeat("\x00", 8) + "\x01\x01\x00\x00" +
		"\x02\x01v\x01v" + "\x01\x01m" + "\x01\x01o\x01\x02\x03\x04" + "\x01\x01n\x00\xc8\x01\x00\x00" + "\x01\x03\x01r"
	want := append([]byte("brahms\r\n\x00\x00\x00\x01"), binary.BigEndian.AppendUint64(nil, uint64(len(body)))...)
	want = append(want, body...)
	sum := sha256.Sum256(want)
	want = append(want, sum[:]...)
	if got := encode(t, s); !bytes.Equal(got, want) {
		t.Errorf("encoded\n%q\nwant\n%q", got, want)
	}
}

// TestEveryDamageIsNoticed: each byte flipped, each length cut to, and bytes behind the end.
func TestEveryDamageIsNoticed(t *testing.T) {
	good := encode(t, testSnapshot(t))
	fails := func(b []byte, what string, at int) {
		if _, err := Decode(b); err == nil {
			t.Fatalf("%s at %d of %d was not noticed", what, at, len(good))
		}
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		fails(b, "a flip", i)
		fails(good[:i], "a cut", i)
	}
	fails(append(bytes.Clone(good), 0), "a byte behind the end", len(good))
	fails(append(bytes.Clone(good), good...), "another state behind the end", len(good))
}

// sealed is a whole state of that body.
func sealed(body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), Version)
	b = append(binary.BigEndian.AppendUint64(b, uint64(len(body))), body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func TestErrors(t *testing.T) {
	good := encode(t, testSnapshot(t))
	body := good[headSize : len(good)-sha256.Size]
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		b    []byte
		want error
		text string
	}{
		{nil, ErrLength, "0 bytes"},
		{good[:5], ErrLength, "5 bytes"},
		{good[:headSize+sha256.Size-1], ErrLength, ""},
		{[]byte("#!/bin/sh\necho hello, I am another file entirely\n"), ErrMagic, ""},
		{[]byte("x"), ErrMagic, ""},
		{change(11, 2), ErrVersion, "2, and this program reads version 1"},
		{change(19, 0), ErrLength, ""},
		{change(headSize+40, good[headSize+40]+1), ErrChecksum, ""},
		{make([]byte, MaxSize+1), ErrLength, "16777217 bytes, at most 16777216"},
		{sealed(nil), ErrContent, "too early"},
		{sealed(append(bytes.Clone(body), 7)), ErrContent, "1 bytes are left"},
		{sealed(body[:len(body)-1]), ErrContent, ""},
		{sealed(append([]byte{0x80, 0x00}, body[1:]...)), ErrContent, "longer than it must be"},
		{sealed(append([]byte{0xff, 0xff, 0xff, 0x0f}, body[1:]...)), ErrContent, "is over 128"},
		{sealed(bytes.Repeat([]byte{0xff}, 20)), ErrContent, "64 bits"},
	} {
		_, err := Decode(c.b)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%.40q: error %v, want %v with %q", c.b, err, c.want, c.text)
		}
	}
}

func TestBounds(t *testing.T) {
	long := peer.ID(strings.Repeat("x", MaxID+1))
	for name, change := range map[string]func(*Snapshot){
		"network of 129 bytes":   func(s *Snapshot) { s.Network = strings.Repeat("n", MaxNetwork+1) },
		"id of 129 bytes":        func(s *Snapshot) { s.Node.Self = long },
		"hash of 17 bytes":       func(s *Snapshot) { s.Node.Sample.Hash = "12345678901234567" },
		"record of 8193 bytes":   func(s *Snapshot) { s.Records[0].Raw = make([]byte, MaxRecord+1) },
		"4097 records":           func(s *Snapshot) { s.Records = make([]Record, MaxRecords+1) },
		"4097 slots":             func(s *Snapshot) { s.Node.Sample.Slots = make([]sampler.SlotState, sampler.MaxL2+1) },
		"257 ids in the view":    func(s *Snapshot) { s.Node.View = make([]peer.ID, protocol.MaxL1+1) },
		"4097 ids that answered": func(s *Snapshot) { s.Node.Met = make([]peer.ID, maxList+1) },
		"4097 tombstones":        func(s *Snapshot) { s.Node.Never = make([]protocol.Tomb, maxList+1) },
		"age=-1":                 func(s *Snapshot) { s.Node.Sample.Slots[0].Age = -1 },
		"bytes, at most 16777216": func(s *Snapshot) {
			s.Records = nil
			for range 2500 {
				s.Records = append(s.Records, Record{Raw: make([]byte, MaxRecord)})
			}
		},
	} {
		s := testSnapshot(t)
		change(s)
		if _, err := Encode(s); !errors.Is(err, ErrBounds) || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
}

// check holds for any bytes: they are refused, or they are exactly those of what was read, and a node of it can be made or is
// refused.
func check(t *testing.T, b []byte) {
	s, err := Decode(b)
	if err != nil {
		return
	}
	again, err := Encode(s)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("encoded again: %d bytes, %v; there were %d", len(again), err, len(b))
	}
	n, err := protocol.Restore(s.Node, protocol.Hardened(12), []peer.ID{"seed"}, rand.New(rand.NewPCG(1, 2)), nil)
	if err != nil {
		return
	}
	for range 3 {
		a := n.Tick()
		for _, id := range append(append(a.Pushes, a.Pulls...), a.Probes...) {
			n.HandleProbeResult(id, protocol.Alive)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good := encode(f, testSnapshot(f))
	f.Add(good)
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}

// FuzzBody gets behind the checksum.
func FuzzBody(f *testing.F) {
	good := encode(f, testSnapshot(f))
	f.Add(good[headSize : len(good)-sha256.Size])
	small := encode(f, &Snapshot{Node: protocol.State{Self: "s", Sample: sampler.State{Hash: sampler.AES, Generation: 1, Next: 12,
		Slots: []sampler.SlotState{{Born: 1}}}}})
	f.Add(small[headSize : len(small)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) { check(t, sealed(body)) })
}
