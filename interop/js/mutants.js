// Takes one check of input after the other out of one of the two implementations, and demands that the test of the bytes which it is
// for fails: with all of them in place each passes. The sources stay as they are: js is changed in a copy, and brahms-p2p is built
// from an overlay.
//
//	node mutants.js [js|go [NUMBER...]]
//
// A check that stands behind another one for the same bytes is not among them: one of the two may go.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { badRequests } from './test/cases.js'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')

// Each mutant: the file, what stands there once, what stands there then, and the test that must fail. Tests of tokens and of lies have
// no bytes of their own: it is the whole test.
const off = (condition) => [`if (${condition})`, `if (false && (${condition}))`]
const js = (file, [from, to], test) => ({ file: `interop/js/lib/${file}`, from, to, test, suite: 'refused-by-js' })
const free = (field, limit, then = '') => [`${field}, kind: bytes(LIMITS.${limit})${then}`, `${field}, kind: bytes(2 ** 30)${then}`]
const token = (change) => ({ ...js('token.js', change, 'tokens that js refuses'), suite: 'tokens' })

const JS = [
  js('frames.js', off('length.value > BigInt(max)'), 'push: a push over its limit'),
  js('frames.js', off('!length.minimal'), 'push: a length that is not minimal'),
  js('frames.js', off('await this.#has(1)'), 'pull: bytes after the pull'),
  js('frames.js', off('!await this.#has(end)'), 'push: a push cut short'),
  js('protobuf.js', off('wire !== f.kind.wire'), 'push: record as a number'),
  js('protobuf.js', off('seen.has(number) && !f.repeated'), 'push: record twice'),
  js('protobuf.js', off('f.counted !== undefined && (total.sum += value) > BigInt(f.counted)'), 'pull: counts 200 and 57'),
  js('protobuf.js', off('f.required && out[f.name] === undefined'), 'pull: entry without count'),
  js('protobuf.js', off('number < 1 || number > 2 ** 31 - 1'), 'push: field number 0'),
  js('protobuf.js', off('size > b.length - at'), 'push: truncated field'),
  js('protobuf.js', ["throw malformed(`field ${number} has wire type ${wire}`)", 'size = 0'], 'push: a group'),
  js('messages.js', free("name: 'seed'", 'MaxSeedSize'), 'push: a seed over its limit'),
  js('messages.js', ["challenge = message({\n  1: { name: 'scheme', kind: uint32 }", "challenge = message({\n  1: { name: 'scheme', kind: uint64 }"],
    'push: a challenge with a scheme of 33 bits'),
  js('messages.js', ["name: 'bits', kind: uint32", "name: 'bits', kind: uint64"], 'push: a challenge with bits of 33 bits'),
  js('messages.js', ["token = message({\n  1: { name: 'scheme', kind: uint32 }", "token = message({\n  1: { name: 'scheme', kind: uint64 }"], 'push: scheme of 33 bits'),
  js('messages.js', free("3: { name: 'nonce'", 'MaxNonceSize'), 'push: a nonce over its limit'),
  js('messages.js', free("name: 'solution'", 'MaxSolutionSize'), 'push: solution of 65 bytes'),
  js('messages.js', free("name: 'record'", 'MaxRecordSize', ', required'), 'pull: a record over its limit'),
  js('messages.js', free("name: 'record'", 'MaxRecordSize', ' }, 2'), 'push: a record over its limit'),
  js('messages.js', free("1: { name: 'nonce'", 'MaxNonceSize'), 'probe: a nonce over its limit'),
  js('messages.js', free("name: 'target'", 'MaxPeerIDSize'), 'probe: a target over its limit'),
  js('messages.js', free("name: 'asker'", 'MaxPeerIDSize'), 'probe: an asker over its limit'),
  js('messages.js', free("name: 'signature'", 'MaxSignatureSize'), 'probe: a signature over its limit'),
  js('messages.js', free("name: 'target_signature'", 'MaxSignatureSize'), 'probe: a signature of the target over its limit'),
  js('messages.js', off('m.sign && (m.nonce?.length ?? 0) < LIMITS.MinNonceSize'), 'probe: nonce of 15 bytes to sign'),
  js('messages.js', off('id !== undefined && peerIdOf(id) === undefined'), 'probe: an asker that is no peer id'),
  js('messages.js', ['[TAKEN, NEEDS_TOKEN, NO_RESOURCES, LEAVING]', 'undefined'], 'push: no status'),
  js('messages.js', ['[TAKEN, NO_RESOURCES, LEAVING]', 'undefined'], 'pull: asks for a token'),
  js('messages.js', ['[ALIVE, LEAVING]', 'undefined'], 'probe: does not know itself'),
  js('record.js', off('!equal(type, PAYLOAD_TYPE)'), 'push: a record of another type'),
  js('record.js', ['await RecordEnvelope.openAndCertify(raw, PeerRecord.DOMAIN)', 'await RecordEnvelope'], 'push: a changed signature'),
  js('record.js', off('!equal(record.id, idOfKey(publicKey))'), 'push: a record signed by another key'),
  js('record.js', off('!equal(key, publicKeyToProtobuf(publicKey))'), 'push: a key with one more field'),
  js('record.js', off('raw[at] !== (number << 3 | 2)'), 'push: fields of a record in another order'),
  js('record.js', off('!length.minimal'), 'push: a record with a length that is not minimal'),
  js('record.js', off('at < raw.length'), 'push: a field after the signature'),
  js('record.js', off('++count > LIMITS.MaxRecordAddrs'), 'push: 17 addresses'),
  js('addresses.js', ['if (last.value !== id) continue', ''], 'pull: an address of another peer'),
  js('addresses.js', [" || !['ip4', 'ip6'].includes(first.name)", ''], 'pull: a name for an address'),
  js('peer.js', off('record.addrs.length === 0'), 'pull: no address'),
  js('peer.js', off('asked && hello'), 'push: a second hello'),
  js('peer.js', off('!equal(record.id, from)'), 'push: the record of somebody else'),
  js('peer.js', [' || ++unverified > MAX_UNVERIFIED', ''], 'more than a few records that do not verify'),
  js('peer.js', ['checkChallenge(answer.challenge, this.bits)', ''], 'challenges, and a helper that lies'),
  js('peer.js', off('!answer.target_signature?.length'), 'challenges, and a helper that lies'),
  js('peer.js', off('!await verifyProbe(publicKey, proof, answer.target_signature)'), 'challenges, and a helper that lies'),
  token(off('token === undefined')),
  token(off('token.scheme !== SCHEME')),
  token(['token.nonce?.length !== NONCE_SIZE || ', '']),
  token([' || token.solution !== undefined', '']),
  token(off('e === undefined')),
  token(off('e.taken.has(hex(sender))')),
  token(off('!holds(base, token.nonce, this.bits)'))
]

