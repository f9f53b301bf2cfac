package host

import (
	"context"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// ours returns the stacks of goroutines that the service runs.
func ours() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(g, "host.(*Service).") {
			out = append(out, g)
		}
	}
	return out
}

// TestWrongOptions: New says in one line what is wrong and what would be right, and starts nothing. It does not run
// beside tests with services.
func TestWrongOptions(t *testing.T) {
	h := newHost(t)
	before := h.Mux().Protocols()
	zero := protocol.Params{}
	tall := protocol.Hardened(40)
	tall.Alpha = .5
	none := peer.AddrInfo{Addrs: addrList("/ip4/1.2.3.4/tcp/1")}
	find := func(context.Context) ([]peer.AddrInfo, error) { t.Error("discover was called"); return nil, nil }
	for _, c := range []struct {
		opt  Option
		want string
	}{
		{WithRoundInterval(0), "brahms: round interval=0s must be between 10ms and 24h0m0s"},
		{WithRoundInterval(MinInterval - 1), "brahms: round interval=9.999999ms must be between 10ms and 24h0m0s"},
		{WithRoundInterval(MaxInterval + 1), "brahms: round interval=24h0m0.000000001s must be between 10ms and 24h0m0s"},
		{WithRoundInterval(-time.Second), "brahms: round interval=-1s must be between 10ms and 24h0m0s"},
		{WithJitter(-.1, nil), "brahms: jitter=-0.1 must be between 0 and 0.5"},
		{WithJitter(.51, nil), "brahms: jitter=0.51 must be between 0 and 0.5"},
		{WithJitter(math.NaN(), nil), "brahms: jitter=NaN must be between 0 and 0.5"},
		{WithDialTimeout(0), "brahms: dial timeout=0s must be between 1ms and 10m0s"},
		{WithExchangeTimeout(time.Hour), "brahms: exchange timeout=1h0m0s must be between 1ms and 10m0s"},
		{WithServeTimeout(-1), "brahms: serve timeout=-1ns must be between 1ms and 10m0s"},
		{WithLeaveQuiet(0), "brahms: leave quiet=0s must be between 1ms and 10m0s"},
		{WithLimits(Limits{PeerRate: .5}), "brahms: limit of peer rate=0.5 must be between 1 and 1000, 0 for the default or negative for none"},
		{WithLimits(Limits{PrefixRate: math.NaN()}), "brahms: limit of prefix rate=NaN must be between 1 and 1000, 0 for the default or negative for none"},
		{WithLimits(Limits{PullBytes: 1000}), "brahms: limit of pull bytes=1000 must be between 1048576 and 1073741824, 0 for the default or negative for none"},
		{WithLimits(Limits{PushShare: 1.5}), "brahms: limit of push share=1.5 must be between 0 and 1, 0 for the default or negative for none"},
		{WithLimits(Limits{Dials: 1_000_001}), "brahms: limit of dials=1000001 must be between 1 and 1000000, 0 for the default or negative for none"},
		{WithLimits(Limits{PrefixDials: 1_000_001}), "brahms: limit of prefix dials=1000001 must be between 1 and 1000000, 0 for the default or negative for none"},
		{WithLimits(Limits{IPDials: 1}), "brahms: limit of IP dials=1 must be between 2 and 1000000, 0 for the default or negative for none"},
		{WithLimits(Limits{AddrDials: 1}), "brahms: limit of address dials=1 must be between 2 and 1000000, 0 for the default or negative for none"},
		{WithStateDir(nil), "brahms: state directory must not be nil"},
		{WithDatastore(nil), "brahms: datastore must not be nil"},
		{WithStateInterval(-1), "brahms: state interval=-1ns must be between 0s and 24h0m0s"},
		{WithStateInterval(25 * time.Hour), "brahms: state interval=25h0m0s must be between 0s and 24h0m0s"},
		{WithWorkers(0), "brahms: workers=0 must be between 1 and 1024"},
		{WithWorkers(1025), "brahms: workers=1025 must be between 1 and 1024"},
		{WithCloseIdle(-1), "brahms: idle rounds=-1 must be between 0 and 1000"},
		{WithCloseIdle(1001), "brahms: idle rounds=1001 must be between 0 and 1000"},
		{WithViewSize(2), "brahms: l1=2 must be between 3 and 256"},
		{WithViewSize(257), "brahms: l1=257 must be between 3 and 256"},
		{WithSampleSize(0), "brahms: l2=0 must be between 1 and 4096"},
		{WithSampleSize(4097), "brahms: l2=4097 must be between 1 and 4096"},
		{WithPreset("soft"), `brahms: protocol: preset="soft" must be one of [hardened paper]`},
		{WithHash("md5"), `brahms: protocol: hash="md5" must be one of [aes sip sha256 farm]`},
		{WithParams(zero), "brahms: protocol: l1=0 must be between 3 and 256"},
		{WithParams(tall), "brahms: protocol: alpha+beta+gamma=0.5+0.3+0.3=1.1 must be 1"},
		{WithProtocolPrefix("app"), `brahms: protocol prefix="app" must start with a slash, not end in one, and have no empty part and at most 128 bytes`},
		{WithProtocolPrefix("/"), `brahms: protocol prefix="/" must start with a slash, not end in one, and have no empty part and at most 128 bytes`},
		{WithProtocolPrefix("/a/"), `brahms: protocol prefix="/a/" must start with a slash, not end in one, and have no empty part and at most 128 bytes`},
		{WithProtocolPrefix("/a//b"), `brahms: protocol prefix="/a//b" must start with a slash, not end in one, and have no empty part and at most 128 bytes`},
		{WithProtocolPrefix("/" + strings.Repeat("a", 128)), `brahms: protocol prefix="/` + strings.Repeat("a", 128) + `" must start with a slash, not end in one, and have no empty part and at most 128 bytes`},
		{WithBootstrap(infos(peerNo(1))[0], none), `brahms: bootstrap[1]="{: [/ip4/1.2.3.4/tcp/1]}" must have a peer id: empty peer ID`},
		{WithDiscover(nil), "brahms: discover function must not be nil"},
	} {
		s, err := New(h, WithDiscover(find), c.opt)
		if err == nil {
			s.Close()
			t.Errorf("no error, want %q", c.want)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("error %q\nwant  %q", err, c.want)
		}
		if s != nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: service %v, or more than one line", err, s)
		}
	}
	if _, err := New(nil); err == nil || err.Error() != "brahms: host must not be nil" {
		t.Errorf("New(nil): %v", err)
	}
	// The first wrong option is the one that is named.
	if _, err := New(h, WithWorkers(0), WithCloseIdle(-1)); err == nil || !strings.Contains(err.Error(), "workers=0") {
		t.Errorf("two wrong options: %v", err)
	}
	if after := h.Mux().Protocols(); !slices.Equal(before, after) {
		t.Errorf("New failed and left handlers: %v, were %v", after, before)
	}
	if left := ours(); len(left) != 0 {
		t.Errorf("New failed and left goroutines:\n%s", strings.Join(left, "\n\n"))
	}
}

