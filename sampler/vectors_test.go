package sampler_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/dchest/siphash"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/sampler"
)

const vectorsFile = "testdata/vectors.json"

// The file is made for implementers in other languages: bytes are hex, peer ids text, 64-bit numbers strings.
type vectors struct {
	Comment   string       `json:"comment"`
	Secret    string       `json:"secret"`
	Self      string       `json:"self"`
	IDs       []string     `json:"ids"` // of the Ed25519 keys whose seeds are 32 bytes of 01, 02 and so on
	SlotsKey  string       `json:"slots_key"`
	DigestKey string       `json:"digest_key"`
	Digests   []digestLine `json:"digests"`
	Hashes    []hashLine   `json:"hashes"`
	Ranks     []rankLine   `json:"ranks"`
	Decisions []decisions  `json:"decisions"`
}

type digestLine struct {
	ID string `json:"id"`
	Lo string `json:"lo"`
	Hi string `json:"hi"`
}

type hashLine struct {
	Hash     sampler.Kind `json:"hash"`
	ID       string       `json:"id"`
	Position uint64       `json:"position"`
	Value    uint64       `json:"value,string"`
}

// A rankLine is the rank of an id at a prefix, in a slot that ranks by prefix.
type rankLine struct {
	Hash     sampler.Kind `json:"hash"`
	ID       string       `json:"id"`
	Coarse   string       `json:"coarse"`
	Fine     string       `json:"fine"`
	Position uint64       `json:"position"`
	Value    uint64       `json:"value,string"`
}

// decisions are what a group of slots does, step by step.
type decisions struct {
	Name     string       `json:"name"`
	Hash     sampler.Kind `json:"hash"`
	L2       int          `json:"l2"`
	Diverse  int          `json:"diverse,omitempty"` // slots that rank by prefix, the first ones
	Maturity int          `json:"maturity"`
	Rekey    bool         `json:"rekey,omitempty"`
	Places   []place      `json:"places,omitempty"` // where ids are known to be at the beginning; the others are nowhere
	Steps    []step       `json:"steps"`
}

// A place is where an id, an index of vectors.IDs, is.
type place struct {
	At     int    `json:"at"` // the id
	Coarse string `json:"coarse"`
	Fine   string `json:"fine"`
}

// A step is a call, and what the group holds after it: of each slot its holder ("" for none), and who sits as challenger or
// late-comer. ids are indices of vectors.IDs.
type step struct {
	Do      string   `json:"do"` // offer, trusted (an offer of an id that is believed to be alive), confirm, refuse, clear, challengers, expire, end_round, moved
	ID      *int     `json:"id,omitempty"`
	Namer   *int     `json:"namer,omitempty"`
	Pushed  bool     `json:"pushed,omitempty"`
	Budget  int      `json:"budget,omitempty"`
	Round   uint64   `json:"round,omitempty"`
	To      *place   `json:"to,omitempty"`     // of moved: where an id is known to be from now on
	Chosen  []int    `json:"chosen,omitempty"` // by challengers, where shuffling leaves all in place
	Holders []int    `json:"holders"`          // -1 for none
	Seats   []int    `json:"seats"`
	Keys    []uint64 `json:"keys"` // positions
	Mature  []bool   `json:"mature"`
}

const comment = "Hashes and decisions of the samplers, see the section on samplers of spec/brahms.md. " +
	"Made by: go test ./sampler -run TestVectors -update"

var vectorSecret = [32]byte(bytes.Repeat([]byte{0x5c}, 32))

