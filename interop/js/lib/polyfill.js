// js-libp2p 3 needs Promise.withResolvers, which Node has from version 22 on. Imported before anything of libp2p.
Promise.withResolvers ??= function withResolvers () {
  let resolve, reject
  const promise = new this((yes, no) => { resolve = yes; reject = no })
  return { promise, resolve, reject }
}