// TestEdgeOptions: the ends of every range are allowed.
func TestEdgeOptions(t *testing.T) {
	for i, opts := range [][]Option{
		{},
		{WithRoundInterval(MinInterval), WithJitter(0, nil), WithWorkers(1), WithCloseIdle(0), WithViewSize(3), WithSampleSize(3)},
		{WithRoundInterval(MaxInterval), WithJitter(.5, testSource(1)), WithWorkers(MaxWorkers), WithCloseIdle(1000), WithViewSize(256), WithSampleSize(256)},
		{WithDialTimeout(time.Millisecond), WithExchangeTimeout(10 * time.Minute), WithServeTimeout(time.Millisecond), WithLeaveQuiet(10 * time.Minute)},
		{WithProtocolPrefix(""), WithHash("farm"), WithPreset("PAPER"), WithBootstrap()},
		{WithParams(protocol.Paper(8)), WithSampleSize(9), WithProtocolPrefix("/" + strings.Repeat("a", 127))},
	} {
		if _, err := newConfig(opts); err != nil {
			t.Errorf("options %d: %v", i, err)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := newConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.interval != 10*time.Second || c.params.L1 != 40 || c.params.L2 != 40 || c.private || c.provenOnly || c.prefix != "" ||
		c.leaveQuiet != 2*c.interval || c.workers != 32 || c.idleRounds != 3 || c.jitter != .1 {
		t.Errorf("defaults: %+v", c)
	}
	c, err = newConfig([]Option{WithViewSize(60), WithHash("sip"), WithRoundInterval(time.Second), WithBootstrap(infos(peerNo(1))...), WithBootstrap(infos(peerNo(2))...)})
	if err != nil {
		t.Fatal(err)
	}
	if c.params.L1 != 60 || c.params.L2 != 60 || c.params.Hash != protocol.Hash("sip") || c.leaveQuiet != 2*time.Second || len(c.bootstrap) != 2 {
		t.Errorf("view of 60: %+v", c)
	}
	if c, err = newConfig([]Option{WithParams(protocol.Paper(8)), WithViewSize(60), WithHash("sip")}); err != nil || c.params != protocol.Paper(8) {
		t.Errorf("WithParams does not override: %+v, %v", c.params, err)
	}
}

// TestProtocolsOnHost: a service shows three protocols on its host while it runs, under the prefix, and none afterwards.
func TestProtocolsOnHost(t *testing.T) {
	h := newHost(t)
	before := len(h.Mux().Protocols())
	s := join(t, h, WithProtocolPrefix("/myapp"))
	for _, p := range []string{"/myapp/brahms/1.0.0/push", "/myapp/brahms/1.0.0/pull", "/myapp/brahms/1.0.0/probe"} {
		if !slices.ContainsFunc(s.protocols[:], func(id coreprotocol.ID) bool { return string(id) == p }) || !slices.Contains(h.Mux().Protocols(), coreprotocol.ID(p)) {
			t.Errorf("%s is not served: %v", p, h.Mux().Protocols())
		}
	}
	if n := len(h.Mux().Protocols()); n != before+3 {
		t.Errorf("%d protocols, were %d", n, before)
	}
	// A second service there would take the streams of the first.
	_, err := New(h, WithProtocolPrefix("/myapp"))
	if want := `brahms: protocol "/myapp/brahms/1.0.0/pull" is already handled on this host: give the second service a prefix of its own`; err == nil || err.Error() != want {
		t.Errorf("second service with the same prefix: %v\nwant %s", err, want)
	}
	if n := len(h.Mux().Protocols()); n != before+3 {
		t.Errorf("%d protocols after the second was refused, were %d", n, before+3)
	}
	s.Close()
	if n := len(h.Mux().Protocols()); n != before {
		t.Errorf("%d protocols after Close, were %d", n, before)
	}
	s = join(t, h, WithProtocolPrefix("/myapp")) // the same once more, after Close
	if !s.Active() {
		t.Error("not active")
	}
}

// TestSizesKeepTheirOwnBudgets: what the preset makes of the sample's size follows that, what it makes of the view's that.
func TestSizesKeepTheirOwnBudgets(t *testing.T) {
	c, err := newConfig([]Option{WithViewSize(40), WithSampleSize(200)})
	if err != nil {
		t.Fatal(err)
	}
	view, sample := protocol.Hardened(40), protocol.Hardened(200)
	want := sample
	want.L1, want.ViewFine, want.ViewCoarse = view.L1, view.ViewFine, view.ViewCoarse
	want.Bank = DefaultBank
	if c.params != want || sample.ViewFine == view.ViewFine || sample.Diverse == view.Diverse {
		t.Errorf("parameters %+v, want %+v", c.params, want)
	}
}

func TestDiversityIsAShareOfTheSlots(t *testing.T) {
	for share, want := range map[float64]int{0: 0, .1: 20, .5: 100, 1: 200} {
		c, err := newConfig([]Option{WithDiversity(share), WithSampleSize(200)})
		if err != nil || c.params.Diverse != want {
			t.Errorf("%v of 200 slots: %d are diverse, want %d (%v)", share, c.params.Diverse, want, err)
		}
	}
	if c, err := newConfig(nil); err != nil || c.params.Diverse != protocol.Hardened(40).Diverse || c.params.Diverse == 0 {
		t.Errorf("by default %d slots are diverse (%v)", c.params.Diverse, err)
	}
	for _, share := range []float64{-.1, 1.1, math.NaN()} {
		if _, err := newConfig([]Option{WithDiversity(share)}); err == nil || !strings.Contains(err.Error(), "must be between 0 and 1") {
			t.Errorf("%v: %v", share, err)
		}
	}
}
