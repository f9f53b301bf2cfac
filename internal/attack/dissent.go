package attack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	consensuswire "github.com/brahms-p2p/brahms-p2p/consensus/wire"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// The protocol ids of agreement on sets, written from its specification.
const (
	agreement = "/brahms/consensus/1.0.0"
	pollID    = coreprotocol.ID(agreement + "/poll")
	fetchID   = coreprotocol.ID(agreement + "/fetch")
)

// DissentConfig says what the faulty peers of a run do to agreement on sets.
type DissentConfig struct {
	Attack   string        // one of Dissents but None
	Epoch    uint64        // the one that is attacked; of others nothing is known
	Start    time.Time     // when it begins
	Interval time.Duration // of a round
	Window   int           // rounds in which items are taken
	Seed     [32]byte      // of who is shown which camp
}

// campShares is to what shares of the correct peers the camps are shown: items of faulty peers which are listed in the last
// poll of the window whose items are still fetched, so that those who were shown them cannot pass them on.
var campShares = []float64{.5, .6, .7, .8}

// watchers is how many correct peers are polled at once.
const watchers = 16

// A Dissent is the faulty peers of a run as far as agreement on sets goes. They act together: they poll all correct peers
// twice a round, as anybody may, and so know what each prefers and has decided; of each of their lies they say that it is
// decided, and that their epoch is closed. It goes beside whatever else the peers do.
type Dissent struct {
	cfg    DissentConfig
	foe    foe
	life   context.Context
	cancel context.CancelFunc
	seen   atomic.Pointer[picture]

	mu      sync.Mutex
	closed  bool
	hosts   []corehost.Host
	correct []peer.AddrInfo
	items   map[machine.ID]machine.Item // that we have signed: what we serve
	camps   []machine.ID
	running sync.WaitGroup
}

// Dissents lists what faulty peers can do to agreement, None first.
func Dissents() []string { return append([]string{None}, slices.Sorted(maps.Keys(foes))...) }

// AboutDissent says in one line what the attack of that name does.
func AboutDissent(name string) string {
	if name == None {
		return "faulty peers agree as others do, unless an attack on the sampler leads them: those do not speak the protocol"
	}
	return foes[name].about
}

// CheckDissent returns an error that names value and rule if there is no such attack.
func CheckDissent(name string) error {
	if !slices.Contains(Dissents(), name) {
		return fmt.Errorf("agree-attack=%q must be one of %s", name, strings.Join(Dissents(), ", "))
	}
	return nil
}

// NewDissent returns a dissent without peers.
func NewDissent(cfg DissentConfig) (*Dissent, error) {
	if err := CheckDissent(cfg.Attack); err != nil {
		return nil, fmt.Errorf("attack: %w", err)
	}
	if cfg.Attack == None || cfg.Interval <= 0 || cfg.Window < 2 {
		return nil, errors.New("attack: an attack on agreement needs a name, an interval and a window of at least 2 rounds")
	}
	d := &Dissent{cfg: cfg, foe: foes[cfg.Attack].make(), items: make(map[machine.ID]machine.Item)}
	d.life, d.cancel = context.WithCancel(context.Background())
	d.seen.Store(&picture{})
	return d, nil
}

// Join makes a faulty peer of h, which stays the caller's: Dissent is closed first. It must not be called after Start.
func (d *Dissent) Join(h corehost.Host) error {
	d.mu.Lock()
	number := len(d.hosts)
	d.hosts = append(d.hosts, h)
	d.mu.Unlock()
	if number < len(campShares) && d.cfg.Attack != silentName {
		id, err := d.sign(h, fmt.Sprintf("camp %d", number))
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.camps = append(d.camps, id)
		d.mu.Unlock()
	}
	h.SetStreamHandler(pollID, func(st network.Stream) { d.handle(st, consensuswire.MaxPollRequest, d.answerPoll) })
	h.SetStreamHandler(fetchID, func(st network.Stream) { d.handle(st, consensuswire.MaxFetchRequest, d.answerFetch) })
	return nil
}

// sign makes an item of h.
func (d *Dissent) sign(h corehost.Host, payload string) (machine.ID, error) {
	it, err := consensuswire.SignItem(h.Peerstore().PrivKey(h.ID()), agreement, d.cfg.Epoch, []byte(payload))
	if err != nil {
		return machine.ID{}, fmt.Errorf("attack: %w", err)
	}
	id := it.ID()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.items[id] = it
	return id, nil
}

// Meet tells of a correct peer that takes part. It must not be called after Start.
func (d *Dissent) Meet(p peer.AddrInfo) { d.correct = append(d.correct, p) }

// Start begins to look at what the correct peers prefer. What they ask is answered before too.
func (d *Dissent) Start() {
	if d.cfg.Attack != silentName && len(d.hosts) > 0 && len(d.correct) > 0 {
		d.running.Go(d.watch)
	}
}

// Close ends the attack. All goroutines are gone when it returns. It may be called again.
func (d *Dissent) Close() {
	d.mu.Lock()
	d.closed = true
	hosts := d.hosts
	d.mu.Unlock()
	d.cancel()
	for _, h := range hosts {
		h.RemoveStreamHandler(pollID)
		h.RemoveStreamHandler(fetchID)
	}
	d.running.Wait()
}

