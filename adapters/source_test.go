package adapters

import (
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
)

// TestPace: consumers that ask every second for an hour get no more than burst and pace together. Negative control: a
// consumer that asks the service itself gets what it asks for.
func TestPace(t *testing.T) {
	const burst, perMinute, seconds, asked = 20, 20, 3600, 20
	svc := &fakeSampler{peers: peerNos(500)}
	s, c := newSource(t, svc)
	d, err := s.Discovery(PubsubTopic("chat"))
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := s.Bootstrap()
	got, direct, first := 0, 0, 0
	for i := range seconds {
		found, err := d.FindPeers(t.Context(), PubsubTopic("chat"), discovery.Limit(asked))
		if err != nil {
			t.Fatal(err)
		}
		got += len(read(t, found)) + len(read(t, s.PeerSource(t.Context(), asked))) + len(bootstrap())
		direct += len(svc.RandomWhere(asked, nil))
		if i == 0 {
			first = got
		}
		c.move(time.Second)
	}
	most := burst + perMinute*seconds/60
	if got > most || got < most-2 || first != burst {
		t.Errorf("%d peers in an hour, %d at once, want %d and %d", got, first, most, burst)
	}
	if direct != asked*seconds {
		t.Errorf("without a source %d peers, want %d", direct, asked*seconds)
	}
	st := s.Status()
	if want := uint64((2*asked+BootstrapPeers)*seconds - got); st.Given != uint64(got) || st.Withheld != want || st.Left > 1 {
		t.Errorf("status %+v, want %d given and %d withheld", st, got, want)
	}
}

// TestPaceOfManyCallers: callers at the same instant get no more than burst together.
func TestPaceOfManyCallers(t *testing.T) {
	s, _ := newSource(t, &fakeSampler{peers: peerNos(500)}, WithPace(30, 60))
	var got atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				got.Add(int64(len(s.Take(3))))
			}
		})
	}
	all.Wait()
	if got.Load() != 30 || s.Status().Given != 30 {
		t.Errorf("%d peers, status %+v, want 30", got.Load(), s.Status())
	}
}

// TestNobodyCostsNothing: where there is nobody to give, the pace is not used up.
func TestNobodyCostsNothing(t *testing.T) {
	svc := &fakeSampler{}
	s, _ := newSource(t, svc)
	for range 100 {
		if got := s.Take(20); len(got) != 0 {
			t.Fatalf("%v", got)
		}
	}
	svc.peers = peerNos(100)
	if got := s.Take(50); len(got) != DefaultBurst {
		t.Errorf("%d peers, want %d", len(got), DefaultBurst)
	}
}

// TestFilter: consumers get those that it keeps; the pace counts no others.
func TestFilter(t *testing.T) {
	even := func(p peer.AddrInfo) bool { return p.ID[8]%2 == 0 }
	s, _ := newSource(t, &fakeSampler{peers: peerNos(100)}, WithFilter(even))
	got := s.Take(15)
	for _, p := range got {
		if !even(p) {
			t.Errorf("%s", p.ID)
		}
	}
	if len(got) != 15 || s.Status().Left != DefaultBurst-15 {
		t.Errorf("%d peers, status %+v", len(got), s.Status())
	}
}

// TestLateBinding: before there is a service, and after it has ended, every consumer gets nobody, and nothing panics.
func TestLateBinding(t *testing.T) {
	s, _ := newSource(t, nil)
	d, err := s.Discovery(AnyNamespace)
	if err != nil {
		t.Fatal(err)
	}
	app, seed := newHost(t), peerNo(1)
	bootstrap := s.Bootstrap(seed)
	check := func(when string, want error, found bool) {
		t.Helper()
		if got := s.Take(5); (len(got) > 0) != (want == nil) {
			t.Errorf("%s: Take gives %d", when, len(got))
		}
		if got := read(t, s.PeerSource(t.Context(), 5)); (len(got) > 0) != (want == nil) {
			t.Errorf("%s: PeerSource gives %d", when, len(got))
		}
		ch, err := d.FindPeers(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, ch); (len(got) > 0) != (want == nil) {
			t.Errorf("%s: FindPeers gives %d", when, len(got))
		}
		if _, err := d.Advertise(t.Context(), "x"); !errors.Is(err, want) {
			t.Errorf("%s: Advertise says %v, want %v", when, err, want)
		}
		if got := bootstrap(); want != nil && (len(got) != 1 || got[0].ID != seed.ID) || len(got) == 0 {
			t.Errorf("%s: bootstrap gives %v", when, got)
		}
		if _, err := s.FindPeer(t.Context(), peerNo(7).ID); found != (err == nil) || !found && !errors.Is(err, routing.ErrNotFound) {
			t.Errorf("%s: FindPeer says %v", when, err)
		}
		if _, err := s.Supporting(t.Context(), app, 0, "/x"); !errors.Is(err, want) {
			t.Errorf("%s: Supporting says %v, want %v", when, err, want)
		}
	}
	check("before", ErrUnbound, false)
	svc := &fakeSampler{peers: peerNos(60)}
	s.pace.SetBurst(100)
	s.pace.SetLimitAt(s.now(), 1e9)
	if err := s.Bind(svc); err != nil {
		t.Fatal(err)
	}
	s.now = time.Now
	check("bound", nil, true)
	svc.closed = true
	check("closed", ErrClosed, true)
	if err := s.Bind(nil); err == nil {
		t.Error("nil was bound")
	}
}