const go = (file, [from, to], test) => ({ file, from, to, test, suite: 'refused-by-go' })
const never = (condition) => [`${condition} {`, `false && (${condition}) {`]
const anySize = (field, limit, then = '}') => [`${field}, max: ${limit}${then}`, `${field}, max: math.MaxUint64${then}`]
const known = (answer) => [`return fmt.Errorf("%w: ${answer} answer with %v", ErrUnknownStatus, m.Status)`, 'return nil']
const bytes = (name) => `name: "${name}", typ: protowire.BytesType`
const number = (name) => `name: "${name}", typ: protowire.VarintType`
const scan = 'protocol/wire/scan.go'
const issuer = (change, test) => ({ ...go('protocol/token/issuer.go', change, test), suite: 'tokens' })

const GO = [
  go('protocol/wire/frame.go', never('max < 0 || n > uint64(max)'), 'push: a push over its limit'),
  go('protocol/wire/frame.go', ['return ErrTrailing', 'return nil'], 'pull: bytes after the pull'),
  go(scan, ['case typ != f.typ:', 'case false:'], 'push: record as a number'),
  go(scan, ['case seen&bit != 0 && !f.repeated:', 'case false:'], 'push: record twice'),
  go(scan, ['*total > MaxEntries {', 'false {'], 'pull: counts 200 and 57'),
  go(scan, never('s[num].required && filled&(1<<num) == 0').map((s) => 'if ' + s), 'pull: entry without count'),
  go(scan, anySize(bytes('seed'), 'MaxSeedSize'), 'push: a seed over its limit'),
  go(scan, anySize(`challengeSchema = schema{\n\t\t1: {${number('scheme')}`, 'math.MaxUint32'), 'push: a challenge with a scheme of 33 bits'),
  go(scan, anySize(number('bits'), 'math.MaxUint32'), 'push: a challenge with bits of 33 bits'),
  go(scan, anySize(`tokenSchema = schema{\n\t\t1: {${number('scheme')}`, 'math.MaxUint32'), 'push: scheme of 33 bits'),
  go(scan, anySize(`3: {${bytes('nonce')}`, 'MaxNonceSize'), 'push: a nonce over its limit'),
  go(scan, anySize(bytes('solution'), 'MaxSolutionSize'), 'push: solution of 65 bytes'),
  go(scan, anySize(bytes('record'), 'MaxRecordSize', ', required'), 'pull: a record over its limit'),
  go(scan, anySize(bytes('record'), 'MaxRecordSize'), 'push: a record over its limit'),
  go(scan, anySize(`1: {${bytes('nonce')}`, 'MaxNonceSize'), 'probe: a nonce over its limit'),
  go(scan, anySize(bytes('target'), 'MaxPeerIDSize'), 'probe: a target over its limit'),
  go(scan, anySize(bytes('asker'), 'MaxPeerIDSize'), 'probe: an asker over its limit'),
  go(scan, anySize(bytes('signature'), 'MaxSignatureSize'), 'probe: a signature over its limit'),
  go(scan, anySize(bytes('target_signature'), 'MaxSignatureSize'), 'probe: a signature of the target over its limit'),
  go('protocol/wire/codec.go', ['peer.IDFromBytes([]byte(id)); err != nil {', 'peer.IDFromBytes([]byte(id)); false && err != nil {'], 'probe: an asker that is no peer id'),
  go('protocol/wire/codec.go', known('push'), 'push: no status'),
  go('protocol/wire/codec.go', known('pull'), 'pull: asks for a token'),
  go('protocol/wire/codec.go', known('probe'), 'probe: does not know itself'),
  go('protocol/wire/record.go', never('!pr.PeerID.MatchesPublicKey(env.PublicKey)'), 'push: a record signed by another key'),
  go('protocol/wire/record.go', ['if verify {', 'if false {'], 'push: a changed signature'),
  go('protocol/wire/record.go', ['addrs > MaxRecordAddrs {', 'addrs < 0 {'], 'push: 17 addresses'),
  go('protocol/wire/record.go', ['err != nil || !bytes.Equal(key, canonical) {', 'false && (err != nil || !bytes.Equal(key, canonical)) {'], 'push: a key with one more field'),
  go('protocol/wire/record.go', never('raw[0] != byte(protowire.EncodeTag(num, protowire.BytesType))'), 'push: fields of a record in another order'),
  go('protocol/wire/record.go', never('errors.Is(err, varint.ErrNotMinimal)'), 'push: a record with a length that is not minimal'),
  go('protocol/wire/record.go', ['if len(raw) > 0 {', 'if false {'], 'push: a field after the signature'),
  go('host/serve.go', never('asked && req.IsHello()'), 'push: a second hello'),
  go('host/book.go', never('s.from == fromFirstHand && s.id != by'), 'push: the record of somebody else'),
  issuer(['case t == nil:', 'case false:'], 'token_missing 0'),
  issuer(['case t.Scheme != SHA256:', 'case false:'], 'token_scheme 1'),
  issuer(['case len(t.Nonce) != NonceSize || len(t.Solution) != 0:', 'case len(t.Solution) != 0:'], 'token_size 2'),
  issuer(['case len(t.Nonce) != NonceSize || len(t.Solution) != 0:', 'case len(t.Nonce) != NonceSize:'], 'token_size 3'),
  issuer(['case t.Epoch < i.first || t.Epoch > i.epoch:', 'case false:'], 'token_epoch 4'),
  issuer(never('a.zeros() < i.bits'), 'token_proof 5'),
  issuer(['if _, used := taken[sender]; used {', 'if _, used := taken[sender]; false && used {'], 'token_replayed')
]

