// Pushes that have a price.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { concat, unhex } from '../lib/bytes.js'
import { idBytes, keyOfSeed, peerIdFromPrivateKey } from '../lib/identity.js'
import { sealRecord } from '../lib/record.js'
import { baseOf, holds, solve } from '../lib/token.js'
import { field, frame, jsPeer, num, rawPeer, using } from './harness.js'

const BITS = 8

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
