// The published vectors: each message, record, token, signature and decision, and what must be refused.

import '../lib/polyfill.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equal, hex, text, unhex } from '../lib/bytes.js'
import { frameOf, Reader } from '../lib/frames.js'
import { idBytes, keyOfSeed, peerIdFromPrivateKey, peerIdOf } from '../lib/identity.js'
import { peerIdFromString } from '@libp2p/peer-id'
import { decodeMessage, encodeMessage, LIMITS } from '../lib/messages.js'
import { proofBytes, signProbe, verifyProbe } from '../lib/proof.js'
import { openRecord, sealRecord } from '../lib/record.js'
import { Group, rankOf, sha256Of } from '../lib/sampler.js'
import { baseOf, holds, Issuer, seedOf, solve } from '../lib/token.js'
import { readVectors } from './harness.js'

const wire = readVectors('protocol/wire/testdata/vectors.json')
const tokens = readVectors('protocol/token/testdata/vectors.json')
const samplers = readVectors('sampler/testdata/vectors.json')
const keys = Object.fromEntries(await Promise.all(wire.keys.map(async (k) => [k.name, await keyOfSeed(unhex(k.ed25519_seed))])))
const id = (text) => idBytes(peerIdFromString(text))

// some asserts that a list of vectors is not empty: a loop over nothing passes.
function some (list, least) {
  assert.ok(list?.length >= least, `${list?.length} vectors, at least ${least} wanted`)
  return list
}

// refused asserts that something is refused with the reason that the vectors have for it.
async function refused (what, run, error) {
  await assert.rejects(async () => run(), (err) => {
    assert.equal(err.detail, error, `${what}: ${err.stack}`)
    return true
  }, what)
}

// endedStream is a stream that has these bytes and ends.
const endedStream = (bytes) => {
  const stream = new EventTarget()
  Object.assign(stream, { status: 'open', remoteWriteStatus: 'writable', readBufferLength: bytes.length })
  queueMicrotask(() => {
    stream.readBufferLength = 0
    if (bytes.length > 0) stream.dispatchEvent(Object.assign(new Event('message'), { data: bytes }))
    stream.dispatchEvent(new Event('remoteCloseWrite'))
  })
  return new Reader(stream)
}

// plain turns a decoded message into the fields of the vectors: bytes as hex, ids as text, 64-bit numbers as strings.
function plain (fields) {
  const out = {}
  for (const [name, v] of Object.entries(fields)) {
    if (v instanceof Uint8Array) out[name] = ['target', 'asker'].includes(name) ? peerIdOf(v).toString() : hex(v)
    else if (Array.isArray(v)) out[name] = v.map(plain)
    else if (typeof v === 'bigint') out[name] = String(v)
    else out[name] = typeof v === 'object' ? plain(v) : v
  }
  if (out.scheme !== undefined || out.seed !== undefined) out.epoch ??= '0'
  return out
}

test('keys', () => {
  for (const k of some(wire.keys, 3)) assert.equal(peerIdFromPrivateKey(keys[k.name]).toString(), k.peer_id)
})

test('records', async () => {
  for (const r of some(wire.records, 3)) {
    const key = keys[r.key]
    const made = await sealRecord(key, peerIdFromPrivateKey(key), r.addrs, r.seq)
    assert.equal(hex(made), r.envelope, r.name)
    const record = await openRecord(unhex(r.envelope))
    assert.equal(record.seq, BigInt(r.seq))
    assert.deepEqual(record.addrs.map(String), r.addrs)
    assert.equal(record.peerId.toString(), peerIdFromPrivateKey(key).toString())
  }
  for (const r of some(wire.bad_records, 7)) await refused(r.name, () => openRecord(unhex(r.bytes)), r.error)
  await refused('a record over its limit', () => openRecord(new Uint8Array(LIMITS.MaxRecordSize + 1)), 'too large')
})

