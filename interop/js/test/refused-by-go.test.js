// Whatever is wrong brahms-p2p refuses, and counts by its reason. Each case has a js peer of its own, so that no limit of a peer is met.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { BrahmsPeer } from '../lib/peer.js'
import { STATUS } from '../lib/messages.js'
import { badAnswers, badRequests } from './cases.js'
import { answerWith, goPeer, jsPeer, sendRaw, using } from './harness.js'

// more is how often each reason was counted since before.
const more = (go, before) => Object.fromEntries(
  Object.entries(go.refusedNow()).map(([reason, n]) => [reason, n - (before[reason] ?? 0)]).filter(([, n]) => n > 0))

const withPeer = async (seed, test) => {
  const js = await BrahmsPeer.start({ seed })
  try {
    await test(js)
  } finally {
    await js.stop()
  }
}

test('requests', { timeout: 180000 }, (t) => using([goPeer()], async (go) => {
  for (const [i, { kind, name }] of (await badRequests(randomBytes(32))).entries()) {
    await t.test(`${kind}: ${name}`, async () => {
      const own = randomBytes(32)
      const { parts, open, answered, reason } = (await badRequests(own))[i]
      await withPeer(own, async (js) => {
        const before = go.refusedNow()
        const { end } = await sendRaw(js, go.addr, kind, parts, open)
        if (!answered) assert.equal(end, 'reset')
        await go.round(() => Object.keys(more(go, before)).length > 0, `refused as ${reason}`)
        assert.deepEqual(more(go, before), { [reason]: 1 })
      })
    })
  }
}))

test('answers', { timeout: 300000 }, (t) => using([goPeer()], async (go) => {
  let last // reason of the case before: its peer may still be asked while it stops
  for (const { kind, name, answer, reason } of (await badAnswers()).filter((c) => c.kind !== 'probe')) {
    await t.test(`${kind}: ${name}`, () => withPeer(undefined, async (js) => {
      const before = go.refusedNow()
      await answerWith(js, kind, answer)
      await js.push(go.addr) // so that it asks
      await go.round(() => more(go, before)[reason] > 0, `refused as ${reason}`)
      const others = Object.keys(more(go, before)).filter((r) => r !== reason && r !== last)
      assert.deepEqual(others, [])
    }))
    last = reason
  }
}))

// Who answers pushes and pulls needs no probe, so the view is small here, and others are in it too. Should a peer be drawn from it
// all the same, another one tries.
test('answers to probes', { timeout: 300000 }, (t) => using(
  [goPeer('--l1', '3', '--l2', '40'), ...Array(5).fill(jsPeer())], async (go, ...honest) => {
    for (const js of honest) assert.equal(await js.push(go.addr), STATUS.TAKEN)
    await go.round((l) => honest.every((js) => l.sample.includes(js.id)), 'all are in the sample')
    for (const { name, answer, reason } of (await badAnswers()).filter((c) => c.kind === 'probe')) {
      await t.test(`probe: ${name}`, async () => {
        const before = go.refusedNow()
        for (let tries = 0; tries < 10 && !(more(go, before)[reason] > 0); tries++) {
          await withPeer(undefined, async (js) => {
            await answerWith(js, 'probe', answer)
            await js.push(go.addr)
            const { round } = await go.round(() => true, 'a round')
            await go.round((l) => l.round >= round + 3, 'a few rounds')
          })
        }
        assert.ok(more(go, before)[reason] > 0, `refused as ${reason}: ${JSON.stringify(more(go, before))}`)
      })
    }
  }))
