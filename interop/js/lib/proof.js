// What the signature of a probe's answer covers.

import { concat, prefixed, text, uvarint } from './bytes.js'

// proofBytes lists protocol id, asker, signer and nonce, each behind its length, and the status.
export const proofBytes = ({ protocol, asker, signer, nonce, status }) =>
  concat(prefixed(text(protocol)), prefixed(asker), prefixed(signer), prefixed(nonce), uvarint(status))

export const signProbe = async (privateKey, proof) => privateKey.sign(proofBytes(proof))

// verifyProbe reports whether a signature is the signer's, whose public key this is.
export async function verifyProbe (publicKey, proof, signature) {
  try {
    return signature !== undefined && await publicKey.verify(proofBytes(proof), signature)
  } catch {
    return false
  }
}
