package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

func TestProposal(t *testing.T) {
	long := strings.Repeat("x", machine.MaxPayload)
	for _, c := range []struct {
		line, word string
		is         bool
		err        string
	}{
		{"propose apple", "apple", true, ""},
		{"propose \t apple ", "apple", true, ""},
		{"propose äpfel", "äpfel", true, ""},
		{"propose " + long, long, true, ""},
		{"propose " + long + "y", "", true, "propose: the word has 257 bytes, at most 256"},
		{"propose", "", true, "propose takes one word"},
		{"propose ", "", true, "propose takes one word"},
		{"propose two words", "", true, "propose takes one word"},
		{"propose \xff", "", true, "propose: the word must be UTF-8"},
		{"proposed apple", "", false, ""},
		{"I propose apple", "", false, ""},
		{"Propose apple", "", false, ""},
		{"", "", false, ""},
	} {
		word, is, err := proposal(c.line)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if err == nil && word != c.word || is != c.is || text != c.err {
			t.Errorf("%.20q: %q, %v, %q; want %q, %v, %q", c.line, word, is, text, c.word, c.is, c.err)
		}
	}
}

// TestLinesThatPropose: without an agreement there are no proposals, and a wrong line is none.
func TestLinesThatPropose(t *testing.T) {
	if is, err := (*agreement)(nil).take(t.Context(), []byte("propose x"), nil); is || err != nil {
		t.Errorf("without --agree-epoch: %v, %v", is, err)
	}
	a := &agreement{places: make(chan struct{}, 1)}
	a.places <- struct{}{}
	for line, want := range map[string]string{
		"propose": "propose takes one word", "propose x": "propose: 8 words wait for the next epoch, it takes no more of one peer",
	} {
		if is, err := a.take(t.Context(), []byte(line), nil); !is || err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v", line, is, err)
		}
	}
	// Beside them messages go on, and each wrong line is one line of stderr.
	to := &spreaders{}
	var stderr bytes.Buffer
	in := input{from: strings.NewReader("a\npropose\npropose x y\nb\n"), to: to, turn: make(chan struct{}), stderr: &stderr, agree: a}
	in.run(context.Background())
	if strings.Join(to.got, "") != "ab" || stderr.String() != strings.Repeat("brahms-p2p: propose takes one word\n", 2) {
		t.Errorf("sent %q, stderr %q", to.got, &stderr)
	}
}

// TestAgreedLines: what others propose cannot look like another line, nor like two words, and each trouble is one line an epoch.
func TestAgreedLines(t *testing.T) {
	set := consensus.EvtDecided{Epoch: 7}
	for _, s := range []string{"apple", "", "two words", "a\nb", `"q"`, "\xff"} {
		set.Items = append(set.Items, machine.Item{Epoch: 7, Origin: "o", Payload: []byte(s)})
	}
	a := &agreement{told: make(map[uint64]phaseSet)}
	for json, want := range map[bool]string{
		false: `agreed   epoch 7: apple "" "two words" "a\nb" "\"q\"" "\xff"` + "\n" +
			"agreed   epoch 8: the empty set\n" +
			"agree    epoch 8: too_few: fewer than 4 others are known to agree with: nothing is decided until there are more\n" +
			"agree    epoch 8: full: there are more items than an epoch holds: it stays open\n" +
			"agree    epoch 11: stalled: too many peers are faulty, silent or of another opinion: it may still be decided\n" +
			"proposed apple in epoch 7\n",
		true: "",
	} {
		var out bytes.Buffer
		r := reporter{w: &out, json: json}
		clear(a.told)
		for _, e := range []any{
			set, consensus.EvtDecided{Epoch: 8},
			consensus.EvtStatusChanged{Epoch: 8, Phase: machine.Open}, consensus.EvtStatusChanged{Epoch: 8, Phase: machine.TooFew},
			consensus.EvtStatusChanged{Epoch: 8, Phase: machine.Polling}, consensus.EvtStatusChanged{Epoch: 8, Phase: machine.TooFew},
			consensus.EvtStatusChanged{Epoch: 8, Phase: machine.Full}, consensus.EvtStatusChanged{Epoch: 8, Phase: machine.TooFew}, // as peers bring it about
			consensus.EvtStatusChanged{Epoch: 8, Phase: machine.Full},
			consensus.EvtStatusChanged{Epoch: 11, Phase: machine.Stalled},
		} {
			if err := r.agreement(a, e); err != nil {
				t.Fatal(err)
			}
		}
		if len(a.told) != 1 {
			t.Errorf("it remembers %v", a.told)
		}
		if err := r.proposed(set.Items[0]); err != nil {
			t.Fatal(err)
		}
		if !json && out.String() != want {
			t.Errorf("printed\n%s, want\n%s", &out, want)
		}
		if json {
			for _, part := range []string{`{"event":"agreed","epoch":7,"items":[{"id":"`, `"text":"a\nb"}`, `"data":"/w=="}`,
				`{"event":"agreed","epoch":8,"items":[]}`, `{"event":"agreement","epoch":8,"phase":"too_few"}`, `"event":"proposed","epoch":7,"id":"`} {
				if !strings.Contains(out.String(), part) {
					t.Errorf("no %s in\n%s", part, &out)
				}
			}
		}
	}
}
