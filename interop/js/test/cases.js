// What must be refused, with the reason for which: requests and answers that each break one rule. Both directions use them: js sends
// them to brahms-p2p, and go-libp2p sends them to the js peer.

import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { concat, prefixed, unhex, uvarint } from '../lib/bytes.js'
import { idBytes, keyOfSeed, peerIdFromPrivateKey, publicKeyToProtobuf } from '../lib/identity.js'
import { LIMITS } from '../lib/messages.js'
import { sealRecord } from '../lib/record.js'
import { field, frame, num, readVectors } from './harness.js'

const vectors = readVectors('protocol/wire/testdata/vectors.json')
const reasonOf = { malformed: 'bad_message', limit: 'bad_message', 'unknown status': 'unknown_status' }
const fromVectors = (type) => vectors.bad_messages.filter((v) => v.type === type)
  .map((v) => ({ name: v.name, parts: [frame(unhex(v.bytes))], reason: reasonOf[v.error] }))

const ADDR = '/ip4/127.0.0.1/tcp/4001'
const group = uvarint(5 << 3 | 3)
const EMPTY = new Uint8Array()

// flip changes the last byte: of a record that is the signature's.
function flip (bytes) {
  const out = bytes.slice()
  out[out.length - 1] ^= 1
  return out
}

// envelopeFields are the fields of an envelope, each with its tag and length, of which the key's are below 128 bytes.
function envelopeFields (raw) {
  const key = 2 + raw[1]
  const type = key + 2 + raw[key + 1]
  return [raw.subarray(0, key), raw.subarray(key, type), raw.subarray(type)]
}

// moreOfTheKey is an envelope whose key has a field that nobody knows. The signature does not cover the key.
function moreOfTheKey (raw) {
  const [key, ...rest] = envelopeFields(raw)
  return concat(field(1, concat(key.subarray(2), num(15, 1))), ...rest)
}

// swapped is an envelope whose first two fields have changed places.
function swapped (raw) {
  const [key, type, rest] = envelopeFields(raw)
  return concat(type, key, rest)
}

// longId is a peer id over the limit that is a good one otherwise: of an Ed25519 key with a field that nobody knows.
function longId (publicKey) {
  const key = publicKeyToProtobuf(publicKey)
  return concat(Uint8Array.of(0), prefixed(concat(key, field(15, new Uint8Array(LIMITS.MaxPeerIDSize - key.length - 3)))))
}

// stretched is an envelope the length of whose first field is not in its shortest form.
const stretched = (raw) => concat(raw.subarray(0, 1), Uint8Array.of(raw[1] | 0x80, 0), raw.subarray(2))

// typed seals a payload under another type: what it says is well signed, and no peer record.
const typed = async (key, peerId, codec) => (await RecordEnvelope.seal({
  domain: PeerRecord.DOMAIN, codec, marshal: () => field(1, idBytes(peerId)), equals: () => false
}, key)).marshal()

// records are bad records in the name of the peer whose key this is.
export async function badRecords (seed) {
  const key = await keyOfSeed(seed)
  const other = await keyOfSeed()
  const self = peerIdFromPrivateKey(key)
  const good = await sealRecord(key, self, [ADDR], 1)
  return [
    { name: 'a record signed by another key', record: await sealRecord(other, self, [ADDR], 1), reason: 'record_forged' },
    { name: 'a changed signature', record: flip(good), reason: 'record_bad' },
    { name: 'a record without signature', record: good.subarray(0, good.length - 66), reason: 'record_bad' },
    { name: 'a signature cut short', record: good.subarray(0, good.length - 1), reason: 'record_bad' },
    { name: 'a record of another type', record: await typed(key, self, Uint8Array.of(3, 2)), reason: 'record_bad' },
    { name: 'a field after the signature', record: concat(good, num(15, 1)), reason: 'record_not_canonical' },
    { name: 'a record with a length that is not minimal', record: stretched(good), reason: 'record_not_canonical' },
    { name: 'fields of a record in another order', record: swapped(good), reason: 'record_not_canonical' },
    { name: 'a key with one more field', record: moreOfTheKey(good), reason: 'record_not_canonical' },
    { name: '17 addresses', record: await sealRecord(key, self, Array(LIMITS.MaxRecordAddrs + 1).fill(ADDR), 1), reason: 'record_too_many_addrs' }
  ]
}

