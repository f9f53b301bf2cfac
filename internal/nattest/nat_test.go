//go:build nat && linux

// Package nattest runs peers behind NATs: processes of brahms-p2p in network namespaces, with the kernel's own NAT between
// them. It needs root, ip and nft, so it has a build tag, and tools/nat.sh to say where it cannot run.
package nattest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// interval is the round of all peers. AutoNAT takes 15 s to look for the first time whatever it is.
const interval = time.Second

func TestMain(m *testing.M) {
	if service := os.Getenv(mdnsName); service != "" {
		if err := mdnsPeer(service); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", mark, os.Getpid()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "brahms-p2p")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/brahms-p2p").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	ours := func() { remove(func(owner int, _ string) bool { return owner == os.Getpid() }) }
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		ours()
		os.RemoveAll(dir)
		os.Exit(1)
	}()
	code := m.Run()
	ours()
	if left := spaces(os.Getpid()); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "nattest: %v are left\n", left)
		return 1
	}
	return code
}

// A network is a relay, five further public peers, and four peers behind a NAT each. libp2p believes an address at which it
// was seen when four others saw it there over one transport.
type network struct {
	t      *testing.T
	relay  *process
	public []*process // the relay is one of them
	behind []*process
	a, b   *process // behind NATs that keep ports; the relay is named to them
	c, d   *process // behind NATs with random ports; they find the relay in their samples
}

// newNetwork starts all but b, and calls before it starts b. Peers behind NATs that keep ports can reach each other by chance
// while one believes the address at which others saw it, and the other is told of it: each dials the other, which is what hole
// punching does as well. So where that is to be seen, all must know a at the relay before b comes.
func newNetwork(t *testing.T, name string, beforeB func(n *network), relayFlags ...string) *network {
	l := newLab(t, name)
	n := &network{t: t}
	space, ip := l.public("relay")
	n.relay = l.start(space, "relay", relayFlags...)
	at := n.relay.at(ip)
	n.public = []*process{n.relay}
	for i := range 5 {
		name := fmt.Sprintf("public%d", i+1)
		space, _ := l.public(name)
		n.public = append(n.public, l.start(space, name, "--bootstrap", at))
	}
	n.a = l.start(l.behind("a", keepsPorts), "a", "--bootstrap", at, "--relay", at)
	n.c = l.start(l.behind("c", randomPorts), "c", "--bootstrap", at)
	n.d = l.start(l.behind("d", randomPorts), "d", "--bootstrap", at)
	beforeB(n)
	n.b = l.start(l.behind("b", keepsPorts), "b", "--bootstrap", at, "--relay", at)
	n.behind = []*process{n.a, n.b, n.c, n.d}
	return n
}

// errNoCircuit is how a network without a relay fails.
var errNoCircuit = errors.New("a peer behind a NAT has no address through the relay")

// joined reports what is missing until everybody samples everybody, and those behind NATs where they can be reached.
func (n *network) joined() error {
	all := append(append([]*process{}, n.public...), n.behind...)
	for _, p := range n.behind {
		if len(p.circuits()) == 0 {
			return fmt.Errorf("%w: %s", errNoCircuit, p.name)
		}
	}
	for _, p := range all {
		for _, other := range all {
			if p == other {
				continue
			}
			r, ok := p.samples(other)
			if !ok {
				return fmt.Errorf("%s does not sample %s", p.name, other.name)
			}
			if behind := other == n.a || other == n.b || other == n.c || other == n.d; behind != r.relayed(n.relay.id) {
				return fmt.Errorf("%s has %s at %v", p.name, other.name, r.Addrs)
			}
		}
	}
	for i, p := range n.behind {
		for _, other := range n.behind[:i] {
			there, _ := p.samples(other)
			back, _ := other.samples(p)
			if !there.Proven && !back.Proven {
				return fmt.Errorf("neither of %s and %s has answered a dial of the other", p.name, other.name)
			}
		}
	}
	return nil
}

// between reports an error until both peers end their rounds with a connection of that kind to the other.
func between(p, q *process, connection string) error {
	for _, ends := range [][2]*process{{p, q}, {q, p}} {
		if r, _ := ends[0].samples(ends[1]); r.Connection != connection {
			return fmt.Errorf("%s is connected to %s by %q, not %s", ends[0].name, ends[1].name, r.Connection, connection)
		}
	}
	return nil
}

// punched reports an error until libp2p has told both peers that it punched a hole between them, and nothing else can have
// connected them directly: no dial did, and they were not before.
func punched(p, q *process) error {
	for _, ends := range [][2]*process{{p, q}, {q, p}} {
		if got := ends[0].of(ends[1]); got.punched == 0 || got.dialled > 0 || got.early > 1 {
			return fmt.Errorf("no hole is known to be punched from %s to %s: %+v", ends[0].name, ends[1].name, got)
		}
	}
	return nil
}

// unpunched reports an error until libp2p has told both peers that it tried to punch a hole between them, and could not.
func unpunched(p, q *process) error {
	for _, ends := range [][2]*process{{p, q}, {q, p}} {
		if got := ends[0].of(ends[1]); got.unpunched == 0 {
			return fmt.Errorf("no hole was tried from %s to %s: %+v", ends[0].name, ends[1].name, got)
		}
	}
	return nil
}

