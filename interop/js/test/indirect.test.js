// Indirect probes between the two implementations, with each in each part: who asks, who helps, who is asked about. A target that the
// asker cannot reach lives on in its sample because a helper has its signature, and only because of that.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { frameOf } from '../lib/frames.js'
import { idBytes, keyOfSeed, peerIdFromString } from '../lib/identity.js'
import { encodeMessage, LIMITS, STATUS } from '../lib/messages.js'
import { signProbe } from '../lib/proof.js'
import { answerWith, eventually, goPeer, jsPeer, using } from './harness.js'

const known = (id) => (line) => line.sample.includes(id) && line.view.includes(id)

// counters are what brahms-p2p counts, by name.
async function counters (go) {
  const { url } = await go.until((l) => l.event === 'http', 'it serves its metrics')
  const text = await (await fetch(new URL('/debug/metrics/prometheus', url))).text()
  return Object.fromEntries([...text.matchAll(/^libp2p_brahms_([a-z_]+) ([0-9.e+]+)$/gm)].map(([, name, value]) => [name, Number(value)]))
}

// unreachable is a peer of brahms-p2p's sample, known to the helper too, that brahms-p2p cannot reach any more. before is called ahead
// of that; it returns the counters once the target's death has been put off, or it is dead.
async function unreachable (go, helper, target, before = () => {}) {
  assert.equal(await helper.push(go.addr), STATUS.TAKEN)
  assert.equal(await target.push(go.addr), STATUS.TAKEN)
  assert.equal(await target.push(helper.addrs[0]), STATUS.TAKEN)
  await go.round((l) => known(helper.id)(l) && known(target.id)(l), 'helper and target are in the sample')
  await before()
  target.avoid(go.id)
  for (;;) {
    const now = await counters(go)
    if (now.deaths_postponed_total > 0 || now.deaths_total > 0) return now
    const { round } = await go.round(() => true, 'a round')
    await go.round((l) => l.round > round, 'the next round')
  }
}

const trio = () => [goPeer('--http', '0'), jsPeer(), jsPeer()]

test('js helps brahms-p2p: the one that it cannot reach does not die', () => using(trio(), async (go, helper, target) => {
  const probed = target.served.probe
  const now = await unreachable(go, helper, target)
  assert.deepEqual([now.deaths_postponed_total > 0, now.deaths_total], [true, 0], 'its death is put off')
  assert.ok(target.served.probe > probed, 'the helper has probed it')
  await go.round((l) => l.sample.includes(target.id), 'it is still in the sample')
  assert.deepEqual(go.refusedNow(), {})
  assert.deepEqual(helper.refused, {})
}))

// A lie is an answer about the target that its signature does not bear out.
const signedBy = async (key, asker, target) => ({
  target_status: STATUS.ALIVE,
  target_signature: await signProbe(key, {
    protocol: target.ids.probe, asker, signer: target.self, nonce: randomBytes(LIMITS.MinNonceSize), status: STATUS.ALIVE
  })
})
const LIES = [
  { name: 'has nothing to say', reason: undefined, lie: () => ({ target_status: STATUS.UNKNOWN }) },
  { name: 'gives its word alone', reason: 'vouch_unsigned', lie: () => ({ target_status: STATUS.ALIVE }) },
  { name: 'signs itself', reason: 'vouch_forged', lie: async (go, target) => signedBy(await keyOfSeed(), go, target) },
  { name: 'repeats what the target signed before', reason: 'vouch_forged', lie: (go, target) => signedBy(target.key, go, target) }
]

for (const { name, reason, lie } of LIES) {
  test(`a js helper that ${name}: the target dies`, () => using(trio(), async (go, helper, target) => {
    const now = await unreachable(go, helper, target, async () => {
      const answer = { status: STATUS.ALIVE, ...await lie(idBytes(peerIdFromString(go.id)), target) }
      await answerWith(helper, 'probe', frameOf(encodeMessage('ProbeResponse', answer)))
    })
    assert.deepEqual([now.deaths_postponed_total, now.deaths_total], [0, 1], 'its death is not put off')
    const line = await go.round((l) => !l.sample.includes(target.id), 'it is gone from the sample')
    assert.ok(line.sample.includes(helper.id), 'what a helper says of others tells nothing of its own life')
    const { [reason]: times, ...others } = go.refusedNow()
    assert.equal(times > 0, reason !== undefined, `${reason} is counted: ${times}`)
    assert.deepEqual(others, {})
  }))
}

test('a target that signs with another key: no helper passes it on', () => using(
  [goPeer(), jsPeer(), jsPeer(), jsPeer()], async (go, helper, target, asker) => {
    for (const to of [go.addr, helper.addrs[0], asker.addrs[0]]) assert.equal(await target.push(to), STATUS.TAKEN)
    await go.round(known(target.id), 'brahms-p2p knows the target')
    for (const to of [go.addr, helper.addrs[0]]) assert.equal(await asker.probeThrough(to, target.id), true)
    target.key = await keyOfSeed()
    for (const to of [go.addr, helper.addrs[0]]) assert.equal(await asker.probeThrough(to, target.id), false)
    await go.round((l) => l.refused.probe_forged === 1, 'brahms-p2p counts it')
    await eventually(helper, () => helper.refused.probe_forged === 1, 'and so does js')
    assert.deepEqual(asker.refused, {})
  }))
