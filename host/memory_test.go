package host

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
)

// limitsMemory bounds the memory of all tables of the gate and of the budget of dials together, filled by peers that come
// from everywhere and by records that point everywhere.
const limitsMemory = 14 << 20

func heapUsed() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemoryOfLimits fills every table far beyond its bound.
func TestMemoryOfLimits(t *testing.T) {
	before := heapUsed()
	g, clock := newTestGate(Limits{})
	d, _ := newTestBudget(Limits{Dials: Unlimited}, false)
	d.now = clock.now
	for i := range 3 * limit.RatePeers {
		// A prefix and a wide prefix of its own for each.
		ip := netip.AddrFrom16([16]byte{0x2a, byte(i >> 16), byte(i >> 8), byte(i), 1})
		addr := multiaddr.StringCast(fmt.Sprintf("/ip6/%s/tcp/1", ip))
		id := peer.ID(fmt.Sprintf("%038d", i))
		for k := range kinds {
			g.admit(k, id, addr)
		}
		g.answer(addr, 1)
		if a, ok := d.begin(id, []multiaddr.Multiaddr{addr}, nil, false); ok && i%3 == 0 {
			d.reached(a, addr)
		}
		clock.pass(time.Nanosecond)
	}
	peers, fine, coarse := g.rates[push].Len()
	for what, n := range map[string][2]int{
		"peers": {peers, limit.RatePeers}, "prefixes": {fine, limit.RatePrefixes},
		"wide prefixes": {coarse, limit.RatePrefixes}, "prefixes answered": {g.fineBytes.Len(), limit.RatePrefixes},
		"ports": {len(d.sockets.by), dialTargets}, "IP addresses": {len(d.ips.by), dialTargets},
		"prefixes dialled": {d.fine.Len(), dialTargets}, "wide prefixes dialled": {d.coarse.Len(), dialTargets},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s kept, want %d: the test does not fill the table, or the table has no bound", n[0], what, n[1])
		}
	}
	if used := int64(heapUsed()) - int64(before); used > limitsMemory {
		t.Errorf("%d bytes, at most %d", used, limitsMemory)
	} else {
		t.Logf("%.1f MiB", float64(used)/(1<<20))
	}
	runtime.KeepAlive(g)
	runtime.KeepAlive(d)
}

// TestThreatModelNamesTests: each test that docs/threat-model.md names is there.
func TestThreatModelNamesTests(t *testing.T) {
	root := filepath.Join("..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Fatalf("%d tests are named: the table is not there, or this test reads it wrongly", len(named))
	}
	var sources strings.Builder
	for _, dir := range []string{"host", "protocol", "protocol/state", "protocol/token", "protocol/wire", "sampler", "view", "internal/sim", "internal/swarm", "internal/attack", "internal/limit", "spread", "spread/gossip", "consensus"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(b)
		}
	}
	for _, m := range named {
		if !strings.Contains(sources.String(), "\nfunc "+m[1]+"(") {
			t.Errorf("%s does not exist", m[1])
		}
	}
}
