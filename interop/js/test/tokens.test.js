// Pushes that have a price, between a real brahms-p2p run and the js peer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { concat, unhex } from '../lib/bytes.js'
import { frameOf, Reader, write } from '../lib/frames.js'
import { idBytes, keyOfSeed, peerIdFromPrivateKey } from '../lib/identity.js'
import { decodeMessage, encodeMessage, LIMITS, STATUS } from '../lib/messages.js'
import { sealRecord } from '../lib/record.js'
import { baseOf, holds, solve } from '../lib/token.js'
import { eventually, field, frame, goPeer, jsPeer, num, PATIENCE, rawPeer, using } from './harness.js'

const BITS = 8
const priced = (...args) => goPeer('--token-bits', String(BITS), ...args)

// pay asks for a challenge and sends a push with what change makes of the token that answers it; it returns the last status.
async function pay (js, to, change) {
  const signal = AbortSignal.timeout(PATIENCE)
  const stream = await js.node.dialProtocol(multiaddr(to), js.ids.push, { signal })
  const reader = new Reader(stream, signal)
  const turn = async (fields) => {
    await write(stream, frameOf(encodeMessage('PushRequest', fields)), signal)
    return decodeMessage('PushResponse', await reader.frame(LIMITS.MaxPushResponse))
  }
  const { challenge } = await turn({})
  const receiver = idBytes(js.node.getConnections().find((c) => c.streams.includes(stream)).remotePeer)
  const proof = { network: js.ids.push, receiver, sender: js.self, epoch: 0n, ...challenge }
  const { status } = await turn({ record: js.record, token: change(solve(proof), proof) })
  await stream.close({ signal })
  await reader.eof()
  return status
}

// wrong is a nonce that does not hold.
const wrong = (proof) => {
  for (;;) {
    const nonce = new Uint8Array(randomBytes(8))
    if (!holds(baseOf(proof), nonce, proof.bits)) return nonce
  }
}

const badTokens = [
  ['token_missing', () => undefined],
  ['token_scheme', (token) => ({ ...token, scheme: 2 })],
  ['token_size', (token) => ({ ...token, nonce: token.nonce.slice(1) })],
  ['token_size', (token) => ({ ...token, solution: Uint8Array.of(1) })],
  ['token_epoch', (token) => ({ ...token, epoch: token.epoch + 1000n })],
  ['token_proof', (token, proof) => ({ ...token, nonce: wrong(proof) })]
]

test('js pays brahms-p2p, and is sampled', () => using([priced(), jsPeer({ bits: BITS })], async (go, js) => {
  assert.equal(await js.push(go.addr), STATUS.TAKEN)
  assert.deepEqual(js.tokens, { solved: 1, accepted: 1 })
  await go.round((l) => l.sample.includes(js.id), 'js is in the sample')
}))

test('brahms-p2p pays js', () => using([jsPeer({ bits: BITS }), (js) => priced('--bootstrap', js.addrs[0])()], async (js, go) => {
  await eventually(js, () => js.book.get(go.id)?.firstHand, 'a push with a token that holds')
  assert.deepEqual(js.refused, {})
}))

test('who pays nothing is not taken, in both directions', () => using(
  [priced(), jsPeer(), jsPeer({ bits: BITS })], async (go, js, rich) => {
    for (const to of [go.addr, rich.addrs[0]]) assert.equal(await js.push(to), STATUS.NEEDS_TOKEN)
    assert.deepEqual(rich.refused, { token_missing: 1 })
    assert.equal(rich.book.size, 0)
    await go.round((l) => l.refused.token_missing === 1, 'it is counted')
    assert.equal((await js.probe(go.addr)).status, STATUS.ALIVE, 'a probe is free')
    assert.deepEqual(await js.pull(go.addr), [], 'and nobody has heard of js')
  }))

test('tokens that brahms-p2p refuses', (t) => using([priced()], async (go) => {
  for (const [i, [reason, change]] of badTokens.entries()) {
    await t.test(`${reason} ${i}`, () => using([jsPeer({ bits: BITS })], async (js) => {
      const before = go.refusedNow()[reason] ?? 0
      assert.equal(await pay(js, go.addr, change), STATUS.NEEDS_TOKEN)
      await go.round((l) => l.refused[reason] === before + 1, reason)
    }))
  }
  await t.test('token_replayed', () => using([jsPeer({ bits: BITS })], async (js) => {
    let token
    assert.equal(await pay(js, go.addr, (t) => { token = t; return t }), STATUS.TAKEN)
    assert.equal(await pay(js, go.addr, () => token), STATUS.NEEDS_TOKEN)
    await go.round((l) => l.refused.token_replayed === 1, 'token_replayed')
  }))
}))

test('tokens that js refuses', () => using([rawPeer, jsPeer({ bits: BITS })], async (raw, js) => {
  const key = await keyOfSeed(raw.seed)
  const sender = idBytes(peerIdFromPrivateKey(key))
  const record = await sealRecord(key, peerIdFromPrivateKey(key), ['/ip4/127.0.0.1/tcp/1'], 1)
  const push = (token) => concat(field(1, record), ...(token === undefined ? [] : [field(2, encodeToken(token))]))
  const encodeToken = (t) => concat(num(1, t.scheme), num(2, t.epoch), field(3, t.nonce), ...(t.solution ? [field(4, t.solution)] : []))
  const proof = () => ({ network: js.ids.push, receiver: js.self, sender, ...js.issuer.challenge(sender) })
  const needsToken = unhex('0802')
  for (const [reason, change] of badTokens) {
    const p = proof()
    const before = js.refused[reason] ?? 0
    const { received, end } = await raw.send(js.addrs[0], js.ids.push, [frame(push(change(solve(p), p)))])
    assert.equal(end, 'eof')
    assert.deepEqual(unhex(received).subarray(1, 3), needsToken)
    assert.equal(js.refused[reason], before + 1, reason)
    assert.equal(js.book.size, 0)
  }
  const token = solve(proof())
  assert.equal((await raw.send(js.addrs[0], js.ids.push, [frame(push(token))])).received, '020801')
  await raw.send(js.addrs[0], js.ids.push, [frame(push(token))])
  assert.equal(js.refused.token_replayed, 1)
  assert.equal(js.book.size, 1)
}))
