// A strict reader of protobuf messages, as the section on streams and framing of the specification asks: unknown fields are
// skipped, and groups, known fields of another wire type and single fields that occur twice are refused. Parsers that are
// generated from the schema merge or keep the last of two, so they do not do.

import { concat, prefixed, readUvarint, uvarint } from './bytes.js'
import { Refused } from './refused.js'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

const malformed = (message) => new Refused('bad_message', message, 'malformed')
const limit = (message) => new Refused('bad_message', message, 'limit')

// Kinds of fields. max is the greatest value, or length in bytes.
export const uint32 = { wire: VARINT, max: 2n ** 32n - 1n, of: Number, put: uvarint }
export const uint64 = { wire: VARINT, of: (v) => v, put: uvarint }
export const bool = { wire: VARINT, of: (v) => v !== 0n, put: (v) => uvarint(v ? 1 : 0) }
export const enumeration = { wire: VARINT, of: (v) => Number(BigInt.asIntN(32, v)), put: uvarint }
export const bytes = (max) => ({ wire: BYTES, max: BigInt(max), of: (b) => b.slice(), put: prefixed })
export const message = (schema) => ({ wire: BYTES, schema })

// fields yields number, wire type and value of each field of a message: a BigInt or bytes.
export function * fields (b) {
  for (let at = 0; at < b.length;) {
    const tag = varintAt(b, at)
    at += tag.size
    const number = Number(tag.value >> 3n)
    const wire = Number(tag.value & 7n)
    if (number < 1 || number > 2 ** 31 - 1) throw malformed(`field number ${number}`)
    let size
    let value
    switch (wire) {
      case VARINT:
        ({ value, size } = varintAt(b, at))
        break
      case FIXED64:
        size = 8
        break
      case FIXED32:
        size = 4
        break
      case BYTES: {
        const length = varintAt(b, at)
        at += length.size
        size = Number(length.value)
        value = b.subarray(at, at + size)
        break
      }
      default: // 3 and 4 are groups
        throw malformed(`field ${number} has wire type ${wire}`)
    }
    if (size > b.length - at) throw malformed(`field ${number} is cut short`)
    at += size
    yield { number, wire, value }
  }
}

function varintAt (b, at) {
  let v
  try {
    v = readUvarint(b, at)
  } catch (err) {
    throw malformed(err.message)
  }
  if (v === undefined) throw malformed('cut short')
  return v
}

// decode reads a message by its schema: an object of fields by number, each with a name, a kind and what is asked of it
// (repeated, required, counted: its values must not sum to more than that in the whole message). Absent fields are left out, and
// so are empty ones, which are the same.
export function decode (b, schema, total = { sum: 0n }) {
  const out = {}
  const seen = new Set()
  for (const { number, wire, value } of fields(b)) {
    const f = schema[number]
    if (f === undefined) continue // of a later revision
    if (wire !== f.kind.wire) throw malformed(`${f.name} has wire type ${wire}`)
    if (seen.has(number) && !f.repeated) throw malformed(`${f.name} occurs twice`)
    seen.add(number)
    if (f.kind.schema !== undefined) {
      const sub = decode(value, f.kind.schema, total)
      if (f.repeated) (out[f.name] ??= []).push(sub)
      else out[f.name] = sub
      continue
    }
    const amount = wire === BYTES ? BigInt(value.length) : value
    if (f.kind.max !== undefined && amount > f.kind.max) throw limit(`${f.name} is ${amount}, limit ${f.kind.max}`)
    if (f.counted !== undefined && (total.sum += value) > BigInt(f.counted)) throw limit(`the values of ${f.name} sum to more than ${f.counted}`)
    if (amount !== 0n) out[f.name] = f.kind.of(value)
  }
  for (const f of Object.values(schema)) {
    if (f.required && out[f.name] === undefined) throw limit(`no ${f.name}`)
  }
  return out
}

// encode writes the fields that are there and neither 0 nor empty, in the order of their numbers.
export function encode (m, schema) {
  const out = []
  for (const [number, f] of Object.entries(schema)) {
    const values = f.repeated ? m[f.name] ?? [] : [m[f.name]]
    for (const v of values) {
      if (v === undefined || (f.kind.schema === undefined && (v.length === 0 || !v))) continue
      const body = f.kind.schema !== undefined ? prefixed(encode(v, f.kind.schema)) : f.kind.put(v)
      out.push(uvarint(Number(number) << 3 | f.kind.wire), body)
    }
  }
  return concat(...out)
}
