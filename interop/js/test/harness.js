// Processes and peers of the tests. Each is ended by the test that started it, and the processes by their id.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BrahmsPeer } from '../lib/peer.js'
import { multiaddr } from '@multiformats/multiaddr'
import { write } from '../lib/frames.js'
import { concat, hex, prefixed, uvarint } from '../lib/bytes.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const BRAHMS = process.env.BRAHMS_P2P ?? `${root}bin/brahms-p2p`
const RAWPEER = process.env.RAWPEER ?? `${root}bin/rawpeer`

export const PATIENCE = Number(process.env.INTEROP_PATIENCE ?? 20000) // ms that a test waits for something of another process

export const readVectors = (path) => JSON.parse(readFileSync(root + path, 'utf8'))

// Hand-made protobuf: what an encoder would not write.
export const num = (n, v) => concat(uvarint(n << 3), uvarint(v))
export const field = (n, b) => concat(uvarint(n << 3 | 2), prefixed(b))
export const frame = prefixed

// Should a test file be ended before its tests are, so is what they have started.
const running = new Set()
process.on('exit', () => running.forEach((p) => p.kill('SIGKILL')))

class Lines {
  constructor (command, args, env) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.lines = []
    this.stderr = ''
    this.waiting = []
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line))
      for (const look of [...this.waiting]) look()
    })
    this.process.stderr.on('data', (b) => { this.stderr += b })
    running.add(this.process)
    this.ended = once(this.process, 'exit').finally(() => running.delete(this.process))
  }

  // until waits for a line, from number `from` on, for which found is true.
  async until (found, what, from = 0) {
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer)
        this.waiting = this.waiting.filter((l) => l !== look)
        settle(value)
      }
      const look = () => {
        const line = this.lines.slice(from).find(found)
        if (line !== undefined) done(resolve, line)
      }
      const fail = (why) => done(reject, new Error(`${what}: ${why}; last: ${JSON.stringify(this.lines.slice(-3))} ${this.stderr.slice(-2000)}`))
      const timer = setTimeout(() => fail(`not within ${PATIENCE} ms`), PATIENCE)
      this.ended.then(([code]) => fail(`the process ended with ${code}`))
      this.waiting.push(look)
      look()
    })
  }

  async stop (signal = 'SIGTERM') {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal)
    const timer = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE)
    const [code] = await this.ended
    clearTimeout(timer)
    return code
  }
}

// GoPeer is a real brahms-p2p run.
export class GoPeer extends Lines {
  static async start (...args) {
    const peer = new GoPeer(BRAHMS, ['run', '--json', '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--interval', '250ms', ...args])
    const { id, addrs } = await peer.until((l) => l.event === 'started', 'brahms-p2p starts')
    return Object.assign(peer, { id, addr: addrs[0] })
  }

  async round (found, what) {
    return this.until((l) => l.event === 'round' && found(l), what, Math.max(0, this.lines.length - 1))
  }

  // refusedNow is what the peer had refused at the end of its last round, but for what a slow machine brings about.
  refusedNow () {
    const { unsolicited, stream_failed: failed, ...refused } = this.lines.findLast((l) => l.event === 'round')?.refused ?? {}
    return refused
  }
}

// RawPeer is a go-libp2p host that writes what it is told to.
export class RawPeer extends Lines {
  static async start () {
    const seed = randomBytes(32)
    const peer = new RawPeer(RAWPEER, ['-seed', hex(seed)])
    const { id, addrs } = await peer.until((l) => l.id !== undefined, 'rawpeer starts')
    return Object.assign(peer, { id, addr: addrs[0], seed })
  }

  async #call (command) {
    const from = this.lines.length
    this.process.stdin.write(JSON.stringify(command) + '\n')
    const res = await this.until(() => true, `rawpeer: ${command.op}`, from)
    if (res.error !== undefined) throw new Error(`rawpeer: ${command.op}: ${res.error}`)
    return res
  }

  send (to, protocol, parts, open = false) { return this.#call({ op: 'send', to, protocol, parts: parts.map(hex), open }) }
  serve (protocol, answer, eager = false) { return this.#call({ op: 'serve', protocol, answer: hex(answer), eager }) }
}

// using starts things, runs a test with them, and stops them whatever comes of it.
export async function using (starts, test) {
  const started = []
  try {
    for (const start of starts) started.push(await start(...started))
    await test(...started)
  } finally {
    for (const thing of started.reverse()) await thing.stop()
  }
}

export const jsPeer = (options) => () => BrahmsPeer.start(options)
export const goPeer = (...args) => () => GoPeer.start(...args)
export const rawPeer = () => RawPeer.start()

// answerWith makes a js peer answer each stream of a kind with the same bytes.
export async function answerWith (js, kind, answer) {
  await js.node.unhandle(js.ids[kind])
  await js.node.handle(js.ids[kind], async (stream) => {
    const signal = AbortSignal.timeout(PATIENCE)
    await write(stream, answer, signal)
    await stream.close({ signal })
  })
}

// eventually waits until found is true, which is looked at whenever something was served or refused.
export function eventually (peer, found, what) {
  return new Promise((resolve, reject) => {
    const done = (settle, value) => {
      clearTimeout(timer)
      peer.off('served', look)
      peer.off('refused', look)
      settle(value)
    }
    const look = () => found() && done(resolve)
    const timer = setTimeout(() => {
      done(reject, new Error(`${what}: not within ${PATIENCE} ms; refused ${JSON.stringify(peer.refused)}`))
    }, PATIENCE)
    peer.on('served', look)
    peer.on('refused', look)
    look()
  })
}

// sendRaw opens a stream from a js peer and writes the parts, before each but the first one it waits for bytes. Then it closes its
// side, unless open is set, and reads to the end: { received, end }, which is eof or reset.
export async function sendRaw (js, to, kind, parts, open = false) {
  const signal = AbortSignal.timeout(PATIENCE)
  const stream = await js.node.dialProtocol(multiaddr(to), js.ids[kind], { signal })
  let received = new Uint8Array()
  let wake = () => {}
  const end = new Promise((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => {
      received = concat(received, data.subarray())
      wake()
    })
    stream.addEventListener('remoteCloseWrite', () => resolve('eof'))
    stream.addEventListener('close', ({ error }) => resolve(error === undefined ? 'eof' : 'reset'))
    signal.addEventListener('abort', () => reject(new Error(`${kind} of raw bytes: no end within ${PATIENCE} ms`)), { once: true })
  })
  try {
    for (const [i, part] of parts.entries()) {
      if (i > 0 && received.length === 0) await Promise.race([new Promise((resolve) => { wake = resolve }), end])
      await write(stream, part, signal)
    }
    if (!open) await stream.close({ signal })
  } catch (err) {
    if (await end !== 'reset') throw err // it was reset meanwhile
  }
  const ended = await end
  stream.abort(new Error('done'))
  return { received, end: ended }
}
