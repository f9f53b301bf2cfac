import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { faults } from './check.js'

const text = readFileSync(new URL('../../../dashboards/brahms.json', import.meta.url), 'utf8')

// Each change makes a dashboard that Grafana would not take, or would silently take otherwise than it is meant.
const CHANGES = {
  'a field that Grafana does not know': (d) => { d.refreshEvery = '15s' },
  'no schema version': (d) => { delete d.schemaVersion },
  'a time range that is a number': (d) => { d.time.from = 60 },
  'a variable of no type': (d) => { d.templating.list[0].type = 'source' },
  'a variable that is refreshed never': (d) => { d.templating.list[1].refresh = 9 },
  'a panel of no type': (d) => { d.panels[1].type = 'statistic' },
  'a panel without a type': (d) => { delete d.panels[1].type },
  'a place that is text': (d) => { d.panels[1].gridPos.w = '8' },
  'an option that the panel does not have': (d) => { d.panels[1].options.colourMode = 'value' },
  'a colour mode that there is not': (d) => { d.panels[1].options.colorMode = 'values' },
  'a legend that there is not': (d) => { d.panels[7].options.legend.displayMode = 'lists' },
  'a line that there is not': (d) => { d.panels[7].fieldConfig.defaults.custom.showPoints = 'seldom' },
  'a custom field that the panel does not have': (d) => { d.panels[7].fieldConfig.defaults.custom.lineWith = 1 },
  'a target without a query': (d) => { delete d.panels[7].targets[0].expr },
  'a target with a field too many': (d) => { d.panels[7].targets[0].query = 'up' },
  'a data source by its name': (d) => { d.panels[7].datasource = 'Prometheus' },
  'a stacking without its mode': (d) => { d.panels.find((p) => p.title === 'Refused input by reason').fieldConfig.defaults.custom.stacking = 'normal' }
}

test('Grafana knows all of the dashboard, and what it does not know is found', async (t) => {
  const changed = Object.values(CHANGES).map((change) => {
    const d = JSON.parse(text)
    change(d)
    assert.notDeepEqual(d, JSON.parse(text))
    return d
  })
  const [found, ...others] = faults([JSON.parse(text), ...changed])
  await t.test('the dashboard', () => assert.deepEqual(found, []))
  for (const [i, name] of Object.keys(CHANGES).entries()) {
    await t.test(name, () => assert.ok(others[i].length > 0))
  }
})