func vectorIDs(t testing.TB, n int) []peer.ID {
	t.Helper()
	var out []peer.ID
	for i := 1; i <= n; i++ {
		key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

// spec has the functions of the specification, by code that shares nothing with the package.
type spec struct{ slots, digest [32]byte }

func newSpec(secret [32]byte, self peer.ID) spec {
	derive := func(label string) [32]byte {
		return sha256.Sum256(slices.Concat([]byte(label), secret[:], []byte(self)))
	}
	return spec{slots: derive("brahms/slots/"), digest: derive("brahms/digest/")}
}

func (s spec) digestOf(id peer.ID) (lo, hi uint64) {
	le := binary.LittleEndian
	return siphash.Hash128(le.Uint64(s.digest[:]), le.Uint64(s.digest[8:]), []byte(id))
}

func (s spec) hash(t testing.TB, kind sampler.Kind, id peer.ID, position uint64) uint64 {
	t.Helper()
	be, le := binary.BigEndian, binary.LittleEndian
	lo, hi := s.digestOf(id)
	switch kind {
	case sampler.SHA256:
		sum := sha256.Sum256(slices.Concat(s.slots[:], be.AppendUint64(nil, position), []byte(id)))
		return be.Uint64(sum[:])
	case sampler.Sip:
		in := be.AppendUint64(be.AppendUint64(be.AppendUint64(nil, lo), hi), position)
		return siphash.Hash(le.Uint64(s.slots[:]), le.Uint64(s.slots[8:]), in)
	case sampler.AES:
		key := sha256.Sum256(append([]byte("brahms/aes/"), s.slots[:]...))
		block, err := aes.NewCipher(key[:16])
		if err != nil {
			t.Fatal(err)
		}
		iv := be.AppendUint32(be.AppendUint64(nil, lo^position/4096), uint32(hi))
		stream := make([]byte, 8*4096)
		cipher.NewCTR(block, be.AppendUint32(iv, 2)).XORKeyStream(stream, stream)
		return be.Uint64(stream[position%4096*8:])
	}
	t.Fatalf("no hash %q", kind)
	return 0
}

// rank is that of an id in a slot that ranks by prefix.
func (s spec) rank(t testing.TB, kind sampler.Kind, id peer.ID, at sampler.Prefix, position uint64) uint64 {
	t.Helper()
	be := binary.BigEndian
	var out []byte
	for _, part := range []struct {
		text string
		size int
	}{{at.Coarse, 2}, {at.Fine, 2}, {string(id), 4}} {
		out = append(out, be.AppendUint64(nil, s.hash(t, kind, peer.ID(part.text), position))[:part.size]...)
	}
	return be.Uint64(out)
}

// places are where ids are, by their indices.
type places map[int]sampler.Prefix

func placesOf(list []place) places {
	out := make(places)
	for _, p := range list {
		out.move(p)
	}
	return out
}

func (p places) move(to place) { p[to.At] = sampler.Prefix{Coarse: to.Coarse, Fine: to.Fine} }

func ref(i int) *int { return &i }

// script is the steps of one list of decisions, without their outcomes.
func script() []decisions {
	offer := func(id, namer int) step { return step{Do: "offer", ID: ref(id), Namer: ref(namer)} }
	pushed := func(id int) step { return step{Do: "offer", ID: ref(id), Namer: ref(id), Pushed: true} }
	about := func(do string, id int) step { return step{Do: do, ID: ref(id)} }
	deal := func(budget int, round uint64) step { return step{Do: "challengers", Budget: budget, Round: round} }
	expire := func(round uint64) step { return step{Do: "expire", Round: round} }
	end := step{Do: "end_round"}
	at := func(id int, coarse, fine string) place { return place{id, coarse, fine} }
	moved := func(to place) step { return step{Do: "moved", To: &to} }
	// One operator has 1 to 5, and 6 a part of the same network; 7 is elsewhere, 8 has an address of the other kind, 9 none.
	crowd := []place{at(6, "203.0.0.0/16", "203.0.7.0/24"), at(7, "198.51.0.0/16", "198.51.100.0/24"), at(8, "2001:db8::/32", "2001:db8:1::/48")}
	for id := 1; id <= 5; id++ {
		crowd = append(crowd, at(id, "203.0.0.0/16", "203.0.113.0/24"))
	}
	return []decisions{
		{Name: "an id that would win becomes a challenger, and holds what it wins once it has answered", Hash: sampler.SHA256, L2: 6, Maturity: 2, Steps: []step{
			pushed(1), deal(4, 1), about("confirm", 1), end,
			pushed(2), offer(3, 2), offer(4, 2), deal(4, 2), about("confirm", 3), about("refuse", 4), about("confirm", 2), end,
			offer(1, 2), offer(3, 2), deal(4, 3), end,
		}},
		{Name: "a challenger under probe is not displaced; a better one waits in the second seat", Hash: sampler.SHA256, L2: 6, Maturity: 2, Steps: []step{
			offer(1, 9), deal(1, 1), offer(2, 9), offer(3, 9), offer(4, 9), offer(5, 9), about("refuse", 1), deal(2, 2), about("confirm", 4), end,
		}},
		{Name: "a challenger without an answer by the end of the next round loses its seat, and may come back", Hash: sampler.SHA256, L2: 4, Maturity: 1, Steps: []step{
			offer(1, 9), deal(1, 1), end, expire(1), end, expire(2), offer(1, 9), deal(1, 3), about("confirm", 1), end,
		}},
		{Name: "budgets are dealt over the namers in turn, pushers first; who gets none loses its seat", Hash: sampler.SHA256, L2: 12, Maturity: 2, Steps: []step{
			offer(1, 8), offer(2, 8), offer(3, 8), offer(4, 9), pushed(5), deal(3, 1), about("confirm", 5), end,
		}},
		{Name: "death clears the value and keeps the key", Hash: sampler.SHA256, L2: 6, Maturity: 1, Steps: []step{
			about("trusted", 1), about("trusted", 2), about("trusted", 3), end, about("clear", 2), about("trusted", 4), about("trusted", 1), end,
			about("trusted", 2), end,
		}},
		{Name: "with the paper's rule death takes a fresh key", Hash: sampler.SHA256, L2: 6, Maturity: 1, Rekey: true, Steps: []step{
			about("trusted", 1), about("trusted", 2), about("trusted", 3), end, about("clear", 2), about("trusted", 4), about("trusted", 1), end,
		}},
		{Name: "slots that rank by prefix: an operator with five ids in one has no more chances than who is alone", Hash: sampler.SHA256, L2: 12, Diverse: 8, Maturity: 1, Places: crowd, Steps: []step{
			about("trusted", 1), about("trusted", 2), about("trusted", 3), about("trusted", 4), about("trusted", 5), end,
			pushed(6), offer(7, 6), offer(8, 6), pushed(9), deal(4, 2), about("confirm", 7), about("confirm", 6), about("refuse", 8), about("confirm", 9), end,
			about("clear", 7), about("trusted", 3), end,
		}},
		{Name: "who answers from elsewhere is ranked by that, and gives up what it held by a better prefix", Hash: sampler.SHA256, L2: 10, Diverse: 10, Maturity: 1, Places: crowd, Steps: []step{
			about("trusted", 1), about("trusted", 7), about("trusted", 8), end,
			moved(at(7, "203.0.0.0/16", "203.0.113.0/24")), about("confirm", 7), end,
			about("trusted", 1), about("trusted", 8), end,
			offer(9, 1), offer(6, 1), deal(2, 4), moved(at(6, "192.0.0.0/16", "192.0.2.0/24")), about("confirm", 6), about("confirm", 9), end,
		}},
		{Name: "the default hash, half of the slots by prefix", Hash: sampler.AES, L2: 8, Diverse: 4, Maturity: 1, Places: crowd, Steps: []step{
			about("trusted", 1), about("trusted", 2), about("trusted", 6), about("trusted", 7), about("trusted", 8), about("trusted", 9), end,
		}},
		{Name: "the default hash", Hash: sampler.AES, L2: 8, Maturity: 1, Steps: []step{
			about("trusted", 1), about("trusted", 2), about("trusted", 3), about("trusted", 4), about("trusted", 5), about("trusted", 6), end,
		}},
	}
}

// play does the steps and fills in what comes of them.
func play(t testing.TB, d decisions, ids []peer.ID) decisions {
	t.Helper()
	index := func(id peer.ID) int { return slices.Index(ids, id) }
	where := placesOf(d.Places)
	g, err := sampler.NewGroup(sampler.Config{
		L2: d.L2, Hash: d.Hash, Secret: vectorSecret, Self: ids[0], Maturity: d.Maturity, Rekey: d.Rekey,
		Diverse: d.Diverse, Prefix: func(id peer.ID) sampler.Prefix { return where[index(id)] },
	})
	if err != nil {
		t.Fatal(err)
	}
	steps := slices.Clone(d.Steps)
	for i := range steps {
		s := &steps[i]
		var id peer.ID
		if s.ID != nil {
			id = ids[*s.ID]
		}
		switch s.Do {
		case "offer":
			g.Offer(id, sampler.Namer{ID: ids[*s.Namer], Pushed: s.Pushed}, false)
		case "trusted":
			g.Offer(id, sampler.Namer{}, true)
		case "confirm":
			g.Confirm(id)
		case "refuse":
			g.Refuse(id)
		case "clear":
			g.Clear(id)
		case "challengers":
			s.Chosen = nil
			for _, c := range g.Challengers(s.Budget, s.Round, func(int, func(i, j int)) {}) {
				s.Chosen = append(s.Chosen, index(c))
			}
		case "expire":
			g.Expire(s.Round)
		case "end_round":
			g.EndRound()
		case "moved":
			where.move(*s.To)
		default:
			t.Fatalf("step %q", s.Do)
		}
		s.Holders, s.Seats, s.Keys, s.Mature = nil, []int{}, nil, nil
		for _, slot := range g.Slots() {
			s.Holders, s.Keys, s.Mature = append(s.Holders, index(slot.ID)), append(s.Keys, slot.Key), append(s.Mature, slot.Mature)
		}
		for _, c := range g.Seats() {
			s.Seats = append(s.Seats, index(c))
		}
	}
	d.Steps = steps
	return d
}

// rankPlaces are the prefixes of which there are ranks: of both kinds of addresses, and none.
var rankPlaces = []sampler.Prefix{
	{Coarse: "203.0.0.0/16", Fine: "203.0.113.0/24"}, {Coarse: "203.0.0.0/16", Fine: "203.0.7.0/24"}, {Coarse: "2001:db8::/32", Fine: "2001:db8:1::/48"}, {},
}

func makeVectors(t testing.TB) vectors {
	t.Helper()
	ids := vectorIDs(t, 10)
	s := newSpec(vectorSecret, ids[0])
	v := vectors{
		Comment: comment, Secret: hex.EncodeToString(vectorSecret[:]), Self: ids[0].String(),
		SlotsKey: hex.EncodeToString(s.slots[:]), DigestKey: hex.EncodeToString(s.digest[:]),
	}
	for _, id := range ids {
		v.IDs = append(v.IDs, id.String())
		lo, hi := s.digestOf(id)
		v.Digests = append(v.Digests, digestLine{id.String(), fmt.Sprint(lo), fmt.Sprint(hi)})
	}
	for _, kind := range []sampler.Kind{sampler.AES, sampler.Sip, sampler.SHA256} {
		for _, id := range ids[:3] {
			for _, position := range []uint64{0, 1, 2, 39, 4095, 4096, 1 << 20} {
				v.Hashes = append(v.Hashes, hashLine{kind, id.String(), position, s.hash(t, kind, id, position)})
			}
		}
	}
	for _, kind := range []sampler.Kind{sampler.AES, sampler.Sip, sampler.SHA256} {
		for _, at := range rankPlaces {
			for position := range uint64(2) {
				v.Ranks = append(v.Ranks, rankLine{kind, ids[1].String(), at.Coarse, at.Fine, position, s.rank(t, kind, ids[1], at, position)})
			}
		}
	}
	for _, d := range script() {
		v.Decisions = append(v.Decisions, play(t, d, ids))
	}
	return v
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The file is what the words of the specification and the package make.
func TestVectors(t *testing.T) {
	want, err := json.Marshal(makeVectors(t))
	if err != nil {
		t.Fatal(err)
	}
	want = append(bytes.ReplaceAll(want, []byte(`{"`), []byte("\n{\"")), '\n') // a line for each object
	want = want[1:]
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("differs: samples of nodes with a stored state would change. If it is meant, go test ./sampler -update")
	}
}

// The package has the hashes of the file.
func TestVectorHashes(t *testing.T) {
	v := readVectors(t)
	key := [32]byte(unhex(t, v.SlotsKey))
	for _, line := range v.Hashes {
		h, err := sampler.NewHash(line.Hash, key)
		if err != nil {
			t.Fatal(err)
		}
		id := decode(t, line.ID)
		var d sampler.Digest
		for _, g := range v.Digests {
			if g.ID == line.ID {
				fmt.Sscan(g.Lo, &d.Lo)
				fmt.Sscan(g.Hi, &d.Hi)
			}
		}
		out := make([]uint64, 1)
		h.Sum(out, id, d, []uint64{line.Position})
		if out[0] != line.Value {
			t.Errorf("%s of %s at %d is %d, want %d", line.Hash, line.ID, line.Position, out[0], line.Value)
		}
	}
	if len(v.Hashes) < 60 {
		t.Errorf("%d hashes", len(v.Hashes))
	}
}

// The package has the ranks of the file.
func TestVectorRanks(t *testing.T) {
	v := readVectors(t)
	for _, line := range v.Ranks {
		g, err := sampler.NewGroup(sampler.Config{
			L2: 4, Diverse: 4, Hash: line.Hash, Secret: [32]byte(unhex(t, v.Secret)), Self: decode(t, v.Self),
			Prefix: func(peer.ID) sampler.Prefix { return sampler.Prefix{Coarse: line.Coarse, Fine: line.Fine} },
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Hashes(nil, decode(t, line.ID))[line.Position]; got != line.Value {
			t.Errorf("%s of %s at %q, %q at %d is %d, want %d", line.Hash, line.ID, line.Coarse, line.Fine, line.Position, got, line.Value)
		}
	}
	if len(v.Ranks) != 3*2*len(rankPlaces) {
		t.Errorf("%d ranks", len(v.Ranks))
	}
}

// The package decides as the file says, and every holder has the least hash, by the words of the specification, of the ids
// that are known to live: those that were trusted or confirmed and not cleared since.
func TestVectorDecisions(t *testing.T) {
	v := readVectors(t)
	ids := vectorIDs(t, len(v.IDs))
	s := newSpec([32]byte(unhex(t, v.Secret)), decode(t, v.Self))
	if len(v.Decisions) != len(script()) {
		t.Fatalf("%d lists, want %d", len(v.Decisions), len(script()))
	}
	for _, d := range v.Decisions {
		if got := play(t, d, ids); !reflect.DeepEqual(got, d) {
			t.Errorf("%s: the steps come out otherwise:\n%+v\n%+v", d.Name, got, d)
		}
		live, cleared, where := map[int]bool{}, false, placesOf(d.Places)
		hash := func(id, slot int, position uint64) uint64 {
			if slot < d.Diverse {
				return s.rank(t, d.Hash, ids[id], where[id], position)
			}
			return s.hash(t, d.Hash, ids[id], position)
		}
		for n, step := range d.Steps {
			switch step.Do {
			case "trusted", "confirm":
				live[*step.ID] = true
			case "clear":
				delete(live, *step.ID)
				cleared = true // who lost to it is not offered again by itself
			case "moved":
				where.move(*step.To)
				cleared = true // and neither is who lost to the prefix that it had
			}
			for slot, holder := range step.Holders {
				if holder < 0 {
					continue
				}
				if !live[holder] {
					t.Errorf("%s, step %d: slot %d is held by %d, which has not answered", d.Name, n, slot, holder)
				}
				own := hash(holder, slot, step.Keys[slot])
				for other := range live {
					if !cleared && hash(other, slot, step.Keys[slot]) < own {
						t.Errorf("%s, step %d: slot %d is held by %d, and %d has a lesser hash", d.Name, n, slot, holder, other)
					}
				}
			}
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, s string) peer.ID {
	t.Helper()
	id, err := peer.Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
