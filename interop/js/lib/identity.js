// Keys and peer ids.

import { generateKeyPair, generateKeyPairFromSeed, publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromMultihash, peerIdFromPrivateKey, peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'

export { publicKeyFromProtobuf, publicKeyToProtobuf, peerIdFromPrivateKey, peerIdFromString }

// keyOfSeed is the Ed25519 key of a seed of 32 bytes; without one it is a new key.
export const keyOfSeed = (seed) => seed === undefined ? generateKeyPair('Ed25519') : generateKeyPairFromSeed('Ed25519', seed)

// idBytes are the bytes of a peer id, as they are in messages.
export const idBytes = (peerId) => peerId.toMultihash().bytes

// idOfKey are those of the peer that a public key belongs to.
export const idOfKey = (publicKey) => idBytes(peerIdFromPublicKey(publicKey))

// peerIdOf is the peer id of these bytes, undefined if they are none.
export function peerIdOf (bytes) {
  try {
    return peerIdFromMultihash(Digest.decode(bytes))
  } catch {
    return undefined
  }
}