test('messages', async () => {
  for (const m of some(wire.messages, 20)) {
    const fields = decodeMessage(m.type, unhex(m.message))
    const want = JSON.parse(JSON.stringify(m.fields))
    for (const part of ['token', 'challenge']) {
      // A part that is there with nothing in it is not the same as one that is missing.
      if (want[part] !== undefined) assert.notEqual(fields[part], undefined, `${m.name}: ${part}`)
      if (want[part] !== undefined && fields[part].epoch === undefined) fields[part].epoch = 0n
    }
    assert.deepEqual(plain(fields), want, m.name)
    assert.equal(hex(encodeMessage(m.type, decodeMessage(m.type, unhex(m.message)))), m.message, m.name)
    assert.equal(hex(frameOf(unhex(m.message))), m.frame, m.name)
    const reader = endedStream(unhex(m.frame))
    assert.equal(hex(await reader.frame(LIMITS.MaxPullResponse)), m.message, m.name)
    await reader.eof()
  }
  for (const m of some(wire.bad_messages, 20)) await refused(`${m.type} ${m.name}`, () => decodeMessage(m.type, unhex(m.bytes)), m.error)
})

test('frames that must be refused', async () => {
  for (const f of some(wire.bad_frames, 6)) {
    await refused(f.name, () => endedStream(unhex(f.bytes)).frame(LIMITS.MaxPullResponse), f.error)
  }
  const trailing = endedStream(Uint8Array.of(0, 0))
  await trailing.frame(0)
  await refused('bytes after the last frame', () => trailing.eof(), 'trailing')
})

test('probe signatures', async () => {
  const proof = (s) => ({
    protocol: s.protocol, asker: id(s.asker), signer: idBytes(peerIdFromPrivateKey(keys[s.key])), nonce: unhex(s.nonce), status: s.status
  })
  for (const s of some(wire.probe_signatures, 2)) {
    if (s.signed !== undefined) assert.equal(hex(proofBytes(proof(s))), s.signed, s.name)
    assert.equal(hex(await signProbe(keys[s.key], proof(s))), s.signature, s.name)
    assert.ok(await verifyProbe(keys[s.key].publicKey, proof(s), unhex(s.signature)), s.name)
    for (const change of [{ protocol: '/x' }, { asker: unhex('00') }, { signer: unhex('00') }, { nonce: unhex('00') }, { status: 5 }]) {
      assert.ok(!await verifyProbe(keys[s.key].publicKey, { ...proof(s), ...change }, unhex(s.signature)), `${s.name} ${Object.keys(change)}`)
    }
  }
  for (const s of some(wire.bad_probe_signatures, 6)) {
    assert.ok(!await verifyProbe(keys[s.key].publicKey, proof(s), unhex(s.signature)), s.name)
  }
})

test('tokens', async () => {
  for (const v of some(tokens.tokens, 6)) {
    const proof = {
      network: v.network, receiver: id(v.receiver), sender: id(v.sender), seed: unhex(v.seed), epoch: BigInt(v.epoch), bits: v.bits
    }
    assert.equal(hex(seedOf(unhex(v.secret), proof.sender)), v.seed, v.name)
    assert.equal(hex(baseOf(proof)), v.base, v.name)
    const token = solve(proof)
    assert.equal(new DataView(token.nonce.buffer).getBigUint64(0), BigInt(v.nonce), v.name)
    assert.equal(hex(encodeMessage('PushRequest', { token })), v.request, v.name)
    assert.ok(!holds(baseOf({ ...proof, seed: unhex('00') }), token.nonce, 24), v.name)
  }
})

