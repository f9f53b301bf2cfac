package adapters

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
)

var _ mdns.Notifee = (*Found)(nil)

// fakeDiscoverer sends its peers and then closes the channel, or holds it open.
type fakeDiscoverer struct {
	peers []peer.AddrInfo
	hold  bool
	err   error
	limit int
}

func (f *fakeDiscoverer) FindPeers(ctx context.Context, _ string, opts ...discovery.Option) (<-chan peer.AddrInfo, error) {
	var o discovery.Options
	if err := o.Apply(opts...); err != nil {
		return nil, err
	}
	f.limit = o.Limit
	if f.err != nil {
		return nil, f.err
	}
	out := make(chan peer.AddrInfo)
	go func() {
		defer close(out)
		for _, p := range f.peers {
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
		}
		if f.hold {
			<-ctx.Done()
		}
	}()
	return out, nil
}

// TestSeedsFrom reads a discovery to its end, to MaxSeeds, or as long as its context allows, and leaves no goroutine
// (the bubble would not end).
func TestSeedsFrom(t *testing.T) {
	broken := errors.New("broken")
	bad := []peer.AddrInfo{{}, {ID: "x"}}
	for _, c := range []struct {
		about string
		from  fakeDiscoverer
		want  int
		err   error
		took  time.Duration
	}{
		{"few", fakeDiscoverer{peers: peerNos(5)}, 5, nil, 0},
		{"many", fakeDiscoverer{peers: peerNos(1000)}, MaxSeeds, nil, 0},
		{"few and then nothing", fakeDiscoverer{peers: peerNos(5), hold: true}, 5, nil, 5 * time.Second},
		{"nobody", fakeDiscoverer{}, 0, nil, 0},
		{"without id or address", fakeDiscoverer{peers: append(bad, peerNos(2)...)}, 2, nil, 0},
		{"failed", fakeDiscoverer{err: broken}, 0, broken, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			got, err := SeedsFrom(&c.from, "ns")(ctx)
			if len(got) != c.want || !errors.Is(err, c.err) || time.Since(start) != c.took || c.from.limit != MaxSeeds {
				t.Errorf("%s: %d peers, %v, after %v, limit %d", c.about, len(got), err, time.Since(start), c.from.limit)
			}
		})
	}
}

// TestAnySeeds: sources are heard at once and take turns; one that fails or hangs spoils nothing.
func TestAnySeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		list := func(err error, ids ...int) Seeds {
			return func(context.Context) (out []peer.AddrInfo, _ error) {
				for _, i := range ids {
					out = append(out, peerNo(i))
				}
				return out, err
			}
		}
		hangs := func(ctx context.Context) ([]peer.AddrInfo, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		got, err := AnySeeds(list(nil, 1, 2, 3, 4), list(broken, 7, 1), list(nil))(t.Context())
		want := []int{1, 7, 2, 3, 4}
		if len(got) != len(want) || !errors.Is(err, broken) {
			t.Fatalf("%v, %v", got, err)
		}
		for i, p := range got {
			if p.ID != peerNo(want[i]).ID {
				t.Errorf("%d. is %s, want number %d", i, p.ID, want[i])
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, _ := AnySeeds(hangs, list(nil, 1, 2))(ctx); len(got) != 2 {
			t.Errorf("beside one that hangs: %v", got)
		}
		if got, err := AnySeeds()(t.Context()); len(got) != 0 || err != nil {
			t.Errorf("of no source: %v, %v", got, err)
		}
		synctest.Wait()
	})
}

// TestSeedsOfTable gives random ids of the table that have addresses.
func TestSeedsOfTable(t *testing.T) {
	book := pstoremem.NewAddrBook()
	defer book.Close()
	var ids []peer.ID
	for _, p := range peerNos(100) {
		ids = append(ids, p.ID)
		if len(ids)%2 == 0 {
			book.AddAddrs(p.ID, p.Addrs, time.Hour)
		}
	}
	find := SeedsOfTable(func() []peer.ID { return ids }, book)
	seen := make(map[peer.ID]bool)
	for range 20 {
		got, err := find(t.Context())
		if len(got) != MaxSeeds || err != nil {
			t.Fatalf("%d peers, %v", len(got), err)
		}
		for _, p := range got {
			if len(p.Addrs) != 1 {
				t.Errorf("%v", p)
			}
			seen[p.ID] = true
		}
	}
	if len(seen) != 50 { // one is missed with a chance of 50*(18/50)^20 < 1e-7
		t.Errorf("%d of 50 were ever given", len(seen))
	}
}

// TestFound: it remembers a bounded number, newest addresses, and whoever reports any number pushes others out at
// random only.
func TestFound(t *testing.T) {
	var f Found
	f.HandlePeerFound(peer.AddrInfo{})
	f.HandlePeerFound(peer.AddrInfo{ID: peerNo(1).ID})
	if got, _ := f.Seeds(t.Context()); len(got) != 0 {
		t.Errorf("without id or address: %v", got)
	}
	moved := peerNo(1)
	f.HandlePeerFound(moved)
	moved.Addrs = peerNo(2).Addrs
	f.HandlePeerFound(moved)
	if got, _ := f.Seeds(t.Context()); len(got) != 1 || !got[0].Addrs[0].Equal(moved.Addrs[0]) {
		t.Errorf("after it moved: %v", got)
	}
	long := peerNo(3)
	for i := range 100 {
		long.Addrs = append(long.Addrs, peerNo(i).Addrs...)
	}
	f.HandlePeerFound(long)
	if got := f.peers[1]; len(got.Addrs) != MaxFileAddrs {
		t.Errorf("%d addresses kept", len(got.Addrs))
	}
	for _, p := range peerNos(10_000) {
		f.HandlePeerFound(p)
	}
	if got, _ := f.Seeds(t.Context()); len(f.peers) != MaxFound || len(got) != MaxSeeds {
		t.Errorf("%d remembered, %d given", len(f.peers), len(got))
	}
}
