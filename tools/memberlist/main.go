// Command memberlist measures hashicorp/memberlist with its LAN defaults as docs/liveness.md measures this project: how soon
// the dead are noticed, and how often the living are taken for dead, where exchanges fail or some peers cannot reach others.
//
//	go run -C tools/memberlist .
//
// All groups run at once, in real time, so it takes as long as one: -rounds seconds and some.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

var (
	peers  = flag.Int("peers", 20, "members of a group")
	killed = flag.Int("killed", 2, "members of each that die at once, without a word")
	rounds = flag.Int("rounds", 180, "seconds, which are periods of memberlist's, until they die")
	settle = flag.Duration("settle", 10*time.Second, "time without loss at the start")
	wait   = flag.Duration("wait", 2*time.Minute, "time to wait until the dead are noticed, at most")
)

// A link says what is lost between members. An exchange that one begins with another is two packets or one stream: it
// fails with probability loss. With oneway a member cannot send to that share of the others.
type link struct{ loss, oneway float64 }

// A group is a number of members, and what became of them.
type group struct {
	link
	members []*memberlist.Memberlist

	mu      sync.Mutex
	on      bool
	rng     *rand.Rand
	cut     map[[2]string]bool
	dead    map[string]bool
	falsely int                             // live ones that were taken for dead
	noticed map[string]map[string]time.Time // by whom the dead were, and when
}

// lost reports whether something that from sends to does not arrive, where it fails with probability p.
func (g *group) lost(from, to string, p float64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead[to] || g.dead[from] || g.on && (g.cut[[2]string{from, to}] || g.rng.Float64() < p)
}

// transport is one member's, over the group's links.
type transport struct {
	*memberlist.MockTransport
	name  string
	group *group
}

var errLost = errors.New("lost")

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if !t.group.lost(t.name, nameOf(a), 1-math.Sqrt(1-t.group.loss)) {
		b = bytes.Clone(b)
		// MockTransport waits until the other side reads, and two that answer each other's packets would wait for ever.
		go func() { _, _ = t.MockTransport.WriteToAddress(b, a) }()
	}
	return time.Now(), nil // as with UDP, nobody tells
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if t.group.lost(t.name, nameOf(a), t.group.loss) {
		return nil, errLost
	}
	return t.MockTransport.DialAddressTimeout(a, timeout)
}

// nameOf is the member at an address: MockNetwork numbers ports from 1, and members are named by theirs.
func nameOf(a memberlist.Address) string {
	_, port, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return a.Name
	}
	return port
}

// watcher hears what one member takes others for.
type watcher struct {
	name  string
	group *group
}

func (watcher) NotifyJoin(*memberlist.Node)   {}
func (watcher) NotifyUpdate(*memberlist.Node) {}

func (w watcher) NotifyLeave(n *memberlist.Node) {
	g := w.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead[w.name] || !g.on {
		return
	}
	if !g.dead[n.Name] {
		g.falsely++
		return
	}
	if g.noticed[n.Name] == nil {
		g.noticed[n.Name] = make(map[string]time.Time)
	}
	if _, before := g.noticed[n.Name][w.name]; !before {
		g.noticed[n.Name][w.name] = time.Now()
	}
}

func newGroup(l link) (*group, error) {
	g := &group{
		link: l, rng: rand.New(rand.NewPCG(1, 2)), cut: make(map[[2]string]bool),
		dead: make(map[string]bool), noticed: make(map[string]map[string]time.Time),
	}
	network := new(memberlist.MockNetwork)
	for i := range *peers {
		name := strconv.Itoa(i + 1)
		cfg := memberlist.DefaultLANConfig()
		cfg.Name, cfg.LogOutput = name, io.Discard
		cfg.Transport = &transport{network.NewTransport(name), name, g}
		cfg.Events = watcher{name, g}
		m, err := memberlist.Create(cfg)
		if err != nil {
			return nil, err
		}
		g.members = append(g.members, m)
		for j := range *peers {
			if i != j && g.rng.Float64() < l.oneway {
				g.cut[[2]string{name, strconv.Itoa(j + 1)}] = true
			}
		}
	}
	return g, nil
}

// run is the life of a group. It returns the line of its figures.
func (g *group) run() (string, error) {
	for _, m := range g.members[1:] {
		if _, err := m.Join([]string{"127.0.0.1:1"}); err != nil {
			return "", err
		}
	}
	time.Sleep(*settle)
	for _, m := range g.members {
		if n := m.NumMembers(); n != *peers {
			return "", fmt.Errorf("%s knows %d of %d members", m.LocalNode().Name, n, *peers)
		}
	}
	g.mu.Lock()
	g.on = true
	g.mu.Unlock()
	time.Sleep(time.Duration(*rounds) * time.Second)

	g.mu.Lock()
	falsely := g.falsely
	died := time.Now()
	for i := range *killed {
		g.dead[strconv.Itoa(*peers-i)] = true
	}
	g.mu.Unlock()
	for time.Since(died) < *wait && g.missing() > 0 {
		time.Sleep(100 * time.Millisecond)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	mean, most := 0., 0.
	for name := range g.dead {
		last := 0.
		for _, at := range g.noticed[name] {
			last = max(last, at.Sub(died).Seconds())
		}
		mean, most = mean+last/float64(*killed), max(most, last)
	}
	text := fmt.Sprintf("| %g | %g | %.1f | %.1f | %.1f |", g.loss, g.oneway, mean, most, 1000*float64(falsely)/float64(*peers**rounds))
	if n := g.lacks(); n > 0 {
		text += fmt.Sprintf(" %d of %d times the dead were not noticed within %v", n, *killed*(*peers-*killed), *wait)
	}
	return text, nil
}

func (g *group) missing() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lacks()
}

// lacks is how many pairs there are of a live member and a dead one that it has not noticed.
func (g *group) lacks() int {
	n := 0
	for name := range g.dead {
		n += *peers - *killed - len(g.noticed[name])
	}
	return n
}

func main() {
	flag.Parse()
	fmt.Printf("%d members each, %d of them die; seconds until all others noticed it, mean and most;\n", *peers, *killed)
	fmt.Println("live ones taken for dead, a member and 1000 periods of a second, in", *rounds, "of them")
	fmt.Println("\n| loss | oneway | noticed, s | most, s | false deaths |\n| --- | --- | --- | --- | --- |")
	links := []link{{}, {loss: .1}, {loss: .2}, {loss: .3}, {oneway: .05}, {oneway: .1}}
	lines := make([]string, len(links))
	errs := make([]error, len(links))
	var all sync.WaitGroup
	for i, l := range links {
		all.Go(func() {
			g, err := newGroup(l)
			if err == nil {
				lines[i], err = g.run()
			}
			errs[i] = err
		})
	}
	all.Wait()
	for _, line := range lines {
		fmt.Println(line)
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "memberlist:", err)
		os.Exit(1)
	}
}