test('a receiver takes each token once, within its window', () => {
  const secret = unhex('11'.repeat(32))
  const [v] = tokens.tokens
  const issuer = new Issuer({ network: v.network, self: id(v.receiver), bits: v.bits })
  issuer.open(secret)
  const sender = id(v.sender)
  const challenge = issuer.challenge(sender)
  assert.equal(challenge.epoch, 1n)
  const token = solve({ network: v.network, receiver: id(v.receiver), sender, ...challenge })
  const reason = (t, from = sender) => {
    try {
      issuer.take(from, t)
    } catch (err) {
      return err.reason
    }
  }
  assert.equal(reason(undefined), 'token_missing')
  assert.equal(reason({ ...token, scheme: 2 }), 'token_scheme')
  assert.equal(reason({ ...token, nonce: token.nonce.slice(1) }), 'token_size')
  assert.equal(reason({ ...token, solution: unhex('00') }), 'token_size')
  assert.equal(reason({ ...token, epoch: 2n }), 'token_epoch')
  assert.equal(reason({ ...token, nonce: unhex('ff'.repeat(8)) }), 'token_proof')
  assert.equal(reason(token, id(v.receiver)), 'token_proof')
  assert.equal(reason(token), undefined)
  assert.equal(reason(token), 'token_replayed')
  assert.equal(issuer.challenge(sender).epoch, 0n, 'the newest epoch without a token')
  for (let i = 0; i < 3; i++) issuer.open()
  assert.equal(reason(token), 'token_epoch')
})

test('hashes of the samplers', () => {
  const key = unhex(samplers.slots_key)
  for (const h of some(samplers.hashes.filter((h) => h.hash === 'sha256'), 20)) {
    assert.equal(sha256Of(key, id(h.id), h.position), BigInt(h.value), `${h.id} at ${h.position}`)
  }
})

// rankAt is the rank of the bytes of an id at a prefix.
const rankAt = (key, { coarse, fine }, bytes, position) =>
  rankOf(...[text(coarse), text(fine), bytes].map((b) => sha256Of(key, b, position)))

test('ranks of the samplers', () => {
  const key = unhex(samplers.slots_key)
  for (const r of some(samplers.ranks.filter((r) => r.hash === 'sha256'), 8)) {
    assert.equal(rankAt(key, r, id(r.id), r.position), BigInt(r.value), `${r.id} at ${r.fine}, ${r.position}`)
  }
})

test('decisions of the samplers', () => {
  const key = unhex(samplers.slots_key)
  const ids = samplers.ids.map(id)
  const lists = samplers.decisions.filter((d) => d.hash === 'sha256')
  for (const d of some(lists, 8)) {
    const nowhere = { coarse: '', fine: '' }
    const places = new Map((d.places ?? []).map((p) => [p.at, p]))
    const hash = (i, position, byPrefix) =>
      byPrefix ? rankAt(key, places.get(i) ?? nowhere, ids[i], position) : sha256Of(key, ids[i], position)
    const group = new Group({ l2: d.l2, diverse: d.diverse, maturity: d.maturity, rekey: d.rekey, hash })
    for (const [n, s] of d.steps.entries()) {
      const what = `${d.name}, step ${n} (${s.do})`
      switch (s.do) {
        case 'offer':
          group.offer(s.id, { id: s.namer, pushed: s.pushed ?? false })
          break
        case 'trusted':
          group.offer(s.id, undefined, true)
          break
        case 'confirm':
        case 'refuse':
        case 'clear':
          group[s.do](s.id)
          break
        case 'challengers':
          assert.deepEqual(group.challengers(s.budget, s.round), s.chosen ?? [], what)
          break
        case 'expire':
          group.expire(s.round)
          break
        case 'end_round':
          group.endRound()
          break
        case 'moved':
          places.set(s.to.at, s.to)
          break
        default:
          assert.fail(what)
      }
      assert.deepEqual(group.slots.map((x) => x.holder ?? -1), s.holders, what)
      assert.deepEqual(group.slots.flatMap((x) => x.seats.map((c) => c.id)), s.seats, what)
      assert.deepEqual(group.slots.map((x) => x.position), s.keys, what)
      assert.deepEqual(group.slots.map((x) => x.age >= d.maturity), s.mature, what)
    }
  }
})

test('bytes', () => {
  assert.ok(equal(unhex('0102'), Uint8Array.of(1, 2)))
  assert.ok(!equal(unhex('0102'), Uint8Array.of(1, 3)) && !equal(unhex('01'), Uint8Array.of(1, 2)))
})