// TestThroughARelay: peers behind NATs get relayed addresses, are sampled with them by everybody, and are pushed to, pulled
// from and probed through the relay; where the NATs allow it they are connected directly soon after. When the relay dies,
// those that it alone connected leave each other's samples.
func TestThroughARelay(t *testing.T) {
	t.Parallel()
	start := time.Now()
	n := newNetwork(t, "on", func(n *network) {
		eventually(t, 60*time.Second, func() error {
			if len(n.a.circuits()) == 0 {
				return errNoCircuit
			}
			for _, p := range append([]*process{n.c, n.d}, n.public...) {
				if r, ok := p.samples(n.a); !ok || !r.relayed(n.relay.id) {
					return fmt.Errorf("%s has a at %v", p.name, r.Addrs)
				}
			}
			return nil
		})
	}, "--relay-service")
	eventually(t, 90*time.Second, n.joined)
	t.Logf("joined after %v", time.Since(start).Round(time.Second))

	eventually(t, 30*time.Second, func() error {
		if err := punched(n.a, n.b); err != nil {
			return err
		}
		return between(n.a, n.b, "direct")
	})
	t.Logf("a hole is punched after %v", time.Since(start).Round(time.Second))

	eventually(t, 60*time.Second, func() error {
		if err := errors.Join(between(n.c, n.d, "relayed"), unpunched(n.c, n.d)); err != nil {
			return err
		}
		for _, ends := range [][2]*process{{n.c, n.d}, {n.d, n.c}} {
			p, other := ends[0], ends[1]
			got := p.of(other)
			if got.relayed < 30 || got.pushedRelayed < 5 {
				return fmt.Errorf("%s of %s, over all rounds: %+v", p.name, other.name, got)
			}
			if most := len(n.public) + len(n.behind) - 1; p.look(func() bool { return p.pulls < most }) {
				return fmt.Errorf("%s does not pull from all %d others", p.name, most)
			}
		}
		return nil
	})
	for _, p := range n.behind {
		for _, other := range n.behind {
			if holes := (p == n.a || p == n.b) && (other == n.a || other == n.b); p == other || holes {
				continue
			}
			if got := p.of(other); got.direct+got.punched+got.dialled > 0 {
				t.Errorf("%s and %s, one of which is behind a NAT with random ports, were connected directly: %+v", p.name, other.name, got)
			}
		}
	}
	t.Logf("30 rounds of exchanges through the relay after %v", time.Since(start).Round(time.Second))

	n.relay.kill()
	died := time.Now()
	eventually(t, 60*time.Second, func() error {
		for _, p := range []*process{n.c, n.d} {
			for _, other := range []*process{n.c, n.d, n.relay} {
				if _, ok := p.samples(other); ok {
					return fmt.Errorf("the relay is dead, and %s samples %s", p.name, other.name)
				}
			}
			if !p.troubled("private") {
				return fmt.Errorf("%s does not say that nobody can reach it", p.name)
			}
		}
		return nil
	})
	t.Logf("what only the dead relay reached is forgotten after %v", time.Since(died).Round(time.Second))
}

// TestWithoutARelay is the same network but for the flag that makes a relay of the relay. It does not join: no peer behind a
// NAT gets an address, they say so, and whoever cannot be reached is in the samples of nobody but those that it reached by
// chance. Their own samples are as good as any.
func TestWithoutARelay(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "off", func(*network) {})
	hidden := func() error {
		for _, p := range n.behind {
			if !p.troubled("private") || !p.troubled("unreachable") {
				return fmt.Errorf("%s does not say that nobody can reach it", p.name)
			}
			for _, other := range n.public {
				if _, ok := p.samples(other); !ok {
					return fmt.Errorf("%s, behind a NAT, does not sample %s", p.name, other.name)
				}
				if _, ok := other.samples(p); ok {
					return fmt.Errorf("%s samples %s, which nobody can reach", other.name, p.name)
				}
			}
		}
		for _, p := range n.behind {
			for _, other := range []*process{n.c, n.d} {
				if _, ok := p.samples(other); ok {
					return fmt.Errorf("%s samples %s, which nobody can reach", p.name, other.name)
				}
			}
		}
		return nil
	}
	start := time.Now()
	eventually(t, 60*time.Second, hidden)
	t.Logf("nobody samples those behind NATs after %v", time.Since(start).Round(time.Second))
	var from uint64
	n.relay.look(func() bool { from = n.relay.round; return true })
	eventually(t, 60*time.Second, func() error {
		if err := hidden(); err != nil {
			t.Fatalf("it was so, and then: %v", err)
		}
		if !n.relay.look(func() bool { return n.relay.round >= from+20 }) {
			return errors.New("20 rounds have not passed")
		}
		return nil
	})
	early := 0
	for _, p := range n.public {
		for _, other := range n.behind {
			early += p.of(other).direct
			if got := p.of(other); got.lastPush > from {
				t.Errorf("%s, which nobody can reach, pushed to %s in round %d", other.name, p.name, got.lastPush)
			}
		}
	}
	t.Logf("public peers had those behind NATs in %d samples of single rounds before", early)
	if early == 0 {
		t.Error("nobody was told to forget what it had: a and b never pushed the address at which others saw them")
	}
	if err := n.joined(); !errors.Is(err, errNoCircuit) {
		t.Errorf("without a relay: %v, want %v", err, errNoCircuit)
	}
}
