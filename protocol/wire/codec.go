package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire/pb"
)

// Every Marshal method returns the message without its length prefix, and fails with ErrLimit, ErrTooLarge or
// ErrUnknownStatus where the Decode function of a peer would. Every Decode function fails with one of these or with
// ErrMalformed; beside an error its result is the zero value.

// marshal serialises m and scans the result, so that limits are checked by one piece of code in both directions.
func marshal(m proto.Message, s *schema, max int) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return b, check(b, s, max)
}

func unmarshal(b []byte, m proto.Message, s *schema, max int) error {
	if err := check(b, s, max); err != nil {
		return err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

func check(b []byte, s *schema, max int) error {
	if len(b) > max {
		return fmt.Errorf("%w: message of %d bytes, limit %d", ErrTooLarge, len(b), max)
	}
	var total uint64
	return scan(b, s, &total)
}

// Marshal serialises m. A hello has no bytes.
func (m PushRequest) Marshal() ([]byte, error) {
	return marshal(&pb.PushRequest{Record: m.Record, Token: m.Token.pb()}, &pushRequestSchema, MaxPushRequest)
}

// DecodePushRequest decodes a push request or hello of at most MaxPushRequest bytes.
func DecodePushRequest(b []byte) (PushRequest, error) {
	var p pb.PushRequest
	if err := unmarshal(b, &p, &pushRequestSchema, MaxPushRequest); err != nil {
		return PushRequest{}, err
	}
	return PushRequest{Record: orNil(p.Record), Token: tokenOf(p.Token)}, nil
}

// Marshal serialises m.
func (m PushResponse) Marshal() ([]byte, error) {
	if err := m.checkStatus(); err != nil {
		return nil, err
	}
	return marshal(&pb.PushResponse{Status: pb.Status(m.Status), Challenge: m.Challenge.pb()}, &pushResponseSchema, MaxPushResponse)
}

// DecodePushResponse decodes a push answer of at most MaxPushResponse bytes.
func DecodePushResponse(b []byte) (PushResponse, error) {
	var p pb.PushResponse
	if err := unmarshal(b, &p, &pushResponseSchema, MaxPushResponse); err != nil {
		return PushResponse{}, err
	}
	m := PushResponse{Status: Status(p.Status), Challenge: challengeOf(p.Challenge)}
	if err := m.checkStatus(); err != nil {
		return PushResponse{}, err
	}
	return m, nil
}

func (m PushResponse) checkStatus() error {
	switch m.Status {
	case StatusTaken, StatusNeedsToken, StatusNoResources, StatusLeaving:
		return nil
	}
	return fmt.Errorf("%w: push answer with %v", ErrUnknownStatus, m.Status)
}

// Marshal serialises m: to no bytes at all in r0.
func (m PullRequest) Marshal() ([]byte, error) {
	return marshal(&pb.PullRequest{}, &pullRequestSchema, MaxPullRequest)
}

// DecodePullRequest decodes a pull request of at most MaxPullRequest bytes.
func DecodePullRequest(b []byte) (PullRequest, error) {
	return PullRequest{}, unmarshal(b, &pb.PullRequest{}, &pullRequestSchema, MaxPullRequest)
}

// Marshal serialises m. For a limited connection the caller leaves out entries until the result has at most
// MaxPullResponseLimited bytes: see EntrySize.
func (m PullResponse) Marshal() ([]byte, error) {
	if err := m.checkStatus(); err != nil {
		return nil, err
	}
	// One block for all entries: protobuf wants pointers, not 256 allocations.
	block := make([]pb.Entry, len(m.Entries))
	entries := make([]*pb.Entry, len(m.Entries))
	for i, e := range m.Entries {
		block[i].Record, block[i].Count = e.Record, e.Count
		entries[i] = &block[i]
	}
	p := &pb.PullResponse{Status: pb.Status(m.Status), Entries: entries, Challenge: m.Challenge.pb()}
	return marshal(p, &pullResponseSchema, MaxPullResponse)
}

// DecodePullResponse decodes a pull answer of at most MaxPullResponse bytes. Each entry's record is a slice of its own,
// so that to keep one does not keep the answer.
func DecodePullResponse(b []byte) (PullResponse, error) {
	var p pb.PullResponse
	if err := unmarshal(b, &p, &pullResponseSchema, MaxPullResponse); err != nil {
		return PullResponse{}, err
	}
	m := PullResponse{Status: Status(p.Status), Challenge: challengeOf(p.Challenge)}
	if err := m.checkStatus(); err != nil {
		return PullResponse{}, err
	}
	if len(p.Entries) > 0 {
		m.Entries = make([]Entry, len(p.Entries))
		for i, e := range p.Entries {
			m.Entries[i] = Entry{Record: e.Record, Count: e.Count}
		}
	}
	return m, nil
}

func (m PullResponse) checkStatus() error {
	switch m.Status {
	case StatusTaken, StatusNoResources, StatusLeaving:
		return nil
	}
	return fmt.Errorf("%w: pull answer with %v", ErrUnknownStatus, m.Status)
}

// AppendChallenge returns the frame of a pull answer with a challenge added to it: the answer of a round is the same bytes
// for whoever asks, a challenge is one asker's. frame is what AppendFrame made of an answer without one, and stays as it
// is. It fails with ErrLimit for a challenge out of its limits, with ErrTooLarge where the answer would be over max, and
// with ErrVarint if frame is none.
func AppendChallenge(frame []byte, c Challenge, max int) ([]byte, error) {
	n, width := binary.Uvarint(frame)
	if width <= 0 || n != uint64(len(frame)-width) {
		return nil, ErrVarint
	}
	// Fields may follow each other in any order: what is marshalled alone can be put behind the rest.
	field, err := marshal(&pb.PullResponse{Challenge: c.pb()}, &pullResponseSchema, MaxChallengeField)
	if err != nil {
		return nil, err
	}
	if n += uint64(len(field)); n > uint64(max) {
		return nil, fmt.Errorf("%w: message of %d bytes, limit %d", ErrTooLarge, n, max)
	}
	out := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+n), n)
	return append(append(out, frame[width:]...), field...), nil
}