const work = mkdtempSync(join(tmpdir(), 'mutants-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

// copy is a root with the js peer and its tests in it, which may be changed.
const copy = join(work, 'root')
mkdirSync(join(copy, 'interop', 'js'), { recursive: true })
for (const part of ['bin', 'protocol', 'sampler']) symlinkSync(join(root, part), join(copy, part))
for (const part of ['lib', 'test', 'package.json']) cpSync(join(here, part), join(copy, 'interop', 'js', part), { recursive: true })
symlinkSync(join(here, 'node_modules'), join(copy, 'interop', 'js', 'node_modules'))

const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

// around is the test that a test is a part of; of tokens and lies it is none. All parts of it run.
const requests = new Set((await badRequests(new Uint8Array(32).fill(7))).map(({ kind, name }) => `${kind}: ${name}`))
function around (suite, test) {
  if (suite === 'tokens') return 'tokens that brahms-p2p refuses'
  if (requests.has(test)) return 'requests'
  return suite === 'refused-by-go' && test.startsWith('probe: ') ? 'answers to probes' : 'answers'
}

// failed runs the named tests of a suite and returns which of them failed, and what was printed.
function failed (suite, names, env) {
  const patterns = [...new Set(names.flatMap((n) => [n, around(suite, n)]))].map((n) => `--test-name-pattern=^${literally(n)}$`)
  const { status, stdout, stderr, error } = spawnSync('node', ['--test', '--test-reporter=./test/reporter.js', '--test-reporter-destination=stdout',
    ...patterns, `test/${suite}.test.js`], { cwd: join(copy, 'interop', 'js'), encoding: 'utf8', timeout: 120000, env: { ...process.env, INTEROP_RESULTS: '', ...env } })
  if (error) throw error
  const which = [...stdout.matchAll(/^--- FAIL: \S+ (.*)$/gm)].map((m) => m[1])
  return { status, which, text: stdout + stderr }
}

// mutate returns a file of the sources with the change in it.
function mutate ({ file, from, to }) {
  const source = readFileSync(join(root, file), 'utf8')
  if (source.split(from).length !== 2) throw new Error(`${file}: ${JSON.stringify(from)} must stand there once`)
  return source.replace(from, () => to)
}

// build builds brahms-p2p with another text of one file.
function build (file, text) {
  writeFileSync(join(work, 'changed.go'), text)
  writeFileSync(join(work, 'overlay.json'), JSON.stringify({ Replace: { [join(root, file)]: join(work, 'changed.go') } }))
  const out = join(work, 'brahms-p2p')
  const { status, stderr } = spawnSync('go', ['build', '-overlay', join(work, 'overlay.json'), '-o', out, './cmd/brahms-p2p'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file} does not build: ${stderr}`)
  return out
}

// PATIENCE is how long a test waits for what a mutant does not do, in ms.
const PATIENCE = '4000'

function survives (m) {
  const text = mutate(m)
  const env = { INTEROP_PATIENCE: PATIENCE }
  if (m.file.startsWith('interop/js/')) writeFileSync(join(copy, m.file), text)
  else env.BRAHMS_P2P = build(m.file, text)
  try {
    const { which, text } = failed(m.suite, [m.test], env)
    return which.includes(m.test) ? '' : `its test passes: ${text.slice(-1500)}`
  } finally {
    if (m.file.startsWith('interop/js/')) cpSync(join(root, m.file), join(copy, m.file))
  }
}

const [language, ...numbers] = process.argv.slice(2)
const lists = { js: JS, go: GO }
if (language !== undefined && lists[language] === undefined) throw new Error(`${language} must be js or go`)
let bad = 0
let all = 0
for (const [name, list] of Object.entries(lists)) {
  if (language !== undefined && language !== name) continue
  const chosen = [...list.entries()].filter(([i]) => numbers.length === 0 || numbers.includes(String(i)))
  for (const suite of new Set(chosen.map(([, m]) => m.suite))) {
    const names = [...new Set(chosen.filter(([, m]) => m.suite === suite).map(([, m]) => m.test))]
    const { status, text } = failed(suite, names, {})
    if (status !== 0) throw new Error(`with all checks ${suite} fails: ${text}`)
    console.log(`${name}: with all checks ${names.length} tests of ${suite} pass`)
  }
  for (const [i, m] of chosen) {
    const why = survives(m)
    all++
    if (why !== '') bad++
    console.log(`${name} ${i} ${m.file}: ${m.test}: ${why === '' ? 'fails, as it must' : `SURVIVES: ${why}`}`)
  }
}
console.log(`${all} checks taken out, ${bad} of them unnoticed`)
process.exitCode = bad === 0 ? 0 : 1