// badRequests are requests of the peer whose key this is: { kind, name, parts, reason }. With open the sender does not close its side;
// answered says that the answer comes before the mistake, so that the stream may end before the reset is seen.
export async function badRequests (seed) {
  const key = await keyOfSeed(seed)
  const own = await sealRecord(key, peerIdFromPrivateKey(key), [ADDR], Date.now())
  const strangersKey = await keyOfSeed()
  const strangers = await sealRecord(strangersKey, peerIdFromPrivateKey(strangersKey), [ADDR], 1)
  const push = (record) => [frame(field(1, record))]
  const cases = {
    push: [
      { name: 'no frame', parts: [EMPTY], reason: 'bad_frame' },
      { name: 'a length that is not minimal', parts: [Uint8Array.of(0x80, 0)], reason: 'bad_frame' },
      { name: 'a length of 10 bytes', parts: [new Uint8Array(10).fill(0xff)], reason: 'bad_frame' },
      { name: 'a push over its limit', parts: [uvarint(LIMITS.MaxPushRequest + 1)], open: true, reason: 'bad_frame' },
      { name: 'a push cut short', parts: [frame(field(1, own)).subarray(0, 60)], reason: 'bad_frame' },
      { name: 'bytes after the push', parts: [concat(frame(field(1, own)), Uint8Array.of(0))], answered: true, reason: 'bad_frame' },
      ...fromVectors('PushRequest'),
      { name: 'a record over its limit', parts: push(new Uint8Array(LIMITS.MaxRecordSize + 1)), reason: 'bad_message' },
      { name: 'a nonce over its limit', parts: [frame(field(2, field(3, new Uint8Array(LIMITS.MaxNonceSize + 1))))], reason: 'bad_message' },
      { name: 'a second hello', parts: [frame(EMPTY), frame(EMPTY)], reason: 'bad_message' },
      { name: 'the record of somebody else', parts: push(strangers), reason: 'wrong_peer' },
      { name: 'a token without a record', parts: [frame(field(2, num(1, 1)))], reason: 'record_bad' },
      ...(await badRecords(seed)).map(({ name, record, reason }) => ({ name, parts: push(record), reason }))
    ],
    pull: [
      { name: 'no frame', parts: [EMPTY], reason: 'bad_frame' },
      { name: 'a pull over its limit', parts: [uvarint(LIMITS.MaxPullRequest + 1)], open: true, reason: 'bad_frame' },
      { name: 'bytes after the pull', parts: [Uint8Array.of(0, 0)], reason: 'bad_frame' },
      { name: 'a group', parts: [frame(group)], reason: 'bad_message' }
    ],
    probe: [
      { name: 'no frame', parts: [EMPTY], reason: 'bad_frame' },
      { name: 'a probe over its limit', parts: [uvarint(LIMITS.MaxProbeRequest + 1)], open: true, reason: 'bad_frame' },
      { name: 'bytes after the probe', parts: [Uint8Array.of(0, 0)], reason: 'bad_frame' },
      ...fromVectors('ProbeRequest'),
      { name: 'a nonce over its limit', parts: [frame(field(1, new Uint8Array(LIMITS.MaxNonceSize + 1)))], reason: 'bad_message' },
      { name: 'an asker that is no peer id', parts: [frame(field(4, Uint8Array.of(1)))], reason: 'bad_message' },
      { name: 'a target over its limit', parts: [frame(field(2, longId(strangersKey.publicKey)))], reason: 'bad_message' },
      { name: 'an asker over its limit', parts: [frame(field(4, longId(strangersKey.publicKey)))], reason: 'bad_message' },
      { name: 'sign as bytes', parts: [frame(field(3, EMPTY))], reason: 'bad_message' }
    ]
  }
  return Object.entries(cases).flatMap(([kind, list]) => list.map((c) => ({ kind, ...c })))
}

