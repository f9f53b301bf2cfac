package message_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

const vectorsFile = "testdata/vectors.json"

var update = flag.Bool("update", false, "write "+vectorsFile+" anew")

// The file is made for implementers in other languages: bytes are hex, peer ids text, 64-bit numbers strings.
type vectors struct {
	Comment   string          `json:"comment"`
	Messages  []messageVector `json:"messages"`
	Answers   []answerVector  `json:"answers"`
	BadBodies []badVector     `json:"bad_bodies"`
	Bad       []badVector     `json:"bad_messages"`
	BadAnswer []badVector     `json:"bad_answers"`
}

type messageVector struct {
	Name     string `json:"name"`
	Seed     string `json:"ed25519_seed,omitempty"` // of the origin's key, unless that is testdata/rsa.pem
	Protocol string `json:"protocol"`
	Origin   string `json:"origin"`
	Topic    string `json:"topic"`
	Time     int64  `json:"time,string"`
	Nonce    string `json:"nonce"`
	Payload  string `json:"payload"`
	Hops     uint32 `json:"hops"`
	Body     string `json:"body"`
	ID       string `json:"id"`
	Message  string `json:"message"`
	Frame    string `json:"frame"`
}

type answerVector struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

type badVector struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"`
	Error string `json:"error"`
}

var errorNames = map[string]error{
	"too large": wire.ErrTooLarge, "malformed": wire.ErrMalformed, "limit": wire.ErrLimit, "unknown status": wire.ErrUnknownStatus,
	"forged": message.ErrForged,
}

// makeMessage makes a vector of a message.
func makeMessage(t testing.TB, name string, key crypto.PrivKey, seed byte, protocol, topic string, payload []byte, hops uint32) messageVector {
	t.Helper()
	b := testBody(t, 1, payload)
	b.Origin, b.Topic = idOf(t, key), topic
	raw, err := b.Marshal(message.MaxPayload)
	must(t, err)
	m, err := message.Sign(key, protocol, b.Origin, raw)
	must(t, err)
	m.Hops = hops
	whole, err := m.Marshal(message.MaxPayload)
	must(t, err)
	v := messageVector{
		Name: name, Protocol: protocol, Origin: b.Origin.String(), Topic: topic, Time: b.Time, Nonce: hex.EncodeToString(b.Nonce),
		Payload: hex.EncodeToString(payload), Hops: hops, Body: hex.EncodeToString(raw), ID: message.HashOf(raw).String(),
		Message: hex.EncodeToString(whole), Frame: hex.EncodeToString(wire.AppendFrame(nil, whole)),
	}
	if seed != 0 {
		v.Seed = hex.EncodeToString(bytes.Repeat([]byte{seed}, 32))
	}
	return v
}

func makeVectors(t testing.TB) vectors {
	alice, _ := testKey(t, 1)
	bob, bobID := testKey(t, 2)
	rsa, _ := rsaKey(t)
	v := vectors{
		Comment: "Test vectors of /brahms/spread/1.0.0, see spec/spread.md. Bytes are hex. Every bad_ item must be refused; its error " +
			"says why: \"forged\" messages decode and do not verify. Made by: go test ./spread/message -run TestVectors -update",
		Messages: []messageVector{
			makeMessage(t, "hello", alice, 1, message.ID, "chat", []byte("hello"), 0),
			makeMessage(t, "passed on twice", alice, 1, message.ID, "chat", []byte("hello"), 2),
			makeMessage(t, "no payload, network with a prefix", bob, 2, "/myapp"+message.ID, "x", nil, 1),
			makeMessage(t, "RSA: the key comes along", rsa, 0, message.ID, "chat", []byte("hello"), 0),
		},
	}
	for s := message.StatusTaken; s <= message.StatusOutOfTime; s++ {
		b, err := message.Answer{Status: s}.Marshal()
		must(t, err)
		v.Answers = append(v.Answers, answerVector{int(s), hex.EncodeToString(b)})
	}
	bad := func(list *[]badVector, name, err string, parts ...[]byte) {
		*list = append(*list, badVector{name, hex.EncodeToString(join(parts...)), err})
	}
	origin, topic, time := bytesField(1, []byte(bobID)), bytesField(2, []byte("t")), numberField(3, 1)
	nonce := bytesField(4, make([]byte, message.NonceSize))
	bad(&v.BadBodies, "no origin", "limit", topic, time, nonce)
	bad(&v.BadBodies, "origin is no peer id", "malformed", bytesField(1, []byte("x")), topic, time, nonce)
	bad(&v.BadBodies, "no topic", "limit", origin, time, nonce)
	bad(&v.BadBodies, "topic is no UTF-8", "malformed", origin, bytesField(2, []byte{0xff}), time, nonce)
	bad(&v.BadBodies, "topic of 129 bytes", "limit", origin, bytesField(2, bytes.Repeat([]byte("t"), message.MaxTopic+1)), time, nonce)
	bad(&v.BadBodies, "time 0", "limit", origin, topic, numberField(3, 0), nonce)
	bad(&v.BadBodies, "negative time", "limit", origin, topic, numberField(3, 1<<64-1), nonce)
	bad(&v.BadBodies, "nonce of 15 bytes", "limit", origin, topic, time, bytesField(4, make([]byte, message.NonceSize-1)))
	bad(&v.BadBodies, "origin twice", "malformed", origin, origin, topic, time, nonce)
	bad(&v.BadBodies, "time as bytes", "malformed", origin, topic, bytesField(3, []byte{1}), nonce)
	bad(&v.BadBodies, "a group", "malformed", origin, topic, time, nonce, []byte{0x33, 0x34})
	body, signature := bytesField(1, []byte{1}), bytesField(2, []byte{1})
	bad(&v.Bad, "no body", "limit", signature)
	bad(&v.Bad, "no signature", "limit", body)
	bad(&v.Bad, "empty signature", "limit", body, bytesField(2, nil))
	bad(&v.Bad, "65 hops", "limit", body, signature, numberField(4, message.MaxHops+1))
	bad(&v.Bad, "hops of 33 bits, 1 if cut to 32", "limit", body, signature, numberField(4, 1<<32+1))
	bad(&v.Bad, "truncated", "malformed", body, signature[:len(signature)-1])
	good := unhex(t, v.Messages[0].Message)
	bad(&v.Bad, "last bit of the signature changed", "forged", good[:len(good)-1], []byte{good[len(good)-1] ^ 1})
	bad(&v.Bad, "another network's", "forged", unhex(t, v.Messages[2].Message))
	bad(&v.Bad, "a key beside an origin that holds it", "malformed", good, bytesField(3, []byte{1}))
	bad(&v.BadAnswer, "no status", "unknown status")
	bad(&v.BadAnswer, "status 5", "unknown status", numberField(1, 5))
	bad(&v.BadAnswer, "negative status", "unknown status", numberField(1, 1<<64-1))
	bad(&v.BadAnswer, "status as bytes", "malformed", bytesField(1, []byte{1}))
	return v
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	must(t, err)
	var v vectors
	must(t, json.Unmarshal(data, &v))
	return v
}

