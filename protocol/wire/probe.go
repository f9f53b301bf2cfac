package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ProbeProof is what the signature of a probe answer covers. Protocol is the id of the stream on which the signer was
// probed, with its prefix ("/brahms/1.0.0/probe"): it keeps the signature to one network and apart from everything else
// that the key of a peer signs.
type ProbeProof struct {
	Protocol string
	Asker    peer.ID // on whose behalf: the request's asker, or its sender where it named none
	Signer   peer.ID // the peer that was probed
	Nonce    []byte  // of the request, MinNonceSize to MaxNonceSize bytes
	Status   Status  // of the answer: StatusAlive or StatusLeaving
}

// SignProbe signs a probe answer with the signer's key. It fails with ErrLimit for a nonce out of its limits, with
// ErrUnknownStatus, and with ErrForged if the key is not the signer's.
func SignProbe(key crypto.PrivKey, p ProbeProof) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if !p.Signer.MatchesPrivateKey(key) {
		return nil, ErrForged
	}
	sig, err := key.Sign(p.bytes())
	if err != nil {
		return nil, fmt.Errorf("wire: sign probe: %w", err)
	}
	return sig, nil
}

// VerifyProbe checks the signature of a probe answer. key is the signer's: an Ed25519 or secp256k1 key is part of the
// peer id, an RSA key comes from its record. It fails with ErrForged if key is not the signer's, with ErrBadSignature if
// the signature does not hold, and as SignProbe for what nobody may sign.
func VerifyProbe(key crypto.PubKey, p ProbeProof, sig []byte) error {
	if err := p.check(); err != nil {
		return err
	}
	if !p.Signer.MatchesPublicKey(key) {
		return ErrForged
	}
	if ok, err := key.Verify(p.bytes(), sig); err != nil || !ok {
		return ErrBadSignature
	}
	return nil
}

func (p ProbeProof) check() error {
	if len(p.Nonce) < MinNonceSize || len(p.Nonce) > MaxNonceSize {
		return fmt.Errorf("%w: nonce of %d bytes", ErrLimit, len(p.Nonce))
	}
	return ProbeResponse{Status: p.Status}.checkStatus()
}

// bytes lists the parts, each behind its length, as libp2p's envelopes do, so that no two lists give the same bytes.
func (p ProbeProof) bytes() []byte {
	b := make([]byte, 0, 5+len(p.Protocol)+len(p.Asker)+len(p.Signer)+len(p.Nonce)+binary.MaxVarintLen32)
	for _, part := range [...]string{p.Protocol, string(p.Asker), string(p.Signer), string(p.Nonce)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.AppendUvarint(b, uint64(p.Status))
}
