// Frames on a stream: each message behind its length, an unsigned varint in its shortest form of at most 9 bytes.

import { concat, prefixed, readUvarint } from './bytes.js'
import { Refused } from './refused.js'

const badFrame = (message, detail) => new Refused('bad_frame', message, detail)

// appendFrame is a message behind its length.
export const frameOf = prefixed

// More than a stream may hold of a correct peer: the longest message, its length, and a little.
const MAX_HELD = 262144 + 4096

// Reader reads the frames of a stream. A length is checked before the message is waited for, and what is held is bounded.
export class Reader {
  #have = new Uint8Array()
  #chunks = [] // what has arrived after #have
  #size = 0 // of both
  #ended = false
  #error
  #wake = () => {}

  constructor (stream, signal) {
    this.stream = stream
    const on = (type, listener) => stream.addEventListener(type, (event) => {
      listener(event)
      this.#wake()
    })
    on('message', ({ data }) => this.#take(data.subarray()))
    on('remoteCloseWrite', () => { this.#ended = true })
    on('close', ({ error }) => {
      this.#ended = true
      this.#error ??= error
    })
    this.#ended = stream.remoteWriteStatus === 'closed' || stream.status !== 'open'
    signal?.addEventListener('abort', () => {
      this.#error ??= signal.reason
      this.#wake()
    }, { once: true })
  }

  #take (chunk) {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size > MAX_HELD) this.#error ??= badFrame('more than any message', 'too large')
  }

  // has waits until n bytes are there and reports whether they are: false at the end of the stream.
  async #has (n) {
    while (this.#size < n) {
      if (this.#error instanceof Refused) throw this.#error
      if (this.#error !== undefined) throw new Refused('stream_failed', this.#error.message)
      // libp2p may still hold bytes that came before the end.
      if (this.#ended && (this.stream.readBufferLength ?? 0) === 0) return false
      await new Promise((resolve) => {
        this.#wake = resolve
        if (this.#ended) setImmediate(resolve)
      })
    }
    this.#have = concat(this.#have, ...this.#chunks)
    this.#chunks = []
    return true
  }

  // frame reads one message of at most max bytes. It throws Refused with bad_frame or stream_failed.
  async frame (max) {
    let length
    while ((length = this.#length()) === undefined) {
      if (await this.#has(this.#have.length + 1)) continue
      throw this.#size === 0 ? badFrame('no frame', 'empty') : badFrame('the length is cut short', 'truncated')
    }
    if (length.value > BigInt(max)) throw badFrame(`${length.value} bytes, limit ${max}`, 'too large')
    const end = length.size + Number(length.value)
    if (!await this.#has(end)) throw badFrame('the message is cut short', 'truncated')
    const body = this.#have.slice(length.size, end)
    this.#have = this.#have.slice(end)
    this.#size -= end
    return body
  }

  // length reads the length at the front of what is there, undefined if that ends before it does.
  #length () {
    try {
      const length = readUvarint(this.#have.subarray(0, 9))
      if (length === undefined) {
        if (this.#have.length >= 9) throw new RangeError('longer than 9 bytes')
      } else if (!length.minimal) {
        throw new RangeError('not in its shortest form')
      }
      return length
    } catch (err) {
      throw badFrame(`length: ${err.message}`, 'bad length')
    }
  }

  // eof reads to the end of the stream. Anything before it is a violation.
  async eof () {
    if (await this.#has(1)) throw badFrame('bytes after the last frame', 'trailing')
  }
}

// write sends bytes and waits until libp2p has taken them.
export async function write (stream, bytes, signal) {
  if (!stream.send(bytes)) await stream.onDrain({ signal })
}