// open decodes a message and verifies it as a receiver does.
func open(raw []byte) (message.Message, message.Body, error) {
	m, err := message.Decode(raw, message.MaxPayload)
	if err != nil {
		return m, message.Body{}, err
	}
	b, err := message.DecodeBody(m.Body, message.MaxPayload)
	if err != nil {
		return m, b, err
	}
	return m, b, m.Verify(message.ID, b.Origin)
}

func TestVectors(t *testing.T) {
	got, err := json.MarshalIndent(makeVectors(t), "", "  ")
	must(t, err)
	got = append(got, '\n')
	if *update {
		must(t, os.WriteFile(vectorsFile, got, 0o644))
	}
	want, err := os.ReadFile(vectorsFile)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: look at the changes that -update makes. /brahms/spread/1.0.0 must not change.", vectorsFile)
	}
	// What follows reads the file and not what was made above.
	v := readVectors(t)
	for _, x := range v.Messages {
		raw, err := wire.ReadFrame(bytes.NewReader(unhex(t, x.Frame)), message.MaxSize(message.MaxPayload))
		if err != nil || hex.EncodeToString(raw) != x.Message {
			t.Errorf("%s: frame holds %x, %v", x.Name, raw, err)
		}
		m, err := message.Decode(raw, message.MaxPayload)
		must(t, err)
		b, err := message.DecodeBody(m.Body, message.MaxPayload)
		must(t, err)
		origin, err := peer.Decode(x.Origin)
		must(t, err)
		want := message.Body{Origin: origin, Topic: x.Topic, Time: x.Time, Nonce: unhex(t, x.Nonce), Payload: unhex(t, x.Payload)}
		if len(want.Payload) == 0 {
			want.Payload = b.Payload
		}
		if !reflect.DeepEqual(b, want) || m.Hops != x.Hops || message.HashOf(m.Body).String() != x.ID {
			t.Errorf("%s: %+v, %d hops, id %v", x.Name, b, m.Hops, message.HashOf(m.Body))
		}
		if err := m.Verify(x.Protocol, b.Origin); err != nil {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
	for _, x := range v.Answers {
		if a, err := message.DecodeAnswer(unhex(t, x.Message)); err != nil || int(a.Status) != x.Status {
			t.Errorf("answer %s: %v, %v", x.Message, a, err)
		}
	}
	for _, x := range v.BadBodies {
		if _, err := message.DecodeBody(unhex(t, x.Bytes), message.MaxPayload); !errors.Is(err, errorNames[x.Error]) {
			t.Errorf("body, %s: %v, want %s", x.Name, err, x.Error)
		}
	}
	for _, x := range v.Bad {
		if _, _, err := open(unhex(t, x.Bytes)); !errors.Is(err, errorNames[x.Error]) {
			t.Errorf("%s: %v, want %s", x.Name, err, x.Error)
		}
	}
	for _, x := range v.BadAnswer {
		if _, err := message.DecodeAnswer(unhex(t, x.Bytes)); !errors.Is(err, errorNames[x.Error]) {
			t.Errorf("answer, %s: %v, want %s", x.Name, err, x.Error)
		}
	}
}
