package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/event"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/urfave/cli/v3"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/metrics"
)

// agreeRounds is into how many rounds an epoch is cut: as many as agreement takes without faulty peers, and as many again. An
// epoch is kept for three times its length. maxAgreeRound is the longest round all the same.
const (
	agreeRounds   = 60
	maxAgreeRound = 10 * time.Second
)

// minAgreeEpoch leaves rounds in which a peer can be dialled, on a LAN.
const minAgreeEpoch = 3 * time.Second

// agreeQueue is how many events of the agreement may wait to be printed. Beyond it the service drops them.
const agreeQueue = 64

// waitingWords is how many words may wait for the next epoch: as many as it takes of one peer.
const waitingWords = machine.MaxItemsPerOrigin

// agreeDir is the directory in --data with the state of the agreement.
const agreeDir = "agreement"

// agreement is what --agree-epoch adds to a peer. The nil agreement is none.
type agreement struct {
	opts  []consensus.Option
	store *consensus.StateDir // nil without --data

	svc      *consensus.Service
	sub      event.Subscription
	proposed chan consensus.Item // to be printed
	places   chan struct{}       // of words that wait
	told     map[uint64]phaseSet // troubles by epoch
}

// checkAgreement says what is wrong with --agree-epoch.
func checkAgreement(cmd *cli.Command) error {
	length := cmd.Duration("agree-epoch")
	switch {
	case length == 0 && len(cmd.StringSlice("proposers")) > 0:
		return usagef("proposers=%s needs agree-epoch", strings.Join(cmd.StringSlice("proposers"), ","))
	case length == 0:
		return nil
	case length < minAgreeEpoch || length > consensus.MaxEpoch:
		return usagef("agree-epoch=%v must be between %v and %v, or 0", length, minAgreeEpoch, consensus.MaxEpoch)
	case cmd.String("preset") == "paper":
		return usagef("agree-epoch=%v needs another preset than %q, which does not verify its sample", length, "paper")
	}
	_, err := proposers(cmd)
	return err
}

// proposers says whose words are taken: everybody's without --proposers.
func proposers(cmd *cli.Command) (may func(peer.ID) bool, err error) {
	listed := make(map[peer.ID]bool)
	for _, text := range cmd.StringSlice("proposers") {
		id, err := peer.Decode(text)
		if err != nil {
			return nil, usagef("proposers=%q must be ids of peers: %v", text, err)
		}
		listed[id] = true
	}
	return func(p peer.ID) bool { return len(listed) == 0 || listed[p] }, nil
}

// agreeOptions are what agreement wants of the sampler where no flag says otherwise.
func agreeOptions(cmd *cli.Command) []brahmshost.Option {
	if cmd.Duration("agree-epoch") == 0 {
		return nil
	}
	return []brahmshost.Option{brahmshost.WithSampleSize(consensus.SampleSize)}
}

// newAgreement opens the state, before anything starts; nil where there is no --agree-epoch.
func newAgreement(cmd *cli.Command, page *web, stderr io.Writer) (a *agreement, err error) {
	length := cmd.Duration("agree-epoch")
	if length == 0 {
		return nil, nil
	}
	may, err := proposers(cmd)
	if err != nil {
		return nil, err
	}
	a = &agreement{
		opts: []consensus.Option{
			consensus.WithEpochs(length, time.Unix(0, 0)), consensus.WithRoundInterval(min(length/agreeRounds, maxAgreeRound)),
			consensus.WithProtocolPrefix(cmd.String("prefix")), consensus.WithMayPropose(may),
		},
		proposed: make(chan consensus.Item, waitingWords), places: make(chan struct{}, waitingWords), told: make(map[uint64]phaseSet),
	}
	if page != nil {
		tracer, err := metrics.NewConsensus(page.reg, nil)
		if err != nil {
			return nil, err
		}
		a.opts = append(a.opts, consensus.WithTracer(tracer))
	}
	dir := cmd.String("data")
	if dir == "" {
		return a, nil
	}
	if a.store, err = consensus.OpenStateDir(filepath.Join(dir, agreeDir)); err != nil {
		return nil, usageError{fmt.Errorf("agreement: %w", err)}
	}
	a.opts = append(a.opts, consensus.WithStore(a.store))
	if cmd.Bool("reset-state") {
		kept, err := a.store.Reset()
		if err != nil {
			a.close()
			return nil, err
		}
		if kept != "" {
			fmt.Fprintf(stderr, "%s: the old state of the agreement is kept in %s\n", name, kept)
		}
	}
	return a, nil
}

// start starts the service.
func (a *agreement) start(h corehost.Host, svc *brahmshost.Service) (err error) {
	if a == nil {
		return nil
	}
	a.sub, err = h.EventBus().Subscribe([]any{new(consensus.EvtDecided), new(consensus.EvtStatusChanged)}, eventbus.BufSize(agreeQueue))
	if err != nil {
		return err
	}
	if a.svc, err = consensus.New(h, svc, a.opts...); err != nil {
		_ = a.sub.Close()
	}
	if errors.Is(err, consensus.ErrState) {
		return usageError{fmt.Errorf("%w; --reset-state starts anew and keeps it", err)}
	}
	return err
}

// end ends the service, before the sampler's.
func (a *agreement) end() {
	if a == nil {
		return
	}
	_ = a.sub.Close() // or the service would wait for us to read
	_ = a.svc.Close()
}

// close lets others have the state.
func (a *agreement) close() {
	if a != nil && a.store != nil {
		_ = a.store.Close()
	}
}

// events are those of the service; of no agreement there are none.
func (a *agreement) events() <-chan any {
	if a == nil {
		return nil
	}
	return a.sub.Out()
}

// proposals are the words that were proposed.
func (a *agreement) proposals() <-chan consensus.Item {
	if a == nil {
		return nil
	}
	return a.proposed
}

