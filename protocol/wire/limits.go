package wire

// Limits of `/brahms/1.0.0`. They are part of the protocol: spec/brahms.md lists them, and a peer that exceeds one has
// its stream reset. Sizes are bytes of the message itself, without the length prefix.
const (
	// MaxRecordSize bounds one signed peer record (an envelope in its serialised form). 16 addresses make 473 bytes
	// with an Ed25519 key and about 930 with RSA-2048; the rest is room for long relayed addresses.
	MaxRecordSize = 8 << 10

	// MaxRecordAddrs bounds the addresses in one record. A record with more is refused, not cut: it is signed.
	MaxRecordAddrs = 16

	// MaxEntries bounds the sum of the counts in a pull answer, whatever the receiver's own l1 is.
	MaxEntries = 256

	// MaxSolutionSize bounds the solution of a push token, MaxNonceSize every nonce, MaxSeedSize a challenge's seed,
	// MaxPeerIDSize a peer id, MaxSignatureSize a signature (RSA-8192, the largest key of libp2p, makes 1024).
	MaxSolutionSize  = 64
	MaxNonceSize     = 64
	MaxSeedSize      = 64
	MaxPeerIDSize    = 64
	MaxSignatureSize = 1 << 10

	// MinNonceSize is the least nonce of a probe that asks for a signature: a shorter one could be guessed, and the
	// signature asked for beforehand.
	MinNonceSize = 16

	// MaxPushRequest is a record, a token, and room for fields that a later revision may add.
	MaxPushRequest  = MaxRecordSize + 512
	MaxPushResponse = 512

	// MaxPullRequest is room for fields of later revisions: the request of r0 is empty.
	MaxPullRequest = 512

	// MaxPullResponse bounds a pull answer, MaxPullResponseLimited one that is sent over a limited (relayed)
	// connection, where a circuit carries 128 KiB in all by default.
	MaxPullResponse        = 256 << 10
	MaxPullResponseLimited = 32 << 10

	MaxProbeRequest  = 512
	MaxProbeResponse = 3 << 10
)
