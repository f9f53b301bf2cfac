package wire

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// Status is the outcome that an answer reports.
type Status uint32

const (
	StatusOK          Status = 1 // the answer is there
	StatusNoResources Status = 3 // a limit of the receiver; nothing about the sender
	StatusUnknown     Status = 5 // the receiver cannot speak of this epoch: not kept, or it came too late and is still learning
)

// Known reports whether s is a status of r0.
func (s Status) Known() bool { return s == StatusOK || s == StatusNoResources || s == StatusUnknown }

// PollRequest asks what the receiver prefers in an epoch.
type PollRequest struct {
	Epoch uint64
	Nonce machine.Nonce
}

// PollResponse answers a poll. With a status other than StatusOK the answer is empty.
type PollResponse struct {
	Status Status
	Nonce  machine.Nonce // of the request
	Answer machine.Answer
}

// FetchRequest asks for 1 to machine.MaxFetch items that the receiver has listed.
type FetchRequest struct {
	Epoch uint64
	IDs   []machine.ID // ascending
}

// FetchResponse carries those of the items that the sender holds. Their signatures are not verified by the decoder: see
// VerifyItem.
type FetchResponse struct {
	Status Status
	Items  []machine.Item
}

const idSize = len(machine.ID{})

// Marshal serialises m.
func (m PollRequest) Marshal() ([]byte, error) {
	return appendBytes(appendNumber(nil, 1, m.Epoch), 2, m.Nonce[:]), nil
}

// DecodePollRequest decodes a poll of at most MaxPollRequest bytes.
func DecodePollRequest(b []byte) (PollRequest, error) {
	var m PollRequest
	var have bool
	err := scan(b, MaxPollRequest, []kind{1: number, 2: blob}, func(f field) error {
		if f.num == 1 {
			m.Epoch = f.value
			return nil
		}
		have = true
		return setNonce(&m.Nonce, f.bytes)
	})
	if err == nil && !have {
		err = fmt.Errorf("%w: no nonce", ErrLimit)
	}
	if err != nil {
		return PollRequest{}, err
	}
	return m, nil
}

func setNonce(n *machine.Nonce, b []byte) error {
	if len(b) != len(n) {
		return fmt.Errorf("%w: nonce of %d bytes", ErrLimit, len(b))
	}
	copy(n[:], b)
	return nil
}

