#!/usr/bin/env node
// Runs the peer by hand: node bin/peer.js [--prefix /myapp] [--bits N] [--interval MS] [ADDRESS/p2p/ID...]
import { parseArgs } from 'node:util'
import { BrahmsPeer } from '../lib/peer.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { prefix: { type: 'string', default: '' }, bits: { type: 'string', default: '0' }, interval: { type: 'string', default: '1000' } }
})
const peer = await BrahmsPeer.start({ prefix: values.prefix, bits: Number(values.bits) })
const print = (event) => console.log(JSON.stringify(event))
print({ event: 'started', id: peer.id, addrs: peer.addrs })
peer.on('round', () => print({ event: 'round', known: [...peer.book.keys()], alive: [...peer.alive], served: peer.served, refused: peer.refused }))
peer.run(Number(values.interval), positionals)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await peer.stop()
    process.exit(0)
  })
}
