// Bytes and unsigned varints.

export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'))
export const text = (string) => new TextEncoder().encode(string)
export const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i])

export function concat (...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

// uvarint encodes a number or BigInt of at most 64 bits.
export function uvarint (value) {
  const out = []
  let v = BigInt.asUintN(64, BigInt(value))
  for (; v >= 0x80n; v >>= 7n) out.push(Number(v & 0x7fn) | 0x80)
  out.push(Number(v))
  return Uint8Array.from(out)
}

// prefixed is bytes behind their length.
export const prefixed = (bytes) => concat(uvarint(bytes.length), bytes)

// readUvarint reads a varint of at most 64 bits at b[at]. minimal says whether it has the shortest form. It returns undefined
// where b ends before the varint does, and throws a RangeError for one of more than 64 bits.
export function readUvarint (b, at = 0) {
  let value = 0n
  for (let i = 0; at + i < b.length; i++) {
    const byte = b[at + i]
    if (i === 9 && byte > 1) throw new RangeError('varint of more than 64 bits')
    value |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) return { value, size: i + 1, minimal: byte !== 0 || i === 0 }
  }
  return undefined
}
