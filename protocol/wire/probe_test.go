package wire_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

func TestProbeSignature(t *testing.T) {
	signer, signerID := testKey(t, 1)
	other, otherID := testKey(t, 2)
	proof := wire.ProbeProof{
		Protocol: "/brahms/1.0.0/probe", Asker: otherID, Signer: signerID,
		Nonce: bytes.Repeat([]byte{7}, wire.MinNonceSize), Status: wire.StatusAlive,
	}
	sig, err := wire.SignProbe(signer, proof)
	must(t, err)
	must(t, wire.VerifyProbe(signer.GetPublic(), proof, sig))

	// The signature covers every part, and where one part ends and the next begins.
	for name, change := range map[string]func(*wire.ProbeProof){
		"network":  func(p *wire.ProbeProof) { p.Protocol = "/myapp/brahms/1.0.0/probe" },
		"asker":    func(p *wire.ProbeProof) { p.Asker = signerID },
		"no asker": func(p *wire.ProbeProof) { p.Asker = "" },
		"nonce":    func(p *wire.ProbeProof) { p.Nonce = bytes.Repeat([]byte{8}, wire.MinNonceSize) },
		"status":   func(p *wire.ProbeProof) { p.Status = wire.StatusLeaving },
		"border": func(p *wire.ProbeProof) {
			p.Protocol, p.Asker = p.Protocol+string(p.Asker[:1]), p.Asker[1:]
		},
	} {
		changed := proof
		change(&changed)
		if err := wire.VerifyProbe(signer.GetPublic(), changed, sig); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("%s: %v, want ErrBadSignature", name, err)
		}
	}
	if err := wire.VerifyProbe(signer.GetPublic(), proof, nil); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("no signature: %v", err)
	}

	// Negative control for the check of the key: the signature of another key over the same proof is sound.
	_, err = wire.SignProbe(other, proof)
	if !errors.Is(err, wire.ErrForged) {
		t.Errorf("SignProbe with another key: %v", err)
	}
	if err := wire.VerifyProbe(other.GetPublic(), proof, sig); !errors.Is(err, wire.ErrForged) {
		t.Errorf("VerifyProbe with another key: %v", err)
	}

	for n, want := range map[int]error{
		wire.MinNonceSize - 1: wire.ErrLimit, wire.MinNonceSize: nil, wire.MaxNonceSize: nil, wire.MaxNonceSize + 1: wire.ErrLimit,
	} {
		changed := proof
		changed.Nonce = make([]byte, n)
		sig, err := wire.SignProbe(signer, changed)
		if !errors.Is(err, want) {
			t.Errorf("SignProbe with a nonce of %d bytes: %v, want %v", n, err, want)
		}
		if err := wire.VerifyProbe(signer.GetPublic(), changed, sig); !errors.Is(err, want) {
			t.Errorf("VerifyProbe with a nonce of %d bytes: %v, want %v", n, err, want)
		}
	}
	changed := proof
	changed.Status = wire.StatusUnknown
	if _, err := wire.SignProbe(signer, changed); !errors.Is(err, wire.ErrUnknownStatus) {
		t.Errorf("SignProbe of %v: %v", changed.Status, err)
	}
}

// The largest keys of libp2p make signatures that fit, and RSA keys verify though they are no part of the peer id.
func TestProbeSignatureRSA(t *testing.T) {
	key, pub, err := crypto.GenerateRSAKeyPair(2048, rand.Reader)
	must(t, err)
	id, err := peer.IDFromPublicKey(pub)
	must(t, err)
	proof := wire.ProbeProof{Protocol: "/brahms/1.0.0/probe", Asker: id, Signer: id, Nonce: make([]byte, 32), Status: wire.StatusLeaving}
	sig, err := wire.SignProbe(key, proof)
	must(t, err)
	must(t, wire.VerifyProbe(pub, proof, sig))
	_, err = wire.ProbeResponse{Status: wire.StatusLeaving, Signature: sig}.Marshal()
	must(t, err)
}
