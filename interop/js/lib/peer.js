// A small Brahms peer on js-libp2p. It does all that the wire asks of a node: it pushes, pulls, is pulled from, answers probes, helps
// with indirect ones, and checks whatever a remote sends. It does not sample: its view is whom it knows.

import './polyfill.js'
import { EventEmitter } from 'node:events'
import { randomBytes, randomInt } from 'node:crypto'
import { noise } from '@libp2p/noise'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { isLoopbackAddr, usable } from './addresses.js'
import { equal } from './bytes.js'
import { frameOf, Reader, write } from './frames.js'
import { idBytes, keyOfSeed, peerIdFromPrivateKey, peerIdFromString, peerIdOf } from './identity.js'
import { decodeMessage, encodeMessage, LIMITS, maxOf, STATUS } from './messages.js'
import { signProbe, verifyProbe } from './proof.js'
import { openRecord, sealRecord } from './record.js'
import { MISBEHAVIOUR, Refused } from './refused.js'
import { checkChallenge, Issuer, SCHEME, solve } from './token.js'

const EXCHANGE = 5000 // ms that one exchange may take
const MAX_VIEW = 40 // distinct peers that are published, each in one slot
const MAX_BOOK = 1024 // peers whose records are kept; further ones from gossip are left out
const MAX_UNVERIFIED = 4 // records of one pull answer that may fail to verify
const MAX_INBOUND = 8 // streams of one kind and connection at once
const MAX_HELPS = 8 // probes of third peers that others may ask of us in a round
const MAX_PEERS_A_ROUND = 8

export class BrahmsPeer extends EventEmitter {
  refused = {} // counts by reason
  served = { push: 0, pull: 0, probe: 0 } // streams that others opened and that were answered
  book = new Map() // peer id -> { record, firstHand }
  alive = new Set() // peer ids that have answered a probe of ours
  tokens = { solved: 0, accepted: 0 }
  leaving = false
  avoided = new Set() // peer ids that no connection is taken from: they cannot reach this peer, as behind a bad link
  #view = [] // entries of the published view
  #helps = 0
  #timer

  // start makes a peer that listens on loopback. prefix is put before the protocol ids, bits is the difficulty of the network,
  // allowPrivate takes private addresses from others.
  static async start ({ seed, listen = ['/ip4/127.0.0.1/tcp/0'], prefix = '', bits = 0, allowPrivate = true } = {}) {
    const peer = new BrahmsPeer()
    const key = await keyOfSeed(seed)
    const ids = Object.fromEntries(['push', 'pull', 'probe'].map((kind) => [kind, `${prefix}/brahms/1.0.0/${kind}`]))
    const self = idBytes(peerIdFromPrivateKey(key))
    Object.assign(peer, { key, bits, allowPrivate, ids, self, id: peerIdFromPrivateKey(key).toString() })
    peer.issuer = bits > 0 ? new Issuer({ network: ids.push, self, bits }) : undefined
    peer.node = await createLibp2p({
      privateKey: key,
      addresses: { listen },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyInboundEncryptedConnection: (id) => peer.avoided.has(id.toString()) },
      services: { identify: identify() }
    })
    peer.record = await sealRecord(key, peer.node.peerId, peer.node.getMultiaddrs().map((a) => a.decapsulate(`/p2p/${peer.id}`)), Date.now())
    const options = { maxInboundStreams: MAX_INBOUND, runOnLimitedConnection: true }
    for (const kind of ['push', 'pull', 'probe']) {
      await peer.node.handle(ids[kind], (stream, connection) => peer.#serve(kind, stream, connection), options)
    }
    return peer
  }

  // avoid breaks the connections to a peer and takes none from it any more. It does not close them: that would end each stream in an
  // orderly way, and what was being answered at that moment would be an empty answer, which its reader counts.
  avoid (id) {
    this.avoided.add(id)
    for (const connection of this.node.getConnections(peerIdFromString(id))) connection.abort(new Error('a link that broke'))
  }

  get addrs () { return this.node.getMultiaddrs().map(String) }

