// Why input of another peer was refused: a closed set, with the names that brahms-p2p counts by.
export const REASONS = [
  'bad_frame', 'bad_message', 'wrong_peer', 'unknown_status', 'stream_failed', 'no_resources',
  'record_bad', 'record_not_canonical', 'record_forged', 'record_too_large', 'record_too_many_addrs', 'record_no_usable_addr', 'record_unverified',
  'token_missing', 'token_scheme', 'token_size', 'token_epoch', 'token_replayed', 'token_full', 'token_proof',
  'challenge_scheme', 'challenge_too_hard', 'vouch_unsigned', 'vouch_forged', 'probe_forged'
]

// MISBEHAVIOUR is what ends in a reset of the stream: no correct peer gives cause for it.
export const MISBEHAVIOUR = new Set(['bad_frame', 'bad_message', 'wrong_peer', 'record_bad', 'record_not_canonical', 'record_forged',
  'record_too_large', 'record_too_many_addrs', 'token_size'])

export class Refused extends Error {
  // reason is one of REASONS; detail is the name that the test vectors have for it, where those are finer.
  constructor (reason, message, detail) {
    super(`${reason}: ${message}`)
    if (!REASONS.includes(reason)) throw new Error(`no such reason: ${reason}`)
    this.name = 'Refused'
    this.reason = reason
    this.detail = detail
  }
}
