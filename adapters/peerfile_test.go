package adapters

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

const (
	alice = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	bob   = "12D3KooWEKMXYbmjQdmmCzsJn2PNmGjdRbmEWDP2GWxVCsC6G3nM"
)

func decode(t testing.TB, id string, addrs ...string) peer.AddrInfo {
	t.Helper()
	got, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	p := peer.AddrInfo{ID: got}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, multiaddr.StringCast(a))
	}
	return p
}

// TestPeerFile: what is saved is loaded, by another process too, and nobody is no reason to forget.
func TestPeerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers")
	f, err := OpenPeerFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Load(t.Context()); len(got) != 0 || f.Err() != nil {
		t.Errorf("of no file: %v, %v", got, f.Err())
	}
	want := []peer.AddrInfo{
		decode(t, alice, "/ip4/192.0.2.1/tcp/1", "/dns4/example.org/udp/1/quic-v1"),
		decode(t, bob, "/ip4/192.0.2.2/tcp/2"),
	}
	f.Save(t.Context(), append(want, peer.AddrInfo{}, peer.AddrInfo{ID: want[0].ID}))
	f.Save(t.Context(), nil)
	again, err := OpenPeerFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Seeds(t.Context())
	if err != nil || len(got) != 2 || f.Err() != nil {
		t.Fatalf("%v, %v, %v", got, err, f.Err())
	}
	for i, p := range got {
		if p.ID != want[i].ID || !slices.EqualFunc(p.Addrs, want[i].Addrs, func(a, b multiaddr.Multiaddr) bool { return a.Equal(b) }) {
			t.Errorf("%v, want %v", p, want[i])
		}
	}
	many := make([]multiaddr.Multiaddr, 100)
	for i := range many {
		many[i] = peerNo(i).Addrs[0]
	}
	f.Save(t.Context(), []peer.AddrInfo{{ID: want[0].ID, Addrs: many}})
	if got := f.Load(t.Context()); len(got) != 1 || len(got[0].Addrs) != MaxFileAddrs || len(many) != 100 {
		t.Errorf("with too many addresses: %v", got)
	}
}

// TestPeerFileIsWrong: one error that names the file, the line and the rule, when it is opened.
func TestPeerFileIsWrong(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{
		"# mine\n\n/ip4/192.0.2.1/tcp/1/p2p/" + alice + "\n": "",
		"\n/ip4/192.0.2.1/tcp/1\n":                           `line 2: "/ip4/192.0.2.1/tcp/1" must be a multiaddr with /p2p/ID`,
		"hello":                                              `line 1: "hello" must be`,
		strings.Repeat("x", 70_000):                          "token too long",
	} {
		path := filepath.Join(dir, "peers")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenPeerFile(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%.40q: %v, want %q", content, err, want)
		}
	}
	if _, err := OpenPeerFile(filepath.Join(dir, "no", "peers")); err == nil {
		t.Error("in a directory that is not there")
	}
	if _, err := OpenPeerFile(dir); err == nil {
		t.Error("a directory")
	}
}

// TestPeerFileFails: what goes wrong later is in Err, and the peers that are there stay.
func TestPeerFileFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := OpenPeerFile(filepath.Join(dir, "peers"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	f.Save(t.Context(), []peer.AddrInfo{decode(t, alice, "/ip4/192.0.2.1/tcp/1")})
	if f.Err() == nil {
		t.Error("saved into nothing")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.Save(t.Context(), []peer.AddrInfo{decode(t, alice, "/ip4/192.0.2.1/tcp/1")})
	if f.Err() != nil {
		t.Errorf("later: %v", f.Err())
	}
	if err := os.WriteFile(filepath.Join(dir, "peers"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.Load(t.Context()); len(got) != 0 || f.Err() == nil {
		t.Errorf("a file that was spoilt: %v, %v", got, f.Err())
	}
}

// TestSaveSample: the sample is saved in place of who happens to be connected, who is saved where there is no sample.
func TestSaveSample(t *testing.T) {
	svc := &fakeSampler{}
	s, _ := newSource(t, svc)
	f, err := OpenPeerFile(filepath.Join(t.TempDir(), "peers"))
	if err != nil {
		t.Fatal(err)
	}
	save := s.SaveSample(f.Save)
	connected := decode(t, alice, "/ip4/192.0.2.1/tcp/1")
	for _, c := range []struct {
		sample []peer.AddrInfo
		want   peer.ID
	}{
		{nil, connected.ID},
		{[]peer.AddrInfo{decode(t, bob, "/ip4/192.0.2.2/tcp/2")}, decode(t, bob).ID},
	} {
		svc.peers = c.sample
		save(t.Context(), []peer.AddrInfo{connected})
		if got := f.Load(t.Context()); len(got) != 1 || got[0].ID != c.want {
			t.Errorf("%v saved, want %s", got, c.want)
		}
	}
}