// handle serves one exchange, and resets the stream when nothing is to be said.
func (d *Dissent) handle(st network.Stream, limit int, answer func(network.Stream, []byte) (marshaler, error)) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		_ = st.Reset()
		return
	}
	d.running.Add(1)
	d.mu.Unlock()
	defer d.running.Done()
	defer context.AfterFunc(d.life, func() { _ = st.Reset() })()
	_ = st.SetDeadline(time.Now().Add(serving))
	frame, err := wire.ReadFrame(st, limit)
	var m marshaler
	if err == nil {
		m, err = answer(st, frame)
	}
	if err == nil {
		err = respond(st, m)
	}
	if err != nil {
		_ = st.Reset()
		return
	}
	_ = st.Close()
}

type marshaler interface{ Marshal() ([]byte, error) }

// errSilent: the asker is not answered.
var errSilent = errors.New("attack: silent")

func (d *Dissent) answerPoll(st network.Stream, frame []byte) (marshaler, error) {
	if d.cfg.Attack == silentName {
		sleep(d.life, 2*d.cfg.Interval) // longer than it is any use to him
		return nil, errSilent
	}
	req, err := consensuswire.DecodePollRequest(frame)
	if err != nil {
		return nil, err
	}
	res := consensuswire.PollResponse{Status: consensuswire.StatusOK, Nonce: req.Nonce, Answer: machine.Answer{Epoch: req.Epoch}}
	asker := st.Conn().RemotePeer()
	switch {
	case req.Epoch != d.cfg.Epoch:
		res.Status = consensuswire.StatusUnknown
	case d.age() < d.cfg.Window:
		res.Answer.In = d.shown(asker)
	default:
		d.foe.answer(d, asker, &res)
	}
	return res, nil
}

func (d *Dissent) answerFetch(_ network.Stream, frame []byte) (marshaler, error) {
	req, err := consensuswire.DecodeFetchRequest(frame)
	if err != nil {
		return nil, err
	}
	res := consensuswire.FetchResponse{Status: consensuswire.StatusOK}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range req.IDs {
		if it, ok := d.items[id]; ok {
			res.Items = append(res.Items, it)
		}
	}
	return res, nil
}

// age is the number of rounds since the epoch began, below 0 before.
func (d *Dissent) age() int {
	since := time.Since(d.cfg.Start)
	if since < 0 {
		return -1
	}
	return int(since / d.cfg.Interval)
}

// shown lists the camps that asker is to learn of now. What is listed in the window's last round is not fetched any more.
func (d *Dissent) shown(asker peer.ID) (in []machine.Vote) {
	if d.age() != d.cfg.Window-2 {
		return nil
	}
	for i, id := range d.camps {
		if d.chance(asker, i) < campShares[i] {
			in = append(in, machine.Vote{ID: id})
		}
	}
	slices.SortFunc(in, byID)
	return in
}

// chance is a number in [0,1) that is always the same for a peer.
func (d *Dissent) chance(id peer.ID, i int) float64 {
	sum := sha256.Sum256(fmt.Appendf(append(slices.Clone(d.cfg.Seed[:]), id...), "|%d", i))
	return float64(binary.LittleEndian.Uint64(sum[:])>>11) / (1 << 53)
}

func byID(a, b machine.Vote) int { return bytes.Compare(a.ID[:], b.ID[:]) }

// watch polls all correct peers twice a round, from the end of the window on.
func (d *Dissent) watch() {
	for sweep := 0; ; sweep++ {
		if d.age() >= d.cfg.Window-1 {
			d.look(sweep)
		}
		if !sleep(d.life, d.cfg.Interval/2) {
			return
		}
	}
}

// look takes a picture of what all correct peers prefer now. The faulty peers take turns in asking each.
func (d *Dissent) look(sweep int) {
	ctx, cancel := context.WithTimeout(d.life, d.cfg.Interval)
	defer cancel()
	said := make([]*machine.Answer, len(d.correct))
	var asking sync.WaitGroup
	for w := range min(watchers, len(d.correct)) {
		asking.Go(func() {
			for i := w; i < len(d.correct) && ctx.Err() == nil; i += watchers {
				said[i] = d.poll(ctx, d.hosts[(i+sweep)%len(d.hosts)], d.correct[i])
			}
		})
	}
	asking.Wait()
	before := d.seen.Load()
	for i, a := range said { // who did not answer in time still prefers what it did
		if old, ok := before.by[d.correct[i].ID]; a == nil && ok {
			said[i] = &old
		}
	}
	p := newPicture(d.correct, said)
	if f, ok := d.foe.(watcher); ok {
		f.watch(d, p)
	}
	d.seen.Store(p)
}

// poll asks one correct peer what it prefers; nil: it has not said.
func (d *Dissent) poll(ctx context.Context, h corehost.Host, to peer.AddrInfo) *machine.Answer {
	h.Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.PermanentAddrTTL)
	st, err := h.NewStream(ctx, to.ID, pollID)
	if err != nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { _ = st.Reset() })()
	sum := sha256.Sum256(fmt.Append(nil, to.ID, time.Now().UnixNano()))
	req := consensuswire.PollRequest{Epoch: d.cfg.Epoch, Nonce: machine.Nonce(sum[:16])}
	frame := []byte(nil)
	if err = respond(st, req); err == nil {
		_ = st.CloseWrite()
		frame, err = wire.ReadFrame(st, consensuswire.MaxPollResponse)
	}
	if err != nil {
		_ = st.Reset()
		return nil
	}
	_ = st.Close()
	res, err := consensuswire.DecodePollResponse(frame)
	if err != nil || res.Status != consensuswire.StatusOK {
		return nil
	}
	return &res.Answer
}