// badAnswers are answers to a peer that asks: { kind, name, answer, reason }. What they say of a third peer is of one whom nobody knows.
export async function badAnswers () {
  const seed = crypto.getRandomValues(new Uint8Array(32))
  const key = await keyOfSeed(seed)
  const third = peerIdFromPrivateKey(key)
  const view = (...records) => frame(concat(num(1, 1), ...records.map((r) => field(2, concat(field(1, r), num(2, 1))))))
  const named = await sealRecord(key, third, ['/dns4/localhost/tcp/1'], 1)
  const misled = await sealRecord(key, third, [`${ADDR}/p2p/12D3KooWLFiVEcpExyJTDDUZb9YF5rvivZxxjTRsM6MBUNWwf9wo`], 1)
  const bare = await sealRecord(key, third, [], 1)
  const alive = num(1, 1)
  const list = (type) => fromVectors(type).map(({ name, parts, reason }) => ({ name, answer: parts[0], reason }))
  const cases = {
    push: [
      { name: 'no frame', answer: EMPTY, reason: 'bad_frame' },
      { name: 'an answer over its limit', answer: uvarint(LIMITS.MaxPushResponse + 1), reason: 'bad_frame' },
      { name: 'bytes after the answer', answer: concat(frame(alive), Uint8Array.of(0)), reason: 'bad_frame' },
      ...list('PushResponse'),
      { name: 'a seed over its limit', answer: frame(concat(alive, field(2, field(2, new Uint8Array(LIMITS.MaxSeedSize + 1))))), reason: 'bad_message' },
      { name: 'a challenge with a scheme of 33 bits', answer: frame(concat(alive, field(2, num(1, 2n ** 32n)))), reason: 'bad_message' },
      { name: 'a challenge with bits of 33 bits', answer: frame(concat(alive, field(2, num(4, 2n ** 32n)))), reason: 'bad_message' }
    ],
    pull: [
      { name: 'no frame', answer: EMPTY, reason: 'bad_frame' },
      { name: 'an answer over its limit', answer: uvarint(LIMITS.MaxPullResponse + 1), reason: 'bad_frame' },
      { name: 'an answer cut short', answer: frame(alive).subarray(0, 2), reason: 'bad_frame' },
      { name: 'bytes after the answer', answer: concat(frame(alive), Uint8Array.of(0)), reason: 'bad_frame' },
      ...list('PullResponse'),
      { name: 'a record over its limit', answer: view(new Uint8Array(LIMITS.MaxRecordSize + 1)), reason: 'bad_message' },
      { name: 'a name for an address', answer: view(named), reason: 'record_no_usable_addr' },
      { name: 'an address of another peer', answer: view(misled), reason: 'record_no_usable_addr' },
      { name: 'no address', answer: view(bare), reason: 'record_no_usable_addr' },
      ...(await badRecords(seed)).map(({ name, record, reason }) =>
        ({ name, answer: view(record), reason: reason === 'record_bad' ? 'record_unverified' : reason }))
    ],
    probe: [
      { name: 'no frame', answer: EMPTY, reason: 'bad_frame' },
      { name: 'an answer over its limit', answer: uvarint(LIMITS.MaxProbeResponse + 1), reason: 'bad_frame' },
      { name: 'bytes after the answer', answer: concat(frame(alive), Uint8Array.of(0)), reason: 'bad_frame' },
      ...list('ProbeResponse'),
      { name: 'a signature over its limit', answer: frame(concat(alive, field(2, new Uint8Array(LIMITS.MaxSignatureSize + 1)))), reason: 'bad_message' },
      { name: 'a signature of the target over its limit', answer: frame(concat(alive, field(4, new Uint8Array(LIMITS.MaxSignatureSize + 1)))), reason: 'bad_message' }
    ]
  }
  return Object.entries(cases).flatMap(([kind, c]) => c.map((x) => ({ kind, ...x })))
}
