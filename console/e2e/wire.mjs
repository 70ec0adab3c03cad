// Whether what the console believes of the wire is what the server says: its types, and the answers of the mock that its
// stories run against, are held against docs/reference/openapi.json. Both are written by hand, and drift unseen.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { start } from './mock.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const api = JSON.parse(readFileSync(at('../../docs/reference/openapi.json'), 'utf8'));
const schemas = api.components.schemas;
const wrong = [];

const named = (schema) => (schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)]);

/** The type of a schema in TypeScript, without `null`; and whether `null` is one of its values. */
function typed(schema) {
  if (schema.$ref !== undefined) return [schema.$ref.split('/').at(-1), false];
  if (schema.oneOf !== undefined) {
    const others = schema.oneOf.filter((one) => one.type !== 'null');
    return [others.map((one) => typed(one)[0]).join(' | '), others.length < schema.oneOf.length];
  }
  const types = [schema.type ?? []].flat();
  const [type] = types.filter((one) => one !== 'null');
  const words = { string: 'string', boolean: 'boolean', integer: 'number', number: 'number' };
  const text =
    type === undefined ? 'Json'
    : type === 'array' ? `${typed(schema.items)[0]}[]`
    : type === 'object' ? `Record<string, ${typed(schema.additionalProperties ?? {})[0]}>`
    : words[type];
  return [text, types.includes('null')];
}

const file = ts.createSourceFile('types.ts', readFileSync(at('../src/api/types.ts'), 'utf8'), ts.ScriptTarget.Latest);
let interfaces = 0;
file.forEachChild((node) => {
  if (!ts.isInterfaceDeclaration(node)) return;
  const name = node.name.text;
  const schema = schemas[name] ?? (name === 'Page' ? schemas.Page_Run : undefined);
  if (schema === undefined) {
    wrong.push(`types.ts: the API has no \`${name}\``);
    return;
  }
  interfaces += 1;
  for (const member of node.members) {
    const field = member.name.getText(file);
    const place = `types.ts: \`${name}.${field}\``;
    const told = schema.properties?.[field];
    if (told === undefined) {
      wrong.push(`${place}: the API has no such field`);
      continue;
    }
    const parts = member.type.getText(file).replace(/\s+/g, ' ').split(' | ');
    const mine = parts.filter((part) => part !== 'null').join(' | ');
    const [theirs, nullable] = typed(told);
    if (mine !== theirs && name !== 'Page') wrong.push(`${place} is \`${mine}\`, the API says \`${theirs}\``);
    const sure = schema.required?.includes(field) === true;
    const open = parts.includes('null') || member.questionToken !== undefined || mine === 'Json';
    if ((nullable || !sure) && !open) wrong.push(`${place} may be missing or null`);
  }
});

/** Where a value is not what the schema says. */
function check(place, value, schema, found) {
  if (schema.$ref !== undefined) return check(place, value, named(schema), found);
  if (schema.oneOf !== undefined) {
    const tries = schema.oneOf.map((one) => check(place, value, one, []));
    if (!tries.some((one) => one.length === 0)) found.push(...tries[0]);
    return found;
  }
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return found;
  const is = { null: value === null, string: typeof value === 'string', boolean: typeof value === 'boolean', integer: Number.isInteger(value), number: typeof value === 'number', array: Array.isArray(value), object: typeof value === 'object' && value !== null && !Array.isArray(value) };
  if (!types.some((type) => is[type])) {
    found.push(`${place} is ${JSON.stringify(value)}, not ${types.join(' or ')}`);
  } else if (is.array) {
    value.forEach((item, n) => check(`${place}[${n}]`, item, schema.items ?? {}, found));
  } else if (is.object) {
    for (const field of schema.required ?? []) if (!(field in value)) found.push(`${place} has no \`${field}\``);
    for (const [field, item] of Object.entries(value)) {
      const told = schema.properties?.[field] ?? schema.additionalProperties;
      if (told === undefined) found.push(`${place}: the API has no \`${field}\``);
      else check(`${place}.${field}`, item, told, found);
    }
  }
  return found;
}

const mock = await start();
const READ = [
  ['/v1/me'], ['/v1/agents'], ['/v1/status'], ['/v1/approvals'], ['/v1/approvals/{approval}', 'apr_0', 'apr_3'], ['/v1/runs'], ['/v1/runs/{run}', 'run_1', 'run_4'], ['/v1/runs/{run}/actions', 'run_1'],
  ['/v1/actions'], ['/v1/actions/{action}', 'act_0', 'act_3'], ['/v1/actions/{action}/explain', 'act_0', 'act_1', 'act_3', 'act_4'],
];
let answers = 0;
for (const scene of [{}, { rows: 0 }, { setup: true, mayAnswer: false }]) {
  for (const [path, ...ids] of READ) {
    const schema = api.paths[path].get.responses['200'].content['application/json'].schema;
    for (const id of ids.length === 0 ? [''] : ids) {
      mock.scene(scene);
      const body = await (await fetch(mock.url + path.replace(/\{\w+\}/, id))).json();
      wrong.push(...check(`mock: ${path}`, body, schema, []));
      answers += 1;
    }
  }
}
await mock.close();
// The codes of its problems have pages.
for (const [, code] of readFileSync(at('./mock.mjs'), 'utf8').matchAll(/problem\(response, [^,]+, '(\w+)'/g)) {
  if (!existsSync(at(`../../docs/errors/${code}.md`))) wrong.push(`mock: the API has no code \`${code}\``);
}
for (const line of new Set(wrong)) console.error(line);
if (wrong.length > 0) process.exit(1);
console.log(`wire: ${interfaces} types and ${answers} answers of the mock are as the API has them`);
