package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// SignItem makes an item of the peer whose key it is given. protocol is the id of the network's consensus protocol with
// its prefix ("/brahms/consensus/1.0.0"): it keeps the item to one network and apart from what else the key signs. It
// fails with machine.ErrItem for a payload over its limit, and with ErrBadSignature for a key that is not part of its peer
// id (RSA): nobody could verify the item.
func SignItem(key crypto.PrivKey, protocol string, epoch uint64, payload []byte) (machine.Item, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return machine.Item{}, fmt.Errorf("consensus wire: sign item: %w", err)
	}
	it := machine.Item{Epoch: epoch, Origin: id, Payload: clone(payload)}
	if _, err := id.ExtractPublicKey(); err != nil {
		return machine.Item{}, fmt.Errorf("%w: %v", ErrBadSignature, err)
	}
	if err := it.Check(); err != nil {
		return machine.Item{}, err
	}
	if it.Signature, err = key.Sign(signed(protocol, it)); err != nil {
		return machine.Item{}, fmt.Errorf("consensus wire: sign item: %w", err)
	}
	return it, it.Check()
}

// VerifyItem fails with machine.ErrItem if a field is out of its limits, and with ErrBadSignature unless the item's origin
// has signed it for this protocol.
func VerifyItem(protocol string, it machine.Item) error {
	if err := it.Check(); err != nil {
		return err
	}
	key, err := it.Origin.ExtractPublicKey()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrBadSignature, err)
	}
	if ok, err := key.Verify(signed(protocol, it), it.Signature); err != nil || !ok {
		return ErrBadSignature
	}
	return nil
}

// signed is the protocol behind its length, and what the item's id covers.
func signed(protocol string, it machine.Item) []byte {
	b := binary.AppendUvarint(nil, uint64(len(protocol)))
	return append(append(b, protocol...), it.Signed()...)
}
