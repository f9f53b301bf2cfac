package examples

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/boxo/bootstrap"
	corehost "github.com/libp2p/go-libp2p/core/host"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// often makes boxo look twice a second.
func often(c *bootstrap.BootstrapConfig) {
	c.Period, c.ConnectionTimeout, c.BackupBootstrapInterval = 500*time.Millisecond, 2*time.Second, 500*time.Millisecond
}

// TestBoxoBootstrap: a host all of whose seeds are dead is connected through the sample, which is saved; in a second
// life, before it has a sample, through the file. Negative control: without a file that second life stays alone.
func TestBoxoBootstrap(t *testing.T) {
	hosts, svc := overlay(t, 6)
	seeds := deadSeeds(t, 2)
	path := filepath.Join(t.TempDir(), "peers")
	start := func(src *adapters.Source, path string) (corehost.Host, *adapters.PeerFile, io.Closer) {
		t.Helper()
		file, err := adapters.OpenPeerFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h := newHost(t)
		c, err := Bootstrap(h, nil, src, seeds, file, often)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return h, file, c
	}
	first, file, running := start(bound(t, svc), path)
	eventually(t, func() bool { return connected(first, hosts...) >= bootstrap.DefaultBootstrapConfig.MinPeerThreshold },
		"the host is connected through the sample")
	eventually(t, func() bool { return len(file.Load(t.Context())) == len(hosts) }, "the sample is saved")
	running.Close()

	empty := bound(t, nil)
	second, _, _ := start(empty, path)
	control, _, _ := start(empty, filepath.Join(t.TempDir(), "none"))
	eventually(t, func() bool { return connected(second, hosts...) >= bootstrap.DefaultBootstrapConfig.MinPeerThreshold },
		"the second life is connected through the file")
	if n := len(control.Network().Peers()); n != 0 {
		t.Errorf("the control has %d peers", n)
	}
	if err := file.Err(); err != nil {
		t.Error(err)
	}
}
