// The messages of /brahms/1.0.0 and their limits (spec/brahms.md).

import { peerIdOf } from './identity.js'
import { bool, bytes, decode, encode, enumeration, message, uint32, uint64 } from './protobuf.js'
import { Refused } from './refused.js'

export const LIMITS = {
  MaxPushRequest: 8704,
  MaxPushResponse: 512,
  MaxPullRequest: 512,
  MaxPullResponse: 262144,
  MaxPullResponseLimited: 32768,
  MaxProbeRequest: 512,
  MaxProbeResponse: 3072,
  MaxRecordSize: 8192,
  MaxRecordAddrs: 16,
  MaxEntries: 256,
  MaxPeerIDSize: 64,
  MinNonceSize: 16,
  MaxNonceSize: 64,
  MaxSeedSize: 64,
  MaxSolutionSize: 64,
  MaxSignatureSize: 1024
}

export const STATUS = { TAKEN: 1, ALIVE: 1, NEEDS_TOKEN: 2, NO_RESOURCES: 3, LEAVING: 4, UNKNOWN: 5 }

const challenge = message({
  1: { name: 'scheme', kind: uint32 },
  2: { name: 'seed', kind: bytes(LIMITS.MaxSeedSize) },
  3: { name: 'epoch', kind: uint64 },
  4: { name: 'bits', kind: uint32 }
})
const token = message({
  1: { name: 'scheme', kind: uint32 },
  2: { name: 'epoch', kind: uint64 },
  3: { name: 'nonce', kind: bytes(LIMITS.MaxNonceSize) },
  4: { name: 'solution', kind: bytes(LIMITS.MaxSolutionSize) }
})
const entry = message({
  1: { name: 'record', kind: bytes(LIMITS.MaxRecordSize), required: true },
  2: { name: 'count', kind: uint32, required: true, counted: LIMITS.MaxEntries }
})

const { TAKEN, ALIVE, NEEDS_TOKEN, NO_RESOURCES, LEAVING } = STATUS

// Each message with its fields, its greatest size, and the statuses that it may have if it is an answer.
const MESSAGES = {
  PushRequest: {
    max: LIMITS.MaxPushRequest,
    schema: { 1: { name: 'record', kind: bytes(LIMITS.MaxRecordSize) }, 2: { name: 'token', kind: token } }
  },
  PushResponse: {
    max: LIMITS.MaxPushResponse,
    statuses: [TAKEN, NEEDS_TOKEN, NO_RESOURCES, LEAVING],
    schema: { 1: { name: 'status', kind: enumeration }, 2: { name: 'challenge', kind: challenge } }
  },
  PullRequest: { max: LIMITS.MaxPullRequest, schema: {} },
  PullResponse: {
    max: LIMITS.MaxPullResponse,
    statuses: [TAKEN, NO_RESOURCES, LEAVING],
    schema: {
      1: { name: 'status', kind: enumeration },
      2: { name: 'entries', kind: entry, repeated: true },
      3: { name: 'challenge', kind: challenge }
    }
  },
  ProbeRequest: {
    max: LIMITS.MaxProbeRequest,
    schema: {
      1: { name: 'nonce', kind: bytes(LIMITS.MaxNonceSize) },
      2: { name: 'target', kind: bytes(LIMITS.MaxPeerIDSize) },
      3: { name: 'sign', kind: bool },
      4: { name: 'asker', kind: bytes(LIMITS.MaxPeerIDSize) }
    },
    check (m) {
      if (m.sign && (m.nonce?.length ?? 0) < LIMITS.MinNonceSize) {
        throw new Refused('bad_message', `nonce of ${m.nonce?.length ?? 0} bytes to sign`, 'limit')
      }
      for (const id of [m.target, m.asker]) {
        if (id !== undefined && peerIdOf(id) === undefined) throw new Refused('bad_message', 'not a peer id', 'malformed')
      }
    }
  },
  ProbeResponse: {
    max: LIMITS.MaxProbeResponse,
    statuses: [ALIVE, LEAVING],
    schema: {
      1: { name: 'status', kind: enumeration },
      2: { name: 'signature', kind: bytes(LIMITS.MaxSignatureSize) },
      3: { name: 'target_status', kind: enumeration },
      4: { name: 'target_signature', kind: bytes(LIMITS.MaxSignatureSize) }
    }
  }
}

export const maxOf = (type) => MESSAGES[type].max

// decodeMessage decodes and checks a message. It throws Refused: bad_message for a violation, unknown_status for an answer that
// is to be discarded.
export function decodeMessage (type, b) {
  const m = MESSAGES[type]
  if (b.length > m.max) throw new Refused('bad_frame', `${type} of ${b.length} bytes`, 'too large')
  const out = decode(b, m.schema)
  m.check?.(out)
  if (m.statuses !== undefined && !m.statuses.includes(out.status)) {
    throw new Refused('unknown_status', `${type} with status ${out.status ?? 0}`, 'unknown status')
  }
  return out
}

export const encodeMessage = (type, fields) => encode(fields, MESSAGES[type].schema)
