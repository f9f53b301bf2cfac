package message

// Limits of /brahms/spread/1.0.0. They are part of the protocol, spec/spread.md lists them; but MaxPayload, which all peers
// of a network may agree to change, up to MaxPayloadLimit. Sizes are bytes.
const (
	// MaxPayload bounds the payload of a message unless a network agrees on another bound.
	MaxPayload      = 64 << 10
	MaxPayloadLimit = 1 << 20

	// MaxTopic bounds a topic, which has at least one byte. NonceSize is the size of every nonce.
	MaxTopic  = 128
	NonceSize = 16

	// MaxPeerIDSize bounds a peer id, MaxKeySize a public key and MaxSignatureSize a signature: RSA-8192, the largest key of
	// libp2p, makes 1,038 and 1,024 bytes.
	MaxPeerIDSize    = 64
	MaxKeySize       = 2 << 10
	MaxSignatureSize = 1 << 10

	// MaxHops bounds the hops that a message may claim. Receivers pass on fewer.
	MaxHops = 64

	// MaxOverhead is the most that a Message has beside the payload: the other fields, and room for some of later revisions.
	MaxOverhead = 4 << 10

	// MaxAnswer is an answer with room for fields of later revisions.
	MaxAnswer = 128
)

// MaxSize is the size of the largest Message in a network whose payloads have at most maxPayload bytes.
func MaxSize(maxPayload int) int { return maxPayload + MaxOverhead }
