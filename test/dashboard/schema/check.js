// Checks dashboards against the types of Grafana's own schema, as they are in the package @grafana/schema that Grafana is built with.
// TypeScript does the work: a dashboard is written down as a literal of that type, in which a field that Grafana does not know, a
// value of the wrong type and one that is not in an enumeration are errors.

import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const HERE = fileURLToPath(new URL('.', import.meta.url))

// Json is a type as it is in JSON, where the members of an enumeration are their values. The query is that of the data source
// Prometheus, whose types stand in a package of their own.
const TYPES = `
import type { AnnotationContainer, Dashboard, DataSourceRef, FieldConfig, FieldConfigSource, GraphFieldConfig, Panel, RowPanel } from '@grafana/schema'
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen'
import type { Options as TimeSeriesOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen'
type Json<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Array<Json<U>> : T extends object ? { [K in keyof T]: Json<T[K]> } : T
interface Query {
  refId: string, expr: string, datasource: DataSourceRef, legendFormat?: string, range?: boolean, instant?: boolean, exemplar?: boolean,
  interval?: string, hide?: boolean, format?: 'time_series' | 'table' | 'heatmap', editorMode?: 'code' | 'builder'
}
type Shown<Type, Options, Custom> = Json<Omit<Panel, 'type' | 'options' | 'targets' | 'fieldConfig'> & {
  type: Type, options: Partial<Options>, targets: Query[], fieldConfig: { defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Custom> }, overrides: FieldConfigSource['overrides'] }
}>
type Types = {
  row: Json<RowPanel>, stat: Shown<'stat', StatOptions, {}>, timeseries: Shown<'timeseries', TimeSeriesOptions, GraphFieldConfig>
  dashboard: Json<Omit<Dashboard, 'panels' | 'annotations'> & { annotations?: AnnotationContainer }> & { panels: [] }
}
`

const KNOWN = ['row', 'stat', 'timeseries']

// sourceOf writes a dashboard down as a module: each panel for itself, so that an error names the panel, and the rest without them.
function sourceOf ({ panels, ...rest }) {
  const lines = [TYPES, `const dashboard: Types['dashboard'] = ${JSON.stringify({ ...rest, panels: [] }, null, 1)}`]
  for (const [i, panel] of panels.entries()) {
    const type = KNOWN.includes(panel.type) ? panel.type : 'unknown panel ' + panel.type
    lines.push(`const panel${i}: Types['${type}'] = ${JSON.stringify(panel, null, 1)}`)
  }
  return lines.join('\n') + '\nexport {}\n'
}

// faults lists what is wrong with each of the dashboards: texts, none for one that Grafana knows all of.
export function faults (dashboards) {
  const files = new Map(dashboards.map((d, i) => [`${HERE}dashboard${i}.ts`, sourceOf(d)]))
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  Object.assign(host, {
    fileExists: (name) => files.has(name) || fileExists(name),
    readFile: (name) => files.get(name) ?? readFile(name),
    getSourceFile: (name, version, ...more) => files.has(name) ? ts.createSourceFile(name, files.get(name), version) : getSourceFile(name, version, ...more)
  })
  const program = ts.createProgram([...files.keys()], options, host)
  const general = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()]
  const text = (d) => {
    const at = d.file === undefined ? '' : d.file.text.slice(d.start, d.start + d.length).slice(0, 60) + ': '
    return at + ts.flattenDiagnosticMessageText(d.messageText, '\n')
  }
  return [...files.keys()].map((name) => {
    const file = program.getSourceFile(name)
    return [...general, ...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(text)
  })
}
