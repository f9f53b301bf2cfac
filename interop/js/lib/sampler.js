// The slots of a sample: the hash sha256, and who becomes a challenger, holder, or nothing (the section on samplers of the
// specification). The peer of this directory has no sample; the vectors show that two implementations decide alike.

import { createHash } from 'node:crypto'
import { concat } from './bytes.js'

const be64 = (v) => {
  const b = new Uint8Array(8)
  new DataView(b.buffer).setBigUint64(0, BigInt(v))
  return b
}

export const sha256Of = (slotsKey, id, position) =>
  new DataView(new Uint8Array(createHash('sha256').update(concat(slotsKey, be64(position), id)).digest()).buffer).getBigUint64(0)

// rankOf is the rank of an id in a slot that ranks by prefix: the hashes of the coarse prefix, of the fine one and of the id, of which it
// has 16, 16 and 32 bits.
export const rankOf = (coarse, fine, id) => coarse >> 48n << 48n | fine >> 48n << 32n | id >> 32n

// Group is l2 slots, of which the first diverse ones rank by prefix. hash(id, position, byPrefix) is a BigInt; ids are any values that
// === compares.
export class Group {
  constructor ({ l2, diverse = 0, maturity, rekey = false, hash }) {
    Object.assign(this, { maturity, rekey, next: l2, fed: false })
    this.hash = (id, slot) => hash(id, slot.position, slot.byPrefix)
    this.slots = Array.from({ length: l2 }, (_, position) => ({ position, byPrefix: position < diverse, holder: undefined, age: 0, seats: [] }))
  }

  // offer feeds an id to every slot. In each that it would win it takes the challenger's seat, and the slot itself if it is trusted. A
  // challenger that was asked stays until its probe has ended; a better one waits in the second seat.
  offer (id, namer, trusted = false) {
    this.fed = true
    for (const s of this.slots) {
      const hash = this.hash(id, s)
      if (s.holder === id || (s.holder !== undefined && hash >= s.least)) continue
      if (trusted) {
        this.#win(s, id, hash)
        continue
      }
      const [rival, late] = s.seats
      const seat = { id, hash, namer, asked: 0 }
      if (rival === undefined) s.seats = [seat]
      else if (rival.id === id || late?.id === id) continue
      else if (rival.asked === 0 && hash < rival.hash) s.seats[0] = seat
      else if (rival.asked !== 0 && (late === undefined || hash < late.hash)) s.seats[1] = seat
    }
  }

  #win (s, id, hash) {
    Object.assign(s, { holder: id, least: hash })
    s.seats = s.seats.filter((c) => c.hash < hash)
  }

  // confirm: the id has answered a probe. It wins wherever its hash is the least. Where it is may be known better than when it took a seat
  // or slot that ranks by prefix; a slot in which it ranks worse than it did is emptied.
  confirm (id) {
    for (const s of this.slots) {
      if (!s.byPrefix || s.holder !== id) continue
      const hash = this.hash(id, s)
      if (hash > s.least) this.#empty(s)
      else this.#win(s, id, hash)
    }
    for (const s of this.slots) {
      const seat = s.seats.find((c) => c.id === id)
      s.seats = s.seats.filter((c) => c.id !== id)
      if (seat === undefined) continue
      const hash = this.hash(id, s)
      if (s.holder === undefined || hash < s.least) this.#win(s, id, hash)
    }
    this.offer(id, undefined, true)
  }

  #empty (s) {
    Object.assign(s, { holder: undefined, least: undefined, age: 0 })
    if (this.rekey) Object.assign(s, { position: this.next++, seats: [] })
  }

  // refuse: it has failed its probe.
  refuse (id) {
    for (const s of this.slots) s.seats = s.seats.filter((c) => c.id !== id)
  }

  // clear: a holder has died.
  clear (id) {
    this.refuse(id)
    for (const s of this.slots) if (s.holder === id) this.#empty(s)
  }

  // expire unseats whom a round before oldest has asked in vain.
  expire (oldest) {
    for (const s of this.slots) s.seats = s.seats.filter((c) => c.asked === 0 || c.asked >= oldest)
  }

  // challengers are whom to probe in this round, dealt over their namers in turn, pushers first. The others lose their seats.
  challengers (budget, round) {
    const queues = new Map()
    const queued = new Set()
    for (const s of this.slots) {
      const [rival] = s.seats
      if (rival === undefined || rival.asked !== 0 || queued.has(rival.id)) continue
      queued.add(rival.id)
      const key = `${rival.namer.id} ${rival.namer.pushed}`
      if (!queues.has(key)) queues.set(key, { pushed: rival.namer.pushed, ids: [] })
      queues.get(key).ids.push(rival.id)
    }
    const order = [...queues.values()].sort((a, b) => Number(b.pushed) - Number(a.pushed))
    const chosen = []
    for (let turn = 0; chosen.length < Math.min(budget, queued.size); turn++) {
      for (const { ids } of order) {
        if (turn < ids.length && chosen.length < budget) chosen.push(ids[turn])
      }
    }
    for (const s of this.slots) {
      const [rival] = s.seats
      if (rival === undefined || rival.asked !== 0) continue
      if (chosen.includes(rival.id)) rival.asked = round
      else s.seats = s.seats.filter((c) => c.id !== rival.id)
    }
    return chosen
  }

  endRound () {
    if (this.fed) this.slots.forEach((s) => s.age++)
    this.fed = false
  }
}