// proposeWord begins each line that proposes a word.
const proposeWord = "propose"

// take proposes the word of a line that is a proposal, and reports whether it is one. The word waits for the next epoch, and
// the next line does not wait for it. Its error is that the line is wrong, or that too many words wait.
func (a *agreement) take(ctx context.Context, line []byte, failed func(error)) (is bool, err error) {
	if a == nil {
		return false, nil
	}
	word, is, err := proposal(string(line))
	if !is || err != nil {
		return is, err
	}
	select {
	case a.places <- struct{}{}:
	default:
		return true, fmt.Errorf("%s: %d words wait for the next epoch, it takes no more of one peer", proposeWord, waitingWords)
	}
	go func() {
		defer func() { <-a.places }()
		item, err := a.svc.Propose(ctx, []byte(word))
		switch {
		case err == nil:
			select {
			case a.proposed <- item:
			case <-ctx.Done():
			}
		case ctx.Err() == nil && !errors.Is(err, consensus.ErrClosed):
			failed(fmt.Errorf("%s %s: %w", proposeWord, word, err))
		}
	}()
	return true, nil
}

// proposal returns the word that a line proposes; is says whether it is a proposal, right or wrong.
func proposal(line string) (word string, is bool, err error) {
	rest, is := strings.CutPrefix(line, proposeWord)
	if !is || rest != "" && !unicode.IsSpace([]rune(rest)[0]) {
		return "", false, nil
	}
	switch word = strings.TrimSpace(rest); {
	case word == "" || strings.ContainsFunc(word, unicode.IsSpace):
		return "", true, fmt.Errorf("%s takes one word", proposeWord)
	case !utf8.ValidString(word):
		return "", true, fmt.Errorf("%s: the word must be UTF-8", proposeWord)
	case len(word) > machine.MaxPayload:
		return "", true, fmt.Errorf("%s: the word has %d bytes, at most %d", proposeWord, len(word), machine.MaxPayload)
	}
	return word, true, nil
}

type proposedEvent struct {
	Event string `json:"event"` // "proposed"
	Epoch uint64 `json:"epoch"`
	ID    string `json:"id"`
	Text  string `json:"text"`
}

type agreedEvent struct {
	Event string       `json:"event"` // "agreed"
	Epoch uint64       `json:"epoch"`
	Items []agreedItem `json:"items"` // the set, ascending by id
}

type agreedItem struct {
	ID     string  `json:"id"`
	Origin peer.ID `json:"origin"`
	// One of the two: what the item says, or if that is no UTF-8 its bytes.
	Text *string `json:"text,omitempty"`
	Data []byte  `json:"data,omitempty"`
}

type agreementEvent struct {
	Event string `json:"event"` // "agreement"
	Epoch uint64 `json:"epoch"`
	Phase string `json:"phase"`
}

// proposed prints in which epoch a word was proposed.
func (r *reporter) proposed(item consensus.Item) error {
	id := item.ID()
	if r.json {
		return json.NewEncoder(r.w).Encode(proposedEvent{"proposed", item.Epoch, hex.EncodeToString(id[:]), string(item.Payload)})
	}
	_, err := fmt.Fprintf(r.w, "proposed %s in epoch %d\n", wordText(item.Payload), item.Epoch)
	return err
}

// agreed prints the set of an epoch.
func (r *reporter) agreed(e consensus.EvtDecided) error {
	if !r.json {
		set := make([]string, len(e.Items))
		for i, it := range e.Items {
			set[i] = string(it.Payload)
		}
		_, err := fmt.Fprintf(r.w, "agreed   epoch %d: %s\n", e.Epoch, setText(set))
		return err
	}
	out := agreedEvent{Event: "agreed", Epoch: e.Epoch, Items: []agreedItem{}}
	for _, it := range e.Items {
		id := it.ID()
		line := agreedItem{ID: hex.EncodeToString(id[:]), Origin: it.Origin, Data: it.Payload}
		if utf8.Valid(it.Payload) {
			text := string(it.Payload)
			line.Text, line.Data = &text, nil
		}
		out.Items = append(out.Items, line)
	}
	return json.NewEncoder(r.w).Encode(out)
}

// A phaseSet has a bit for each phase.
type phaseSet uint16

// add reports whether p was not in the set, and puts it there.
func (s *phaseSet) add(p machine.Phase) bool {
	had := *s>>p&1 == 1
	*s |= 1 << p
	return !had
}

// troubles says what keeps epochs open, by the phases that are no progress.
var troubles = map[machine.Phase]string{
	machine.TooFew:  fmt.Sprintf("fewer than %d others are known to agree with: nothing is decided until there are more", machine.Default().MinPeers),
	machine.Full:    "there are more items than an epoch holds: it stays open",
	machine.Stalled: "too many peers are faulty, silent or of another opinion: it may still be decided",
}

// agreement prints what happens to the agreement: sets, and each trouble once an epoch.
func (r *reporter) agreement(a *agreement, e any) error {
	switch e := e.(type) {
	case consensus.EvtDecided:
		return r.agreed(e)
	case consensus.EvtStatusChanged:
		why, bad := troubles[e.Phase]
		told := a.told[e.Epoch]
		if !bad || !told.add(e.Phase) {
			return nil
		}
		for old := range a.told {
			if old+machine.Epochs <= e.Epoch {
				delete(a.told, old)
			}
		}
		a.told[e.Epoch] = told
		if r.json {
			return json.NewEncoder(r.w).Encode(agreementEvent{"agreement", e.Epoch, e.Phase.String()})
		}
		_, err := fmt.Fprintf(r.w, "agree    epoch %d: %s: %s\n", e.Epoch, e.Phase, why)
		return err
	}
	return nil
}
