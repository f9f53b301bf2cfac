// Whatever is wrong the js peer refuses too, and counts by the same reasons. The bytes come from a host of go-libp2p.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat } from '../lib/bytes.js'
import { STATUS } from '../lib/messages.js'
import { badAnswers, badRequests } from './cases.js'
import { eventually, field, frame, jsPeer, num, rawPeer, using } from './harness.js'
import { keyOfSeed, peerIdFromPrivateKey } from '../lib/identity.js'
import { sealRecord } from '../lib/record.js'

test('the same bytes without a mistake are taken', () => using([jsPeer(), rawPeer], async (js, raw) => {
  const key = await keyOfSeed(raw.seed)
  const record = await sealRecord(key, peerIdFromPrivateKey(key), ['/ip4/127.0.0.1/tcp/1'], 1)
  const push = await raw.send(js.addrs[0], js.ids.push, [frame(field(1, record))])
  assert.deepEqual([push.end, push.received, push.security, push.muxer], ['eof', '020801', '/noise', '/yamux/1.0.0'])
  assert.equal((await raw.send(js.addrs[0], js.ids.pull, [frame(new Uint8Array())])).end, 'eof')
  assert.deepEqual((await raw.send(js.addrs[0], js.ids.probe, [frame(num(14, 1))])).received, '020801')
  assert.deepEqual(js.refused, {})
  assert.deepEqual(js.served, { push: 1, pull: 1, probe: 1 })
  await raw.serve(js.ids.push, frame(num(1, STATUS.TAKEN)))
  await raw.serve(js.ids.pull, frame(concat(num(1, STATUS.TAKEN), field(2, concat(field(1, js.record), num(2, 256))))))
  await raw.serve(js.ids.probe, frame(num(1, STATUS.ALIVE)))
  assert.equal(await js.push(raw.addr), STATUS.TAKEN)
  assert.deepEqual(await js.pull(raw.addr), [], 'an entry about itself is left out')
  assert.equal((await js.probe(raw.addr)).status, STATUS.ALIVE)
  assert.deepEqual(js.refused, {})
}))

test('requests', (t) => using([rawPeer], async (raw) => {
  for (const { kind, name, parts, open, answered, reason } of await badRequests(raw.seed)) {
    await t.test(`${kind}: ${name}`, () => using([jsPeer()], async (js) => {
      const { end } = await raw.send(js.addrs[0], js.ids[kind], parts, open)
      if (!answered) assert.equal(end, 'reset')
      await eventually(js, () => Object.keys(js.refused).length > 0, reason)
      assert.deepEqual(js.refused, { [reason]: 1 })
      assert.equal(js.served[kind], 0)
      assert.equal(js.book.size, answered ? 1 : 0)
    }))
  }
}))

test('answers', (t) => using([rawPeer], async (raw) => {
  for (const { kind, name, answer, reason } of await badAnswers()) {
    await t.test(`${kind}: ${name}`, () => using([jsPeer()], async (js) => {
      await raw.serve(js.ids[kind], answer)
      const outcome = await js[kind](raw.addr).catch((err) => err)
      assert.deepEqual(js.refused, { [reason]: 1 }, `${outcome}`)
      assert.equal(js.book.size, 0)
      assert.equal(js.alive.size, 0)
    }))
  }
}))

test('more than a few records that do not verify', () => using([rawPeer, jsPeer()], async (raw, js) => {
  const key = await keyOfSeed()
  const record = await sealRecord(key, peerIdFromPrivateKey(key), ['/ip4/127.0.0.1/tcp/1'], 1)
  record[record.length - 1] ^= 1
  const entry = field(2, concat(field(1, record), num(2, 1)))
  await raw.serve(js.ids.pull, frame(concat(num(1, 1), entry, entry, entry, entry)))
  assert.deepEqual(await js.pull(raw.addr), [])
  assert.deepEqual(js.refused, { record_unverified: 4 })
  await raw.serve(js.ids.pull, frame(concat(num(1, 1), entry, entry, entry, entry, entry)))
  await assert.rejects(js.pull(raw.addr), { reason: 'record_bad' })
}))

test('challenges, and a helper that lies', () => using([rawPeer, jsPeer({ bits: 8 }), jsPeer({ bits: 8 })], async (raw, js, third) => {
  const asks = (challenge) => frame(concat(num(1, STATUS.NEEDS_TOKEN), field(2, challenge)))
  const refuses = async (answer, reason) => {
    const before = js.refused[reason] ?? 0
    await raw.serve(js.ids.push, answer, true)
    await assert.rejects(js.push(raw.addr), { reason })
    assert.equal(js.refused[reason], before + 1)
  }
  await refuses(asks(concat(num(1, 2), num(4, 8))), 'challenge_scheme')
  await refuses(frame(num(1, STATUS.NEEDS_TOKEN)), 'challenge_scheme')
  await refuses(asks(concat(num(1, 1), num(4, 9))), 'challenge_too_hard')
  assert.equal(js.tokens.solved, 0)

  assert.equal(await third.push(js.addrs[0]), STATUS.TAKEN)
  const vouches = concat(num(1, 1), num(3, 1))
  for (const none of [new Uint8Array(), field(4, new Uint8Array())]) {
    await raw.serve(js.ids.probe, frame(concat(vouches, none)))
    await assert.rejects(js.probeThrough(raw.addr, third.id), { reason: 'vouch_unsigned' })
  }
  for (const signature of [new Uint8Array(1), new Uint8Array(64)]) {
    await raw.serve(js.ids.probe, frame(concat(vouches, field(4, signature))))
    await assert.rejects(js.probeThrough(raw.addr, third.id), { reason: 'vouch_forged' })
  }
  await raw.serve(js.ids.probe, frame(concat(num(1, 1), num(3, STATUS.LEAVING))))
  assert.equal(await js.probeThrough(raw.addr, third.id), false, 'a helper is not believed')
}))
