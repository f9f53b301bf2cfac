// A real brahms-p2p run and the js peer, over TCP, Noise and Yamux.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS } from '../lib/messages.js'
import { concat } from '../lib/bytes.js'
import { eventually, field, frame, goPeer, jsPeer, num, sendRaw, using } from './harness.js'

const known = (id) => (line) => line.sample.includes(id) && line.view.includes(id)

test('js pushes: brahms-p2p takes it, pulls from js and samples it', () => using([goPeer(), jsPeer()], async (go, js) => {
  assert.equal(await js.push(go.addr), STATUS.TAKEN)
  const line = await go.round(known(js.id), 'js is in view and sample')
  await go.round((l) => l.pulls > 0, 'brahms-p2p pulls from js')
  await go.round((l) => l.pushes > 0 || l.round > line.round + 2, 'the push is counted')
  const [connection] = js.node.getConnections()
  assert.equal(connection.encryption, '/noise')
  assert.equal(connection.multiplexer, '/yamux/1.0.0')
  assert.deepEqual(go.refusedNow(), {})
  assert.deepEqual(js.refused, {})
}))

test('js pulls: the view of brahms-p2p has a third peer, whose record holds', () => using(
  [goPeer(), (a) => goPeer('--bootstrap', a.addr)(), jsPeer()], async (a, b, js) => {
    await a.round(known(b.id), 'the two know each other')
    const view = await js.pull(a.addr)
    assert.deepEqual(view.map((e) => e.id), [b.id])
    assert.ok(view[0].count >= 1)
    assert.ok(js.book.get(b.id).addrs.length > 0)
    assert.equal((await js.probe(b.id)).status, STATUS.ALIVE, 'it is where the record says')
    assert.deepEqual(js.refused, {})
  }))

test('js is pulled from: brahms-p2p learns of a third peer through js alone', () => using(
  [goPeer(), jsPeer(), (third, js) => goPeer('--bootstrap', js.addrs[0])()], async (third, js, go) => {
    await eventually(js, () => js.book.get(go.id)?.firstHand, 'it pushes its own record')
    assert.equal(await js.push(third.addr), STATUS.TAKEN)
    await eventually(js, () => js.book.get(third.id)?.firstHand, 'the third pushes to js')
    js.publish()
    await go.round(known(third.id), 'the third is in the sample')
    await third.round(known(go.id), 'and the other way round')
    assert.ok(js.served.pull > 0)
    assert.deepEqual(js.refused, {})
    assert.deepEqual(go.refusedNow(), {})
  }))

test('brahms-p2p pushes and pulls where js is all that it knows', () => using(
  [jsPeer(), (js) => goPeer('--bootstrap', js.addrs[0])()], async (js, go) => {
    await go.round((l) => known(js.id)(l) && l.pulls > 0, 'js is in view and sample')
    for (const kind of ['push', 'pull']) await eventually(js, () => js.served[kind] > 0, kind)
    assert.deepEqual(js.refused, {})
    assert.deepEqual(go.refusedNow(), {})
  }))

// A peer that answers pushes and pulls needs no probe. With a small view there are peers in the sample that get neither.
test('brahms-p2p probes js, and js answers', () => using(
  [goPeer('--l1', '3', '--l2', '40'), ...Array(6).fill(jsPeer())], async (go, ...peers) => {
    for (const js of peers) assert.equal(await js.push(go.addr), STATUS.TAKEN)
    await Promise.all(peers.map((js) => eventually(js, () => js.served.probe > 0, 'it is probed')))
    await go.round((l) => peers.every((js) => l.sample.includes(js.id)), 'all are in the sample')
    for (const js of peers) assert.deepEqual(js.refused, {})
    assert.deepEqual(go.refusedNow(), {})
  }))

test('a probe to be signed is answered with a signature that holds, in both directions', () => using(
  [goPeer('--prefix', '/myapp'), jsPeer({ prefix: '/myapp' }), jsPeer({ prefix: '/myapp' })], async (go, js, asker) => {
    for (const to of [go.addr, js.addrs[0]]) {
      const answer = await asker.probe(to, { sign: true })
      assert.ok(answer.verified)
      const onBehalf = await asker.probe(to, { sign: true, asker: js.self })
      assert.ok(onBehalf.verified)
      assert.notDeepEqual(onBehalf.signature, answer.signature)
    }
  }))

test('an indirect probe: brahms-p2p helps js, and js helps another', () => using(
  [goPeer(), jsPeer(), jsPeer(), jsPeer()], async (go, target, helper, asker) => {
    assert.equal(await target.push(go.addr), STATUS.TAKEN)
    assert.equal(await target.push(helper.addrs[0]), STATUS.TAKEN)
    assert.equal(await target.push(asker.addrs[0]), STATUS.TAKEN)
    await go.round(known(target.id), 'brahms-p2p knows the target')
    assert.equal(await asker.probeThrough(go.addr, target.id), true)
    assert.equal(await asker.probeThrough(helper.addrs[0], target.id), true)
    target.leaving = true
    assert.equal(await asker.probeThrough(go.addr, target.id), false, 'it is leaving')
    assert.equal(await asker.probeThrough(helper.addrs[0], target.id), false)
    assert.deepEqual(asker.refused, {})
  }))

test('peers of another prefix are another network', () => using([goPeer('--prefix', '/other'), jsPeer()], async (go, js) => {
  for (const ask of ['push', 'pull', 'probe']) await assert.rejects(js[ask](go.addr), ask)
}))

test('who leaves says so, in both directions', () => using(
  [jsPeer(), (js) => goPeer('--bootstrap', js.addrs[0])(), (js, go) => goPeer('--bootstrap', go.addr)()], async (js, go, other) => {
    await go.round((l) => known(js.id)(l) && known(other.id)(l), 'all know each other')
    js.leaving = true
    await go.round((l) => !l.sample.includes(js.id), 'js is forgotten')
    assert.equal((await js.probe(go.addr)).status, STATUS.ALIVE)
    go.process.kill('SIGTERM')
    const asked = async () => {
      for (;;) {
        const { status } = await js.probe(go.addr)
        if (status === STATUS.LEAVING) return
      }
    }
    await asked()
    assert.deepEqual(await go.ended, [0, null])
  }))

test('an empty view, a hello, and fields of a later revision', () => using([goPeer(), jsPeer()], async (go, js) => {
  assert.deepEqual(await js.pull(go.addr), [])
  const later = concat(num(14, 7), field(15, Uint8Array.of(1, 2, 3)))
  const asksForNothing = frame(concat(num(1, STATUS.NEEDS_TOKEN), field(2, new Uint8Array())))
  assert.deepEqual((await sendRaw(js, go.addr, 'push', [frame(new Uint8Array())])), { received: asksForNothing, end: 'eof' })
  const hello = await sendRaw(js, go.addr, 'push', [frame(later), frame(concat(field(1, js.record), later))])
  assert.deepEqual(hello, { received: concat(asksForNothing, frame(num(1, STATUS.TAKEN))), end: 'eof' })
  assert.deepEqual((await sendRaw(js, go.addr, 'pull', [frame(later)])).end, 'eof')
  assert.deepEqual(await sendRaw(js, go.addr, 'probe', [frame(later)]), { received: frame(num(1, STATUS.ALIVE)), end: 'eof' })
  await go.round(known(js.id), 'js is in view and sample')
  assert.deepEqual(go.refusedNow(), {})
}))
