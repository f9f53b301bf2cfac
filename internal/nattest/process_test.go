//go:build nat && linux

package nattest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the brahms-p2p that is tested.
var binary string

// A process is one `brahms-p2p run`, and what it has printed so far.
type process struct {
	name   string
	id     string
	cmd    *exec.Cmd
	ended  chan struct{}
	stderr bytes.Buffer // to be read once it has ended

	mu     sync.Mutex
	addrs  []string // its own
	health []string
	round  uint64
	pulls  int // replies used in the last round
	pushes int // accepted in it
	peers  map[string]reached
	tally  map[string]*tally
}

// reached is an element of the event "peers".
type reached struct {
	ID         string   `json:"id"`
	Addrs      []string `json:"addrs"`
	Proven     bool     `json:"proven"`
	Connection string   `json:"connection"`
	Pushed     bool     `json:"pushed"`
}

// relayed reports whether all that is told of where the peer is are addresses through the relay.
func (r reached) relayed(relay string) bool {
	return len(r.Addrs) > 0 && !slices.ContainsFunc(r.Addrs, func(a string) bool {
		return !strings.HasSuffix(a, "/p2p/"+relay+"/p2p-circuit")
	})
}

// tally is what a process has told of another, over all rounds.
type tally struct {
	direct, relayed int // rounds that ended with such a connection
	pushedRelayed   int // rounds in which it pushed and that ended with a relayed one
	lastPush        uint64

	// How attempts to connect directly ended, as libp2p says.
	dialled            int // by a dial of its public address: they came about
	punched, unpunched int // by hole punching: they came about, and did not
	early              int // rounds that had ended with a direct connection before the first hole was punched
}

// start runs a peer in a namespace and waits until it says who it is.
func (l *lab) start(space, name string, flags ...string) *process {
	l.t.Helper()
	return l.launch(space, name, append([]string{binary, "run", "--json", "--reach", "--interval", interval.String(), "--l2", "160",
		"--listen", "/ip4/0.0.0.0/tcp/4001", "--listen", "/ip4/0.0.0.0/udp/4001/quic-v1"}, flags...)...)
}

// launch is start with a command of its own, which prints what `brahms-p2p run --json` does.
func (l *lab) launch(space, name string, command ...string) *process {
	l.t.Helper()
	args := append([]string{"netns", "exec", space}, command...)
	p := &process{name: name, cmd: exec.Command("ip", args...), ended: make(chan struct{}), tally: make(map[string]*tally)}
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.peers = append(l.peers, p)
	go func() {
		defer close(p.ended)
		p.read(out)
		_ = p.cmd.Wait()
	}()
	eventually(l.t, 20*time.Second, func() error {
		if p.look(func() bool { return p.id == "" }) {
			return fmt.Errorf("%s has not started", name)
		}
		return nil
	})
	return p
}

func (p *process) read(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e struct {
			Event, ID     string
			Round         uint64
			Addrs         []string
			Pulls, Pushes int
			Peers         []reached
			Health        []struct{ Condition string }
			Peer, By      string
			Success       bool
		}
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		p.mu.Lock()
		switch e.Event {
		case "started":
			p.id, p.addrs = e.ID, e.Addrs
		case "addresses":
			p.addrs = e.Addrs
		case "health":
			p.health = nil
			for _, h := range e.Health {
				p.health = append(p.health, h.Condition)
			}
		case "round":
			p.round, p.pulls, p.pushes = e.Round, e.Pulls, e.Pushes
		case "peers":
			p.peers = make(map[string]reached, len(e.Peers))
			for _, r := range e.Peers {
				p.peers[r.ID] = r
				p.count(e.Round, r)
			}
		case "direct":
			p.tried(e.Peer, e.By, e.Success)
		}
		p.mu.Unlock()
	}
}

// about returns the tally of a peer.
func (p *process) about(id string) *tally {
	t := p.tally[id]
	if t == nil {
		t = new(tally)
		p.tally[id] = t
	}
	return t
}

// tried counts how an attempt to connect directly ended.
func (p *process) tried(id, by string, success bool) {
	t := p.about(id)
	switch {
	case by == "dial" && success:
		t.dialled++
	case by == "punch" && !success:
		t.unpunched++
	case by == "punch":
		if t.punched == 0 {
			t.early = t.direct
		}
		t.punched++
	}
}

func (p *process) count(round uint64, r reached) {
	t := p.about(r.ID)
	if r.Pushed {
		t.lastPush = round
	}
	switch r.Connection {
	case "direct":
		t.direct++
	case "relayed":
		t.relayed++
		if r.Pushed {
			t.pushedRelayed++
		}
	}
}

// look runs f while nothing changes.
func (p *process) look(f func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f()
}

// samples returns what p tells of other, if it samples it.
func (p *process) samples(other *process) (r reached, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok = p.peers[other.id]
	return r, ok
}

// of returns what p has told of other over all rounds.
func (p *process) of(other *process) tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tally[other.id]; t != nil {
		return *t
	}
	return tally{}
}

// circuits returns p's own addresses that are relayed.
func (p *process) circuits() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.addrs {
		if strings.Contains(a, "/p2p-circuit") {
			out = append(out, a)
		}
	}
	return out
}

func (p *process) troubled(condition string) bool {
	return p.look(func() bool { return slices.Contains(p.health, condition) })
}

// at is the address of p on TCP at ip.
func (p *process) at(ip string) string { return fmt.Sprintf("/ip4/%s/tcp/4001/p2p/%s", ip, p.id) }

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// report says how p stood at its end. names are those of the lab by id.
func (p *process) report(names map[string]string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("%s, round %d, health %v, %d pulls, %d pushes\n", p.name, p.round, p.health, p.pulls, p.pushes)
	for _, a := range p.addrs {
		text += "  at " + a + "\n"
	}
	for id, r := range p.peers {
		text += fmt.Sprintf("  samples %s, proven %v, %s, at %v; \n", names[id], r.Proven, r.Connection, r.Addrs)
	}
	for id, t := range p.tally {
		text += fmt.Sprintf("  told of %s: %+v\n", names[id], *t)
	}
	if errs := bytes.TrimSpace(p.stderr.Bytes()); len(errs) > 0 {
		text += "  said: " + string(errs[max(0, len(errs)-4000):]) + "\n"
	}
	return text
}

// eventually waits until what returns no error, and fails the test with its last one if it does not within the time.
func eventually(t testing.TB, within time.Duration, what func() error) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for {
		err := what()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within %v: %v", within, err)
		}
	}
}
