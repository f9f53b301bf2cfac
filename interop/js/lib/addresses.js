// Which addresses of a record that a third party passed on are used (the section on addresses of the specification).

import { BlockList, isIP } from 'node:net'

const ranges = (...list) => {
  const block = new BlockList()
  for (const range of list) {
    const [address, bits] = range.split('/')
    block.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return (ip) => block.check(ip, isIP(ip) === 4 ? 'ipv4' : 'ipv6')
}
const isLoopback = ranges('127.0.0.0/8', '::1/128')
const isPrivate = ranges('0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'fc00::/7', 'fe80::/10',
  'ff00::/8', '100::/64', '2001:db8::/32')
const isNAT64 = ranges('64:ff9b::/96')

// usable returns the addresses that may be used of those in a record of the peer id, without a final /p2p.
export function usable (addrs, id, { allowPrivate, overLoopback }) {
  const out = []
  for (const addr of addrs) {
    const parts = addr.getComponents()
    const last = parts.at(-1)
    if (last?.name === 'p2p') {
      if (last.value !== id) continue
      parts.pop()
    }
    const [first] = parts
    if (first === undefined || !['ip4', 'ip6'].includes(first.name)) continue // a name, or a bare /p2p-circuit
    const ip = first.value
    if (isNAT64(ip) || (isLoopback(ip) ? !(overLoopback && allowPrivate) : isPrivate(ip) && !allowPrivate)) continue
    out.push(last?.name === 'p2p' ? addr.decapsulate(`/p2p/${id}`) : addr)
  }
  return out
}

// isLoopbackAddr reports whether an address is one of this machine's own.
export function isLoopbackAddr (addr) {
  const [first] = addr.getComponents()
  return ['ip4', 'ip6'].includes(first?.name) && isLoopback(first.value)
}
