package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// identityName is the file in --data that holds the private key. The state in there is of one peer, so the key stays beside
// it unless --identity says where it is.
const identityName = "identity.key"

// personal returns what makes the peer the one that it was before: its private key, and with --data the directory of its
// state, which the caller closes. It is locked and looked through before anything listens, so that a second process on it
// hears of that and not of a port that is taken.
func personal(cmd *cli.Command, stderr io.Writer) (store *brahmshost.StateDir, key crypto.PrivKey, err error) {
	dir, file, reset := cmd.String("data"), cmd.String("identity"), cmd.Bool("reset-state")
	if dir == "" {
		if reset {
			return nil, nil, usagef("reset-state needs --data: without it there is no state")
		}
		key, err = identity(file)
		return nil, key, err
	}
	if store, err = brahmshost.OpenStateDir(dir); err != nil {
		return nil, nil, usageError{err}
	}
	defer func() {
		if err != nil {
			store.Close()
			store = nil
		}
	}()
	if file == "" {
		file = filepath.Join(dir, identityName)
	}
	if key, err = identity(file); err != nil {
		return store, nil, err
	}
	if reset {
		kept, err := store.Reset()
		if err != nil {
			return store, nil, err
		}
		if kept != "" {
			fmt.Fprintf(stderr, "%s: the old state is kept in %s\n", name, kept)
		}
		return store, key, nil
	}
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return store, nil, err
	}
	if err := store.Verify(self, cmd.String("prefix")); err != nil {
		return store, nil, usageError{fmt.Errorf("%w; --reset-state starts anew and keeps it", err)}
	}
	return store, key, nil
}
