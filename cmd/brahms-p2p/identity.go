package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// maxIdentity bounds what is read of an identity file: the largest RSA key that libp2p takes is half of it.
const maxIdentity = 16 << 10

// identity returns the private key in file, or a new one, which it leaves there if file is not "" and does not exist.
// A file that holds anything else is an error, and stays as it is.
func identity(file string) (crypto.PrivKey, error) {
	if file == "" {
		return newKey()
	}
	key, err := readIdentity(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = newKey(); err != nil {
		return nil, err
	}
	switch err := writeIdentity(file, key); {
	case errors.Is(err, fs.ErrExist): // somebody was faster: we are whom the file says
		return readIdentity(file)
	case err != nil:
		return nil, usagef("identity=%q cannot be written: %w", file, err)
	}
	return key, nil
}

func newKey() (crypto.PrivKey, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	return key, err
}

func readIdentity(file string) (crypto.PrivKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usagef("identity=%q cannot be read: %w", file, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxIdentity+1))
	if err != nil {
		return nil, usagef("identity=%q cannot be read: %w", file, err)
	}
	if len(b) > maxIdentity {
		return nil, usagef("identity=%q must be a libp2p private key: it is larger than any", file)
	}
	key, err := crypto.UnmarshalPrivateKey(b)
	if err != nil {
		return nil, usagef("identity=%q must be a libp2p private key, or not exist to be made: %w", file, err)
	}
	return key, private(f)
}

// private returns an error where anybody may read the key in f, or a group change it: with it they are this peer. A group may
// read it, since secrets are mounted so. Files of Windows have no mode that means anything.
func private(f *os.File) error {
	info, err := f.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o027 != 0 {
		err = usagef("identity=%q must not be open to others, its mode is %o; run: chmod 600 %s", f.Name(), info.Mode().Perm(), f.Name())
	}
	return err
}

// writeIdentity creates file with mode 0600. It appears whole or not at all, and replaces nothing: its error is
// fs.ErrExist where there is such a file by now.
func writeIdentity(file string, key crypto.PrivKey) (err error) {
	b, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), file); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links. Two that start at the same moment could now replace each other's key.
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	return nil
}