// Marshal serialises m.
func (m PollResponse) Marshal() ([]byte, error) {
	if !m.Status.Known() {
		return nil, ErrUnknownStatus
	}
	b := appendBytes(appendNumber(appendNumber(nil, 1, uint64(m.Status)), 2, m.Answer.Epoch), 3, m.Nonce[:])
	if m.Status != StatusOK {
		return b, nil
	}
	if err := m.Answer.Check(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	var lists [2][]byte // preferred, decided
	for _, v := range m.Answer.In {
		list := &lists[0]
		if v.Decided {
			list = &lists[1]
		}
		*list = append(*list, v.ID[:]...)
	}
	if m.Answer.Closed {
		if len(lists[0]) > 0 {
			return nil, fmt.Errorf("%w: closed with undecided items", ErrMalformed)
		}
		b = appendNumber(b, 4, 1)
	}
	return appendBytes(appendBytes(b, 5, lists[0]), 6, lists[1]), nil
}

// DecodePollResponse decodes the answer to a poll, of at most MaxPollResponse bytes.
func DecodePollResponse(b []byte) (PollResponse, error) {
	var m PollResponse
	var preferred, decided []byte
	var have bool
	err := scan(b, MaxPollResponse, []kind{1: number, 2: number, 3: blob, 4: number, 5: blob, 6: blob}, func(f field) error {
		switch f.num {
		case 1:
			m.Status = statusOf(f.value)
		case 2:
			m.Answer.Epoch = f.value
		case 3:
			have = true
			return setNonce(&m.Nonce, f.bytes)
		case 4:
			m.Answer.Closed = f.value != 0
		case 5:
			preferred = f.bytes
		case 6:
			decided = f.bytes
		}
		return nil
	})
	if err == nil && !have {
		err = fmt.Errorf("%w: no nonce", ErrLimit)
	}
	if err == nil && !m.Status.Known() {
		err = fmt.Errorf("%w: poll answer", ErrUnknownStatus)
	}
	if err == nil {
		err = m.setVotes(preferred, decided)
	}
	if err != nil {
		return PollResponse{}, err
	}
	return m, nil
}

func statusOf(v uint64) Status {
	if v > 1<<31 {
		return 0
	}
	return Status(v)
}

// setVotes merges the two lists, which are bounded before anything is made of them.
func (m *PollResponse) setVotes(preferred, decided []byte) error {
	n := (len(preferred) + len(decided)) / idSize
	switch {
	case len(preferred)%idSize != 0 || len(decided)%idSize != 0:
		return fmt.Errorf("%w: part of an id", ErrLimit)
	case n > machine.MaxItems:
		return fmt.Errorf("%w: %d items, limit %d", ErrLimit, n, machine.MaxItems)
	case n == 0 && !m.Answer.Closed:
		return nil
	case m.Status != StatusOK:
		return fmt.Errorf("%w: an answer beside status %d", ErrMalformed, m.Status)
	case m.Answer.Closed && len(preferred) > 0:
		return fmt.Errorf("%w: closed with undecided items", ErrMalformed)
	case !ascending(preferred) || !ascending(decided):
		return fmt.Errorf("%w: ids do not ascend", ErrMalformed)
	}
	if n == 0 {
		return nil
	}
	in := make([]machine.Vote, 0, n)
	for len(preferred)+len(decided) > 0 {
		from, dec := &preferred, false
		if len(preferred) == 0 || len(decided) > 0 && bytes.Compare(decided[:idSize], preferred[:idSize]) < 0 {
			from, dec = &decided, true
		}
		in = append(in, machine.Vote{ID: machine.ID((*from)[:idSize]), Decided: dec})
		*from = (*from)[idSize:]
	}
	m.Answer.In = in
	if err := m.Answer.Check(); err != nil { // an id in both lists
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

func ascending(ids []byte) bool {
	for i := idSize; i < len(ids); i += idSize {
		if bytes.Compare(ids[i-idSize:i], ids[i:i+idSize]) >= 0 {
			return false
		}
	}
	return true
}

// Marshal serialises m.
func (m FetchRequest) Marshal() ([]byte, error) {
	if len(m.IDs) == 0 || len(m.IDs) > machine.MaxFetch {
		return nil, fmt.Errorf("%w: %d ids, 1 to %d", ErrLimit, len(m.IDs), machine.MaxFetch)
	}
	ids := make([]byte, 0, len(m.IDs)*idSize)
	for _, id := range m.IDs {
		ids = append(ids, id[:]...)
	}
	if !ascending(ids) {
		return nil, fmt.Errorf("%w: ids do not ascend", ErrMalformed)
	}
	return appendBytes(appendNumber(nil, 1, m.Epoch), 2, ids), nil
}

// DecodeFetchRequest decodes a fetch of at most MaxFetchRequest bytes.
func DecodeFetchRequest(b []byte) (FetchRequest, error) {
	var m FetchRequest
	var ids []byte
	err := scan(b, MaxFetchRequest, []kind{1: number, 2: blob}, func(f field) error {
		if f.num == 1 {
			m.Epoch = f.value
		} else {
			ids = f.bytes
		}
		return nil
	})
	switch n := len(ids) / idSize; {
	case err != nil:
	case len(ids)%idSize != 0 || n == 0 || n > machine.MaxFetch:
		err = fmt.Errorf("%w: ids of %d bytes, 1 to %d ids", ErrLimit, len(ids), machine.MaxFetch)
	case !ascending(ids):
		err = fmt.Errorf("%w: ids do not ascend", ErrMalformed)
	}
	if err != nil {
		return FetchRequest{}, err
	}
	for id := range slices.Chunk(ids, idSize) {
		m.IDs = append(m.IDs, machine.ID(id))
	}
	return m, nil
}

// Marshal serialises m.
func (m FetchResponse) Marshal() ([]byte, error) {
	if !m.Status.Known() {
		return nil, ErrUnknownStatus
	}
	if len(m.Items) > machine.MaxFetch || m.Status != StatusOK && len(m.Items) > 0 {
		return nil, fmt.Errorf("%w: %d items beside status %d", ErrLimit, len(m.Items), m.Status)
	}
	b := appendNumber(nil, 1, uint64(m.Status))
	for _, it := range m.Items {
		if err := it.Check(); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrLimit, err)
		}
		body := appendBytes(appendNumber(nil, 1, it.Epoch), 2, []byte(it.Origin))
		body = appendBytes(appendBytes(body, 3, it.Payload), 4, it.Signature)
		b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), body)
	}
	return b, nil
}

// DecodeFetchResponse decodes the answer to a fetch, of at most MaxFetchResponse bytes.
func DecodeFetchResponse(b []byte) (FetchResponse, error) {
	var m FetchResponse
	err := scan(b, MaxFetchResponse, []kind{1: number, 2: blobs}, func(f field) error {
		if f.num == 1 {
			m.Status = statusOf(f.value)
			return nil
		}
		if len(m.Items) == machine.MaxFetch {
			return fmt.Errorf("%w: more than %d items", ErrLimit, machine.MaxFetch)
		}
		it, err := decodeItem(f.bytes)
		m.Items = append(m.Items, it)
		return err
	})
	switch {
	case err != nil:
	case !m.Status.Known():
		err = fmt.Errorf("%w: fetch answer", ErrUnknownStatus)
	case m.Status != StatusOK && len(m.Items) > 0:
		err = fmt.Errorf("%w: items beside status %d", ErrLimit, m.Status)
	}
	if err != nil {
		return FetchResponse{}, err
	}
	return m, nil
}

func decodeItem(b []byte) (machine.Item, error) {
	var it machine.Item
	var origin []byte
	err := scan(b, MaxFetchResponse, []kind{1: number, 2: blob, 3: blob, 4: blob}, func(f field) error {
		limit := [...]int{2: machine.MaxOrigin, 3: machine.MaxPayload, 4: machine.MaxSignature}[f.num]
		if len(f.bytes) > limit {
			return fmt.Errorf("%w: item's field %d has %d bytes, limit %d", ErrLimit, f.num, len(f.bytes), limit)
		}
		switch f.num {
		case 1:
			it.Epoch = f.value
		case 2:
			origin = f.bytes
		case 3:
			it.Payload = clone(f.bytes)
		case 4:
			it.Signature = clone(f.bytes)
		}
		return nil
	})
	if err != nil {
		return machine.Item{}, err
	}
	id, err := peer.IDFromBytes(origin)
	if err != nil {
		return machine.Item{}, fmt.Errorf("%w: origin is no peer id", ErrMalformed)
	}
	it.Origin = id
	return it, nil
}

// clone makes an empty field equal to an absent one, as they are in proto3.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}
