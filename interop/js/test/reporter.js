// Prints a line for each test and what failed, and keeps the results for bin/testsum: subtests belong to their test.

import { appendFileSync, writeFileSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export default async function * report (source) {
  const file = process.env.INTEROP_RESULTS
  const name = relative(root, process.cwd()) // where the tests are
  if (file) writeFileSync(file, '')
  const count = { pass: 0, fail: 0, sub: 0 }
  for await (const { type, data } of source) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const result = type === 'test:pass' ? 'pass' : 'fail'
    const where = basename(data.file ?? '')
    if (result === 'fail') {
      const error = data.details?.error
      yield `--- FAIL: ${where} ${data.name}\n${error?.cause?.stack ?? error?.stack ?? error}\n`
    }
    if (data.nesting > 0) {
      count.sub++
      continue
    }
    count[result]++
    if (result === 'pass') yield `ok  ${where}  ${data.name}  ${Math.round(data.details.duration_ms)} ms\n`
    if (file) appendFileSync(file, `${result} ${name}/${where} ${data.name}\n`)
  }
  yield `${name}: ${count.pass} passed, ${count.fail} failed, with ${count.sub} subtests\n`
}
