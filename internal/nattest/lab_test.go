//go:build nat && linux

package nattest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// All network namespaces, and the directory with the binary, are named mark, our process id, the lab and the site, so that those that a killed run has left
// are known for what they are. Interfaces exist in these namespaces only, and go with them.
const mark = "brahmsnat-"

// A lab is an internet of its own: a core that routes, sites with public addresses, and sites behind NATs. Each site is in
// a /16 of 11.0.0.0/8, which is public and not ours: nothing of it leaves the machine.
type lab struct {
	t    testing.TB
	name string
	core string
	next int // of the /16 to give out

	peers []*process
}

// nat says how a NAT maps ports.
type nat string

const (
	// keepsPorts is what most home routers do: while the port outside is free it is the port inside, whoever is called, and
	// lets those in that were called from it. Holes can be punched.
	keepsPorts nat = "masquerade"
	// randomPorts has a port of its own for each connection ("symmetric"): nobody can tell where to punch.
	randomPorts nat = "masquerade fully-random"
)

func newLab(t testing.TB, name string) *lab {
	t.Helper()
	l := &lab{t: t, name: name, next: 1}
	t.Cleanup(l.close)
	l.core = l.space("core")
	return l
}

// public makes a site with a public address and returns its namespace and the address.
func (l *lab) public(name string) (space, ip string) {
	l.t.Helper()
	space = l.space(name)
	ip = l.plug(space)
	return space, ip
}

// behind makes a site behind a NAT of its own.
func (l *lab) behind(name string, kind nat) (space string) {
	l.t.Helper()
	router := l.space(name + "-nat")
	outside := l.plug(router)
	space = l.space(name)
	l.link(space, "eth0", "192.168.1.2/24", router, "inside", "192.168.1.1/24")
	l.ip("-n", space, "route", "add", "default", "via", "192.168.1.1")
	// What nobody inside has asked for is dropped, in silence as home routers do: the kernel forgets what it drops, whereas a
	// refusal would be remembered, and take the port that the hole needs.
	l.run(fmt.Sprintf(`
		table ip nat {
			chain out { type nat hook postrouting priority srcnat; ip saddr 192.168.1.0/24 oifname eth0 %s; }
		}
		table ip filter {
			chain in { type filter hook input priority filter; policy drop; ct state established,related accept; iifname { lo, inside } accept; }
			chain through { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname inside accept; }
		}`, kind), "ip", "netns", "exec", router, "nft", "-f", "-")
	l.t.Logf("%s is behind %s, which has %s", name, outside, kind)
	return space
}

// space makes a namespace that forwards what it routes.
func (l *lab) space(site string) string {
	l.t.Helper()
	name := fmt.Sprintf("%s%d-%s-%s", mark, os.Getpid(), l.name, site)
	l.ip("netns", "add", name)
	l.ip("-n", name, "link", "set", "lo", "up")
	l.run("1", "ip", "netns", "exec", name, "tee", "/proc/sys/net/ipv4/ip_forward")
	return name
}

// plug connects a namespace to the core and returns its address.
func (l *lab) plug(space string) (ip string) {
	l.t.Helper()
	n := l.next
	l.next++
	l.link(space, "eth0", fmt.Sprintf("11.%d.0.2/24", n), l.core, fmt.Sprintf("to%d", n), fmt.Sprintf("11.%d.0.1/24", n))
	l.ip("-n", space, "route", "add", "default", "via", fmt.Sprintf("11.%d.0.1", n))
	return fmt.Sprintf("11.%d.0.2", n)
}

func (l *lab) link(a, ifA, ipA, b, ifB, ipB string) {
	l.t.Helper()
	l.ip("link", "add", ifA, "netns", a, "type", "veth", "peer", "name", ifB, "netns", b)
	for _, end := range [][3]string{{a, ifA, ipA}, {b, ifB, ipB}} {
		l.ip("-n", end[0], "address", "add", end[2], "dev", end[1])
		l.ip("-n", end[0], "link", "set", end[1], "up")
	}
}

func (l *lab) ip(args ...string) {
	l.t.Helper()
	l.run("", "ip", args...)
}

func (l *lab) run(stdin, name string, args ...string) {
	l.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// close ends all processes of the lab and removes its namespaces.
func (l *lab) close() {
	for _, p := range l.peers {
		p.kill()
	}
	if l.t.Failed() {
		names := make(map[string]string)
		for _, p := range l.peers {
			names[p.id] = p.name
		}
		for _, p := range l.peers {
			l.t.Log(p.report(names))
		}
	}
	remove(func(owner int, rest string) bool { return owner == os.Getpid() && strings.HasPrefix(rest, l.name+"-") })
}

// sweep removes what runs that were killed have left.
func sweep() {
	remove(func(owner int, _ string) bool { return !runs(owner) })
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), mark+"*"))
	for _, dir := range dirs {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), mark), "-")
		if owner, err := strconv.Atoi(id); err == nil && !runs(owner) {
			os.RemoveAll(dir)
		}
	}
}

// runs reports whether a process is a run of this test.
func runs(pid int) bool {
	self, _ := os.Readlink("/proc/self/exe")
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == filepath.Base(self)
}

// remove kills all that runs in the namespaces that are chosen by the process that made them and the rest of their name,
// and removes them.
func remove(chosen func(owner int, rest string) bool) {
	for _, name := range spaces(0) {
		id, rest, _ := strings.Cut(strings.TrimPrefix(name, mark), "-")
		owner, err := strconv.Atoi(id)
		if err != nil || !chosen(owner, rest) {
			continue
		}
		pids, _ := exec.Command("ip", "netns", "pids", name).Output()
		for _, text := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(text); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "nattest: remove namespace %s: %v: %s\n", name, err, out)
		}
	}
}

// spaces returns the namespaces of all labs of a process, or of all on this machine if owner is 0.
func spaces(owner int) (names []string) {
	prefix := mark
	if owner != 0 {
		prefix = fmt.Sprintf("%s%d-", mark, owner)
	}
	out, _ := exec.Command("ip", "netns", "list").Output()
	for line := range bytes.Lines(out) {
		if fields := strings.Fields(string(line)); len(fields) > 0 && strings.HasPrefix(fields[0], prefix) {
			names = append(names, fields[0])
		}
	}
	return names
}