// MaxChallengeField is the most that AppendChallenge adds to an answer, its length prefix aside: a tag and a length of one
// byte each, two numbers of 32 bits and one of 64, and a seed of MaxSeedSize, each behind its tag.
const MaxChallengeField = 2 + 2*(1+5) + (1 + 10) + (2 + MaxSeedSize)

// EntrySize is the most that an entry with a record of n bytes adds to a pull answer.
func EntrySize(n int) int {
	// Two tags and lengths of at most 3 bytes for n up to MaxRecordSize, then the count: a tag and at most 2 bytes.
	return n + 2*(1+3) + 1 + 2
}

// Marshal serialises m.
func (m ProbeRequest) Marshal() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	p := &pb.ProbeRequest{Nonce: m.Nonce, Target: []byte(m.Target), Sign: m.Sign, Asker: []byte(m.Asker)}
	return marshal(p, &probeRequestSchema, MaxProbeRequest)
}

// DecodeProbeRequest decodes a probe of at most MaxProbeRequest bytes. Peer ids in it are either absent or well formed.
func DecodeProbeRequest(b []byte) (ProbeRequest, error) {
	var p pb.ProbeRequest
	if err := unmarshal(b, &p, &probeRequestSchema, MaxProbeRequest); err != nil {
		return ProbeRequest{}, err
	}
	m := ProbeRequest{Nonce: orNil(p.Nonce), Target: peer.ID(p.Target), Sign: p.Sign, Asker: peer.ID(p.Asker)}
	if err := m.check(); err != nil {
		return ProbeRequest{}, err
	}
	return m, nil
}

func (m ProbeRequest) check() error {
	if m.Sign && len(m.Nonce) < MinNonceSize {
		return fmt.Errorf("%w: nonce of %d bytes to sign, at least %d wanted", ErrLimit, len(m.Nonce), MinNonceSize)
	}
	for _, id := range [...]peer.ID{m.Target, m.Asker} {
		if id == "" {
			continue
		}
		if _, err := peer.IDFromBytes([]byte(id)); err != nil {
			return fmt.Errorf("%w: peer id: %v", ErrMalformed, err)
		}
	}
	return nil
}

// Marshal serialises m.
func (m ProbeResponse) Marshal() ([]byte, error) {
	if err := m.checkStatus(); err != nil {
		return nil, err
	}
	p := &pb.ProbeResponse{
		Status: pb.Status(m.Status), Signature: m.Signature,
		TargetStatus: pb.Status(m.TargetStatus), TargetSignature: m.TargetSignature,
	}
	return marshal(p, &probeResponseSchema, MaxProbeResponse)
}

// DecodeProbeResponse decodes a probe answer of at most MaxProbeResponse bytes. Its signatures are not verified: see
// VerifyProbe. An unknown TargetStatus is kept, since it says nothing about the answering peer.
func DecodeProbeResponse(b []byte) (ProbeResponse, error) {
	var p pb.ProbeResponse
	if err := unmarshal(b, &p, &probeResponseSchema, MaxProbeResponse); err != nil {
		return ProbeResponse{}, err
	}
	m := ProbeResponse{
		Status: Status(p.Status), Signature: orNil(p.Signature),
		TargetStatus: Status(p.TargetStatus), TargetSignature: orNil(p.TargetSignature),
	}
	if err := m.checkStatus(); err != nil {
		return ProbeResponse{}, err
	}
	return m, nil
}

func (m ProbeResponse) checkStatus() error {
	switch m.Status {
	case StatusAlive, StatusLeaving:
		return nil
	}
	return fmt.Errorf("%w: probe answer with %v", ErrUnknownStatus, m.Status)
}

func (c *Challenge) pb() *pb.Challenge {
	if c == nil {
		return nil
	}
	return &pb.Challenge{Scheme: c.Scheme, Seed: c.Seed, Epoch: c.Epoch, Bits: c.Bits}
}

func challengeOf(c *pb.Challenge) *Challenge {
	if c == nil {
		return nil
	}
	return &Challenge{Scheme: c.Scheme, Seed: orNil(c.Seed), Epoch: c.Epoch, Bits: c.Bits}
}

func (t *Token) pb() *pb.Token {
	if t == nil {
		return nil
	}
	return &pb.Token{Scheme: t.Scheme, Epoch: t.Epoch, Nonce: t.Nonce, Solution: t.Solution}
}

func tokenOf(t *pb.Token) *Token {
	if t == nil {
		return nil
	}
	return &Token{Scheme: t.Scheme, Epoch: t.Epoch, Nonce: orNil(t.Nonce), Solution: orNil(t.Solution)}
}

// orNil makes an empty field equal to an absent one, as they are in proto3.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
