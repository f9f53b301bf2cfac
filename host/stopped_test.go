//go:build unix && !race

package host

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var stopFor = flag.Duration("stop-for", 12*stopRound, "for how long TestStoppedProcess stops a process, at least")

// TestStoppedProcess: one of twelve peers is a process of its own and is stopped by SIGSTOP for twelve rounds and until nobody
// samples it. When it goes on it declares nobody dead, its rounds resume without a burst, and all others sample it again within ten
// of them. The others are turned by hand, a round for each of its own, so only its clock is that of the machine.
func TestStoppedProcess(t *testing.T) {
	const others = 11
	b := newByHand(t, others, protocol.Hardened(100), func() corehost.Host { return newHost(t) }, WithExchangeTimeout(time.Second))
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: b.hosts[0].ID(), Addrs: b.hosts[0].Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), stoppedEnv+"="+addrs[0].String())
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	}()
	lines := json.NewDecoder(out)
	next := func() (line stoppedLine) {
		if err := lines.Decode(&line); err != nil {
			t.Fatalf("the process has ended: %v", err)
		}
		return line
	}
	id := next().ID
	holders := func() (n int) {
		for _, s := range b.services {
			if samples(s, id) {
				n++
			}
		}
		return n
	}
	sampled := 0
	for round := 0; holders() < others || sampled < others; round++ {
		if round == 60 {
			t.Fatalf("after %d rounds %d of %d sample it, and it samples %d of them", round, holders(), others, sampled)
		}
		sampled = next().Sampled
		b.round()
	}

	stopped := time.Now()
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	for round := 1; holders() > 0 || time.Since(stopped) < *stopFor; round++ {
		if holders() > 0 {
			dropped = round
		}
		b.round()
	}
	resumed := time.Now()
	if err := p.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	back, deaths, early := 0, 0, 0
	for round := 1; round <= 10; {
		line := next()
		deaths += line.Deaths
		if line.At.Before(resumed) {
			continue // printed before it was stopped
		}
		if line.At.Sub(resumed) < 5*stopRound {
			early++
		}
		b.round()
		if holders() == others && back == 0 {
			back = round
		}
		round++
	}
	t.Logf("stopped for %v: dropped by all after %d rounds; sampled by all %d rounds after its return; %d rounds ended within five of it; it declared %d dead",
		resumed.Sub(stopped).Round(time.Second), dropped, back, early, deaths)
	if back == 0 {
		t.Errorf("%d of %d sample it ten rounds after its return", holders(), others)
	}
	if deaths != 0 {
		t.Errorf("it declared %d dead", deaths)
	}
	if early > 7 { // one was overdue, and one may be early by its jitter
		t.Errorf("%d rounds ended within five of its return", early)
	}
}