// TestBootstrapSeeds: the seeds are given while the service knows nobody, and not where the pace is used up.
func TestBootstrapSeeds(t *testing.T) {
	svc := &fakeSampler{}
	s, _ := newSource(t, svc, WithPace(6, 1))
	bootstrap := s.Bootstrap(peerNo(900), peerNo(901))
	if got := bootstrap(); len(got) != 2 {
		t.Errorf("alone: %v", got)
	}
	svc.peers = peerNos(50)
	for i, want := range []int{BootstrapPeers, 6 - BootstrapPeers, 0} {
		got := bootstrap()
		if len(got) != want {
			t.Errorf("call %d: %d peers, want %d", i, len(got), want)
		}
		for _, p := range got {
			if p.ID >= peerNo(900).ID {
				t.Errorf("call %d: a seed beside the sample", i)
			}
		}
	}
}

// TestNamespaces: no strangers for a namespace that nobody said is the overlay.
func TestNamespaces(t *testing.T) {
	s, _ := newSource(t, &fakeSampler{peers: peerNos(50)})
	if _, err := s.Discovery(); err == nil {
		t.Error("no namespace is all namespaces")
	}
	d, _ := s.Discovery(PubsubTopic("a"), "b")
	for ns, ok := range map[string]bool{"floodsub:a": true, "b": true, "a": false, "": false, "*": false, "floodsub:b": false} {
		_, err := d.FindPeers(t.Context(), ns, discovery.Limit(1))
		_, other := d.Advertise(t.Context(), ns)
		if ok && (err != nil || other != nil) || !ok && !(errors.Is(err, ErrNamespace) && errors.Is(other, ErrNamespace)) {
			t.Errorf("%q: %v, %v", ns, err, other)
		}
	}
	if s.Status().Given != 2 {
		t.Errorf("%+v", s.Status())
	}
	if ttl, err := d.Advertise(t.Context(), "b", discovery.TTL(time.Minute)); ttl != time.Minute || err != nil {
		t.Errorf("%v, %v", ttl, err)
	}
	if ttl, err := d.Advertise(t.Context(), "b"); ttl != AdvertiseTTL || err != nil {
		t.Errorf("%v, %v", ttl, err)
	}
	if _, err := d.FindPeers(t.Context(), "b", discovery.Limit(-1)); err == nil || !strings.Contains(err.Error(), "limit=-1") {
		t.Errorf("%v", err)
	}
	broken := errors.New("broken option")
	fail := func(*discovery.Options) error { return broken }
	if _, err := d.FindPeers(t.Context(), "b", fail); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := d.Advertise(t.Context(), "b", fail); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestOptions: each is refused with the value and the rule.
func TestOptions(t *testing.T) {
	for want, opt := range map[string]Option{
		"burst=0 must be between 1 and 1000":                      WithPace(0, 1),
		"burst=1001 must be between 1 and 1000":                   WithPace(1001, 1),
		"peers per minute=0 must be more than 0 and at most 6000": WithPace(1, 0),
		"peers per minute=NaN must be":                            WithPace(1, math.NaN()),
		"peers per minute=60001 must be":                          WithPace(1, 60001),
		"filter must not be nil":                                  WithFilter(nil),
	} {
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
