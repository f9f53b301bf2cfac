package adapters

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
)

// Bounds of a PeerFile: peers in it, addresses of each, and bytes that are read.
const (
	MaxFilePeers = 256
	MaxFileAddrs = 16
	maxFileBytes = 1 << 20
)

// A PeerFile keeps peers over restarts: one multiaddr with /p2p/ID a line; empty lines, and those that begin with #,
// are ignored. Load and Save have the shape that boxo's bootstrap.WithBackupPeers wants, and Seeds that of
// brahmshost.WithDiscover. Who wants the sample itself to last keeps the service's state (brahmshost.WithStateDir);
// this file is for consumers, and can be read and written by hand.
type PeerFile struct {
	path string

	mu  sync.Mutex
	err error
}

// OpenPeerFile returns the file at path, which need not be there yet. It fails if the file cannot be written, or holds
// what is no peer.
func OpenPeerFile(path string) (*PeerFile, error) {
	f := &PeerFile{path: path}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	if err := atomicfile.Check(path); err != nil {
		return nil, fmt.Errorf("adapters: peer file: %w", err)
	}
	return f, nil
}

// Load returns the peers of the file, none if there is no file or it cannot be read: see Err.
func (f *PeerFile) Load(context.Context) []peer.AddrInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	peers, err := f.read()
	f.err = err
	return peers
}

// Save replaces the content of the file, at once or not at all: see Err. Peers without addresses are left out, and what
// is beyond MaxFilePeers and MaxFileAddrs. Where nobody is left it keeps what it had: to forget everybody is no
// progress.
func (f *PeerFile) Save(_ context.Context, peers []peer.AddrInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var content bytes.Buffer
	saved := 0
	for _, p := range peers {
		if saved == MaxFilePeers {
			break
		}
		p.Addrs = p.Addrs[:min(len(p.Addrs), MaxFileAddrs)]
		addrs, err := peer.AddrInfoToP2pAddrs(&p)
		if err != nil || len(addrs) == 0 {
			continue
		}
		for _, a := range addrs {
			fmt.Fprintln(&content, a)
		}
		saved++
	}
	if saved == 0 {
		return
	}
	f.err = nil
	if err := atomicfile.Write(f.path, content.Bytes()); err != nil {
		f.err = fmt.Errorf("adapters: peer file: %w", err)
	}
}

// Seeds is Load for brahmshost.WithDiscover.
func (f *PeerFile) Seeds(ctx context.Context) ([]peer.AddrInfo, error) { return f.Load(ctx), f.Err() }

// Err returns why the last Load or Save failed, nil if it did not: their shape has no place for it.
func (f *PeerFile) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *PeerFile) read() ([]peer.AddrInfo, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("adapters: peer file: %w", err)
	}
	defer file.Close()
	var out []peer.AddrInfo
	index := make(map[peer.ID]int)
	lines := bufio.NewScanner(io.LimitReader(file, maxFileBytes))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := peer.AddrInfoFromString(line)
		if err != nil {
			return nil, fmt.Errorf("adapters: peer file %s, line %d: %q must be a multiaddr with /p2p/ID: %w", f.path, n, line, err)
		}
		i, ok := index[p.ID]
		switch {
		case ok && len(out[i].Addrs) < MaxFileAddrs:
			out[i].Addrs = append(out[i].Addrs, p.Addrs...)
		case !ok && len(out) < MaxFilePeers:
			index[p.ID] = len(out)
			out = append(out, *p)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("adapters: peer file %s: %w", f.path, err)
	}
	return out, nil
}
