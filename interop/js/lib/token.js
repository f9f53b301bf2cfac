// Push tokens of scheme 1.

import { createHash, createHmac, randomBytes } from 'node:crypto'
import { concat, hex, prefixed, text, uvarint } from './bytes.js'
import { Refused } from './refused.js'

export const SCHEME = 1
export const MAX_BITS = 24
export const WINDOW = 3
const NONCE_SIZE = 8
const MAX_TAKEN = 4096 // senders of an epoch; with no room to remember another a token is refused

const sha256 = (b) => createHash('sha256').update(b).digest()

// baseOf is the hash of all that a token is bound to.
export const baseOf = ({ network, receiver, sender, seed, epoch, bits }) => new Uint8Array(sha256(concat(
  prefixed(text('brahms/push-token/1')), prefixed(text(network)), prefixed(receiver), prefixed(sender), prefixed(seed), uvarint(epoch), uvarint(bits))))

const nonceBytes = (n) => {
  const b = new Uint8Array(NONCE_SIZE)
  new DataView(b.buffer).setBigUint64(0, BigInt(n))
  return b
}

// holds reports whether the first bits bits of the hash of base and nonce are 0.
export function holds (base, nonce, bits) {
  const sum = new DataView(new Uint8Array(sha256(concat(base, nonce))).buffer).getBigUint64(0)
  return bits === 0 || sum >> BigInt(64 - bits) === 0n
}

// solve looks for the least nonce that holds.
export function solve (proof) {
  const base = baseOf(proof)
  for (let n = 0n; ; n++) {
    const nonce = nonceBytes(n)
    if (holds(base, nonce, proof.bits)) return { scheme: SCHEME, epoch: proof.epoch, nonce }
  }
}

export const seedOf = (secret, sender) => new Uint8Array(createHmac('sha256', secret).update(sender).digest())

// checkChallenge throws unless a node of a network of this difficulty answers the challenge.
export function checkChallenge (challenge, bits) {
  if (challenge === undefined || (challenge.scheme ?? 0) > SCHEME) throw new Refused('challenge_scheme', `${challenge?.scheme}`)
  if (challenge.scheme === SCHEME && (challenge.bits ?? 0) > bits) throw new Refused('challenge_too_hard', `${challenge.bits} bits`)
}

// Issuer makes the challenges of a receiver and takes the tokens that answer them.
export class Issuer {
  #epochs = [] // the newest last, at most WINDOW: { epoch, secret, taken }

  constructor ({ network, self, bits }) {
    Object.assign(this, { network, self, bits })
    this.open()
  }

  // open begins the next epoch.
  open (secret = randomBytes(32)) {
    const last = this.#epochs.at(-1)
    this.#epochs.push({ epoch: last === undefined ? 0n : last.epoch + 1n, secret, taken: new Set() })
    if (this.#epochs.length > WINDOW) this.#epochs.shift()
  }

  // challenge is of the newest epoch for which no token of the sender was taken; undefined if there is none left.
  challenge (sender) {
    const e = this.#epochs.findLast(({ taken }) => !taken.has(hex(sender)) && taken.size < MAX_TAKEN)
    return e && { scheme: SCHEME, seed: seedOf(e.secret, sender), epoch: e.epoch, bits: this.bits }
  }

  // take takes a token once, or throws. What is cheap comes first.
  take (sender, token) {
    if (token === undefined) throw new Refused('token_missing', 'none')
    if (token.scheme !== SCHEME) throw new Refused('token_scheme', `${token.scheme}`)
    if (token.nonce?.length !== NONCE_SIZE || token.solution !== undefined) throw new Refused('token_size', `${token.nonce?.length}`)
    const e = this.#epochs.find(({ epoch }) => epoch === (token.epoch ?? 0n))
    if (e === undefined) throw new Refused('token_epoch', `${token.epoch}`)
    if (e.taken.has(hex(sender))) throw new Refused('token_replayed', 'taken before')
    if (e.taken.size >= MAX_TAKEN) throw new Refused('token_full', 'no room')
    const base = baseOf({ network: this.network, receiver: this.self, sender, seed: seedOf(e.secret, sender), epoch: e.epoch, bits: this.bits })
    if (!holds(base, token.nonce, this.bits)) throw new Refused('token_proof', 'does not hold')
    e.taken.add(hex(sender))
  }
}
