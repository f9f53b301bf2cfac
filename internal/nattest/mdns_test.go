//go:build nat && linux

package nattest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"

	"github.com/brahms-p2p/brahms-p2p/adapters"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// TestMDNS: peers of a LAN that know nobody find each other by libp2p's own mDNS (adapters.Found) and sample each other, also
// one that comes later. Negative control: who asks on the same LAN for another name stays alone.
func TestMDNS(t *testing.T) {
	t.Parallel()
	l := newLab(t, "lan")
	left, right := l.space("left"), l.space("right")
	l.link(left, "eth0", "192.168.7.1/24", right, "eth0", "192.168.7.2/24")
	stranger := l.startMDNS(left, "stranger", "another-app")
	members := []*process{l.startMDNS(left, "one", "my-app"), l.startMDNS(right, "two", "my-app")}
	meet := func() error {
		for _, p := range members {
			for _, other := range members {
				if _, ok := p.samples(other); p != other && !ok {
					return fmt.Errorf("%s does not sample %s", p.name, other.name)
				}
			}
		}
		return nil
	}
	eventually(t, 40*time.Second, meet)
	members = append(members, l.startMDNS(right, "late", "my-app"))
	eventually(t, 40*time.Second, meet)

	var from uint64
	stranger.look(func() bool { from = stranger.round; return true })
	eventually(t, 40*time.Second, func() error {
		if !stranger.look(func() bool { return stranger.round >= from+20 }) {
			return errors.New("20 rounds have not passed")
		}
		return nil
	})
	for _, p := range members {
		if _, ok := stranger.samples(p); ok {
			t.Errorf("%s is sampled by the stranger", p.name)
		}
		if _, ok := p.samples(stranger); ok {
			t.Errorf("the stranger is sampled by %s", p.name)
		}
	}
}

// mdnsName is the variable of the environment that makes this program a peer that seeks others by mDNS: of that name.
const mdnsName = "NATTEST_MDNS"

// startMDNS runs such a peer in a namespace.
func (l *lab) startMDNS(space, name, service string) *process {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	return l.launch(space, name, "env", mdnsName+"="+service, self)
}

// mdnsPeer is what runs there: a host, mDNS and a service without any other seed. It prints its rounds as `brahms-p2p run
// --json --reach` does, until it is killed.
func mdnsPeer(service string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/0.0.0.0/tcp/0"))
	if err != nil {
		return err
	}
	defer h.Close()
	found := new(adapters.Found)
	lan := mdns.NewMdnsService(h, service, found)
	if err := lan.Start(); err != nil {
		return fmt.Errorf("mDNS: %w", err)
	}
	defer lan.Close()

	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(event map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(event)
	}
	say(map[string]any{"event": "started", "id": h.ID()})
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(interval/2),
		brahmshost.WithDiscover(found.Seeds), brahmshost.WithRoundHook(func(s *brahmshost.Snapshot) {
			type sampled struct {
				ID peer.ID `json:"id"`
			}
			peers := []sampled{}
			for _, p := range s.Peers {
				peers = append(peers, sampled{p.ID})
			}
			say(map[string]any{"event": "round", "round": s.Round})
			say(map[string]any{"event": "peers", "round": s.Round, "peers": peers})
		}))
	if err != nil {
		return err
	}
	defer svc.Close()
	<-ctx.Done()
	return nil
}