  // stop ends the peer. It breaks its connections first, for the reason that avoid has.
  async stop () {
    clearInterval(this.#timer)
    for (const connection of this.node.getConnections()) connection.abort(new Error('the peer has stopped'))
    await this.node.stop()
  }

  #count (err) {
    const reason = err instanceof Refused ? err.reason : 'stream_failed'
    this.refused[reason] = (this.refused[reason] ?? 0) + 1
    this.emit('refused', reason, err)
    return reason
  }

  // --- what others ask of us

  async #serve (kind, stream, connection) {
    const signal = AbortSignal.timeout(EXCHANGE)
    try {
      const exchange = { stream, connection, signal, reader: new Reader(stream, signal), from: idBytes(connection.remotePeer) }
      await { push: this.#servePush, pull: this.#servePull, probe: this.#serveProbe }[kind].call(this, exchange)
      await stream.close({ signal })
      this.served[kind]++
      this.emit('served', kind, connection.remotePeer.toString())
    } catch (err) {
      this.#count(err)
      stream.abort(err)
    }
  }

  async #servePush ({ stream, reader, connection, from, signal }) {
    for (let asked = false; ; asked = true) {
      let frame
      try {
        frame = await reader.frame(LIMITS.MaxPushRequest)
      } catch (err) {
        if (asked && err.detail === 'empty') return // the sender has what it asked for
        throw err
      }
      const request = decodeMessage('PushRequest', frame)
      const hello = request.record === undefined && request.token === undefined
      if (asked && hello) throw new Refused('bad_message', 'second hello')
      const answer = await this.#answerPush(request, hello, connection, from)
      await write(stream, frameOf(encodeMessage('PushResponse', answer)), signal)
      if (answer.status === STATUS.NEEDS_TOKEN && !asked) continue
      await stream.close({ signal })
      return reader.eof()
    }
  }

  async #answerPush (request, hello, connection, from) {
    if (this.leaving) return { status: STATUS.LEAVING }
    if (hello) return this.#challenge(from)
    try {
      this.issuer?.take(from, request.token)
    } catch (err) {
      this.#count(err)
      return this.#challenge(from)
    }
    const record = await openRecord(request.record ?? new Uint8Array())
    if (!equal(record.id, from)) throw new Refused('wrong_peer', 'a push of somebody else')
    this.#remember(record, true)
    this.emit('pushed', connection.remotePeer.toString(), record)
    return { status: STATUS.TAKEN }
  }

  #challenge (from) {
    const challenge = this.issuer === undefined ? {} : this.issuer.challenge(from)
    return challenge === undefined ? { status: STATUS.NO_RESOURCES } : { status: STATUS.NEEDS_TOKEN, challenge }
  }

  async #servePull ({ stream, reader, from, signal }) {
    decodeMessage('PullRequest', await reader.frame(LIMITS.MaxPullRequest))
    await reader.eof()
    const answer = this.leaving
      ? { status: STATUS.LEAVING }
      : { status: STATUS.TAKEN, entries: this.#view, challenge: this.issuer?.challenge(from) }
    await write(stream, frameOf(encodeMessage('PullResponse', answer)), signal)
  }

  async #serveProbe ({ stream, reader, from, signal }) {
    const request = decodeMessage('ProbeRequest', await reader.frame(LIMITS.MaxProbeRequest))
    await reader.eof()
    const answer = { status: this.leaving ? STATUS.LEAVING : STATUS.ALIVE }
    if (request.target !== undefined) Object.assign(answer, await this.#help(request, from))
    if (request.sign) {
      answer.signature = await signProbe(this.key, {
        protocol: this.ids.probe, asker: request.asker ?? from, signer: this.self, nonce: request.nonce, status: answer.status
      })
    }
    await write(stream, frameOf(encodeMessage('ProbeResponse', answer)), signal)
  }

  // help probes a third peer for one that could not reach it.
  async #help (request, asker) {
    const unknown = { target_status: STATUS.UNKNOWN }
    const target = peerIdOf(request.target).toString()
    const known = this.book.get(target)
    if (known === undefined || equal(request.target, this.self) || equal(request.target, asker) ||
        (request.nonce?.length ?? 0) < LIMITS.MinNonceSize || this.#helps >= MAX_HELPS) return unknown
    this.#helps++
    try {
      const answer = await this.probe(target, { nonce: request.nonce, sign: true, asker })
      if (!answer.verified || answer.status !== STATUS.ALIVE) {
        // Passed on, it would be held against us.
        if (answer.signature?.length && answer.status === STATUS.ALIVE) this.#count(new Refused('probe_forged', target))
        return unknown
      }
      return { target_status: STATUS.ALIVE, target_signature: answer.signature }
    } catch {
      return unknown
    }
  }

  // --- what we ask of others: to is a peer id that we have a record of, or an address that ends in /p2p/ID

  async #exchange (kind, to, talk) {
    const signal = AbortSignal.timeout(EXCHANGE)
    const addrs = to.startsWith('/') ? multiaddr(to) : this.#known(to).addrs.map((a) => a.encapsulate(`/p2p/${to}`))
    const stream = await this.node.dialProtocol(addrs, this.ids[kind], { signal, runOnLimitedConnection: true })
    const connection = this.node.getConnections().find((c) => c.streams.includes(stream))
    try {
      const out = await talk({ stream, connection, reader: new Reader(stream, signal), signal })
      await stream.close({ signal })
      return out
    } catch (err) {
      const reason = this.#count(err)
      if (MISBEHAVIOUR.has(reason) || reason === 'stream_failed') stream.abort(err)
      else await stream.close({ signal })
      throw err
    }
  }

  #known (id) {
    const known = this.book.get(id)
    if (known === undefined) throw new Error(`no record of ${id}`)
    return known
  }

  // ask writes a request, half-closes, and reads one answer to the end of the stream.
  async #ask ({ stream, reader, signal }, request, fields, response, max = maxOf(response)) {
    await write(stream, frameOf(encodeMessage(request, fields)), signal)
    await stream.close({ signal })
    const answer = decodeMessage(response, await reader.frame(max))
    await reader.eof()
    return answer
  }

  // push tells the other peer of us, with a token where it asks for one, and returns the status of its last answer.
  async push (to) {
    return this.#exchange('push', to, async (exchange) => {
      const record = this.record
      if (this.bits === 0) return (await this.#ask(exchange, 'PushRequest', { record }, 'PushResponse')).status
      const { stream, connection, reader, signal } = exchange
      const turn = async (fields) => {
        await write(stream, frameOf(encodeMessage('PushRequest', fields)), signal)
        return decodeMessage('PushResponse', await reader.frame(LIMITS.MaxPushResponse))
      }
      let answer = await turn({})
      if (answer.status === STATUS.NEEDS_TOKEN) {
        checkChallenge(answer.challenge, this.bits)
        answer = await turn({ record, token: this.#pay(answer.challenge, connection) })
        if (answer.status === STATUS.TAKEN) this.tokens.accepted++
      }
      await stream.close({ signal })
      await reader.eof()
      return answer.status
    })
  }

  #pay (challenge, connection) {
    if (challenge.scheme !== SCHEME) return undefined
    this.tokens.solved++
    return solve({
      network: this.ids.push,
      receiver: idBytes(connection.remotePeer),
      sender: this.self,
      seed: challenge.seed ?? new Uint8Array(),
      epoch: challenge.epoch ?? 0n,
      bits: challenge.bits ?? 0
    })
  }

  // pull asks for the other peer's view and returns what of it may be used: { id, count } for each distinct peer.
  async pull (to) {
    return this.#exchange('pull', to, async (exchange) => {
      const limited = exchange.connection.limits !== undefined
      const answer = await this.#ask(exchange, 'PullRequest', {}, 'PullResponse', limited ? LIMITS.MaxPullResponseLimited : undefined)
      if (answer.status !== STATUS.TAKEN) return []
      const out = new Map()
      const overLoopback = isLoopbackAddr(exchange.connection.remoteAddr)
      let unverified = 0
      for (const entry of answer.entries ?? []) {
        let record
        try {
          record = await openRecord(entry.record)
        } catch (err) {
          // What does not verify here may verify where it came from; what anybody can see to be wrong no correct peer passes on.
          if (err.reason !== 'record_bad' || ++unverified > MAX_UNVERIFIED) throw err
          this.#count(new Refused('record_unverified', err.message))
          continue
        }
        const id = record.peerId.toString()
        if (id === this.id || out.has(id)) continue
        record.addrs = usable(record.addrs, id, { allowPrivate: this.allowPrivate, overLoopback })
        if (record.addrs.length === 0) {
          this.#count(new Refused('record_no_usable_addr', id))
          continue
        }
        this.#remember(record, false)
        out.set(id, { id, count: entry.count })
      }
      return [...out.values()]
    })
  }

  // probe asks whether a peer is there, and returns { status, signature, verified }. verified says that the signature which was
  // asked for is the peer's.
  async probe (to, { nonce = randomBytes(LIMITS.MinNonceSize), sign = false, asker } = {}) {
    return this.#exchange('probe', to, async (exchange) => {
      const answer = await this.#ask(exchange, 'ProbeRequest', { nonce, sign, asker }, 'ProbeResponse')
      const { remotePeer } = exchange.connection
      const proof = { protocol: this.ids.probe, asker: asker ?? this.self, signer: idBytes(remotePeer), nonce, status: answer.status }
      answer.verified = sign && await verifyProbe(remotePeer.publicKey, proof, answer.signature)
      this.alive.add(remotePeer.toString())
      return answer
    })
  }

  // probeThrough asks a helper about a third peer, and reports whether it is alive for sure. It throws Refused for a lie.
  async probeThrough (helper, target) {
    const nonce = randomBytes(LIMITS.MinNonceSize)
    const { peerId, publicKey } = this.#known(target)
    return this.#exchange('probe', helper, async (exchange) => {
      const answer = await this.#ask(exchange, 'ProbeRequest', { nonce, target: idBytes(peerId) }, 'ProbeResponse')
      if (answer.target_status !== STATUS.ALIVE) return false
      const proof = { protocol: this.ids.probe, asker: this.self, signer: idBytes(peerId), nonce, status: STATUS.ALIVE }
      if (!answer.target_signature?.length) throw new Refused('vouch_unsigned', "a helper's word alone")
      if (!await verifyProbe(publicKey, proof, answer.target_signature)) throw new Refused('vouch_forged', 'of the target', 'bad signature')
      return true
    })
  }

  // --- records and rounds

  // remember keeps a record: a first-hand one always, gossip only where it is newer and there is room.
  #remember (record, firstHand) {
    const id = record.peerId.toString()
    const old = this.book.get(id)
    if (!firstHand && (old === undefined ? this.book.size >= MAX_BOOK : record.seq <= old.seq)) return
    this.book.delete(id) // what is kept longest goes first
    this.book.set(id, { ...record, firstHand })
    if (this.book.size > MAX_BOOK) this.book.delete(this.book.keys().next().value)
  }

  // publish fixes what the pulls of this round are answered with.
  publish (entries = [...this.book.values()].slice(-MAX_VIEW).map(({ raw }) => ({ record: raw, count: 1 }))) {
    this.#view = entries
  }

  // run does a round every interval ms until stop: a push to, a pull from and a probe of a few peers.
  run (interval, seeds = []) {
    let busy = false
    this.#timer = setInterval(async () => {
      if (busy) return // the last round is not over
      busy = true
      try {
        await this.round(seeds)
      } finally {
        busy = false
      }
    }, interval)
  }

  async round (seeds = []) {
    this.publish()
    this.#helps = 0
    this.issuer?.open()
    const known = [...this.book.keys()]
    const drawn = new Set(known.length === 0 ? seeds : [])
    for (let i = 0; i < MAX_PEERS_A_ROUND && known.length > 0; i++) drawn.add(known[randomInt(known.length)])
    await Promise.allSettled([...drawn].flatMap((to) => [this.push(to), this.pull(to), this.probe(to)]))
    this.emit('round')
  }
}
