// Signed peer records: the five checks of the specification, and how a record of our own is made.

import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { equal, readUvarint } from './bytes.js'
import { idOfKey, peerIdOf, publicKeyFromProtobuf, publicKeyToProtobuf } from './identity.js'
import { LIMITS } from './messages.js'
import { fields } from './protobuf.js'
import { Refused } from './refused.js'

const PAYLOAD_TYPE = Uint8Array.of(0x03, 0x01)
const bad = (message) => new Refused('record_bad', message, 'bad record')
const notCanonical = (message) => new Refused('record_not_canonical', message, 'not canonical')

// openRecord checks a record and returns { id, peerId, seq, addrs, raw }. id are the bytes of the peer id, addrs the addresses
// that can be parsed. Sizes and form come before the signature, which is what costs.
export async function openRecord (raw) {
  if (raw.length > LIMITS.MaxRecordSize) throw new Refused('record_too_large', `${raw.length} bytes`, 'too large')
  const [key, type, payload] = splitEnvelope(raw)
  if (!equal(type, PAYLOAD_TYPE)) throw bad('not a peer record')
  const record = readPayload(payload)
  try {
    await RecordEnvelope.openAndCertify(raw, PeerRecord.DOMAIN)
  } catch (err) {
    throw bad(err.message)
  }
  const publicKey = publicKeyFromProtobuf(key)
  // The signature proves that some key signed. Whether it is the key of the peer that the record names is up to us.
  if (!equal(record.id, idOfKey(publicKey))) throw new Refused('record_forged', 'signed by another peer', 'forged')
  if (!equal(key, publicKeyToProtobuf(publicKey))) throw notCanonical('public key')
  return { ...record, peerId: peerIdOf(record.id), publicKey, raw }
}

// splitEnvelope returns the key, type and payload of an envelope that has the fields 1, 2, 3 and 5, once each, in this order, with
// lengths in the shortest form and nothing after them.
function splitEnvelope (raw) {
  const parts = []
  let at = 0
  for (const number of [1, 2, 3, 5]) {
    if (at >= raw.length) throw bad(`no field ${number}`)
    if (raw[at] !== (number << 3 | 2)) throw notCanonical(`tag ${raw[at]} where field ${number} should be`)
    let length
    try {
      length = readUvarint(raw, at + 1)
    } catch (err) {
      throw bad(err.message)
    }
    if (length === undefined) throw bad('cut short')
    if (!length.minimal) throw notCanonical(`length of field ${number}`)
    at += 1 + length.size
    if (length.value > BigInt(raw.length - at)) throw bad('cut short')
    parts.push(raw.subarray(at, at + Number(length.value)))
    at += Number(length.value)
  }
  if (at < raw.length) throw notCanonical(`${raw.length - at} bytes after the envelope`)
  return parts
}

// readPayload reads a peer record (RFC 0003): 1 peer id, 2 sequence number, 3 addresses, each a message with 1 multiaddr.
function readPayload (payload) {
  const record = { id: new Uint8Array(), seq: 0n, addrs: [] }
  let count = 0
  try {
    for (const { number, wire, value } of fields(payload)) {
      if (number === 1 && wire === 2) record.id = value.slice()
      if (number === 2 && wire === 0) record.seq = value
      if (number !== 3 || wire !== 2) continue
      if (++count > LIMITS.MaxRecordAddrs) throw new Refused('record_too_many_addrs', `limit ${LIMITS.MaxRecordAddrs}`, 'too many addresses')
      for (const sub of fields(value)) {
        if (sub.number === 1 && sub.wire === 2) record.addrs.push(...parseAddr(sub.value))
      }
    }
  } catch (err) {
    throw err.reason === 'bad_message' ? bad(err.message) : err
  }
  if (peerIdOf(record.id) === undefined) throw bad('names no peer')
  return record
}

// parseAddr is the address in a list, or an empty list if it is empty or unknown here: the record is valid all the same.
function parseAddr (bytes) {
  if (bytes.length === 0) return []
  try {
    return [multiaddr(bytes.slice())]
  } catch {
    return []
  }
}

// sealRecord makes the record of the peer whose private key this is.
export async function sealRecord (privateKey, peerId, addrs, seq) {
  const record = new PeerRecord({ peerId, multiaddrs: addrs.map((a) => multiaddr(a)), seqNumber: BigInt(seq) })
  return (await RecordEnvelope.seal(record, privateKey)).marshal()
}
