// docs/config.md, made from the schema.

import { type JsonSchema, type KeyEntry, keyEntries } from './json-schema.ts';

const INTRODUCTION = `# Configuration

<!-- Made by \`node src/config/generate.ts\` from src/config/sections/. Change it there. -->

Postern reads one YAML file: \`--config FILE\`, else the one that \`$POSTERN_CONFIG\` names, else \`config/postern.yaml\`.
[\`config/postern.example.yaml\`](../config/postern.example.yaml) shows every key;
[\`config/postern.schema.json\`](../config/postern.schema.json) lets an editor complete and check them.

\`postern check-config\` prints every mistake at once, as \`postern.yaml:LINE:COLUMN section.key: what is wrong, what would be
right\`, and what deserves a second look. \`postern print-config\` prints what is in effect, without secrets. Unknown keys are
mistakes. A key without a value is the same as one that is left out. Commands on app passwords, users, sessions and the throttle
read the sections that they need alone: variables and secrets of others do not have to be at hand.

## How values are written

${table([
  ['kind', 'written as'],
  ['duration', 'a whole number and a unit: `500ms`, `60s`, `35m`, `1h`, `90d`'],
  ['size', 'a whole number and a unit: `512KiB`, `50MiB`'],
  ['path', "absolute, or relative to the configuration file's directory"],
  ['host:port', '`imap.internal:993`, `192.0.2.7:993`, `"[2001:db8::7]:993"`'],
  ['network', 'an address, or a network in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`'],
  ['secret', 'text, or, better, in a file: every secret `x` can be left out in favour of `xFile`'],
]).join('\n')}

**Variables.** \`\${VAR}\` in a value is replaced by the environment variable, \`\${VAR:-default}\` by the default if it is not set
or empty; \`$\${\` is a literal \`\${\`. What a variable holds is never read as YAML. Between braces or brackets, put quotes around it:
\`{ connections: "\${CONNECTIONS}" }\`.

**Secret files** hold the secret on one line and must be closed to other users (\`chmod o= FILE\`; in Kubernetes,
\`defaultMode: 0440\` and \`fsGroup\`).
`;

/** The whole document. */
export function configReference(written: JsonSchema): string {
  const entries = keyEntries(written);
  const sections = entries.filter(({ key }) => !/[.[]/.test(key));
  const tables = sections.map((section) => {
    const rows = entries.filter(
      ({ key }) => key.startsWith(`${section.key}.`) || key.startsWith(`${section.key}[`),
    );
    return sectionText(section, rows.length > 0 ? rows : [section]);
  });
  return [INTRODUCTION, ...tables].join('\n');
}

function sectionText(section: KeyEntry, rows: readonly KeyEntry[]): string {
  const values = rows.filter(({ schema }) => schema.type !== 'object' || schema.description);
  return [
    `## \`${section.key}\``,
    '',
    `${section.schema.description ?? ''}${section.required ? ' Required.' : ''}`,
    '',
    ...table([['key', 'type', 'default', 'meaning'], ...values.map(cells)]),
    '',
  ].join('\n');
}

function cells({ key, schema, required }: KeyEntry): string[] {
  const preset = JSON.stringify(schema.default)?.replace(/^"|"$/g, '');
  const shown = required ? 'required' : preset === undefined ? 'optional' : `\`${preset}\``;
  return [`\`${key}\``, typeName(schema), shown, schema.description ?? ''];
}

/** A Markdown table, padded as Biome pads it. */
function table(rows: readonly (readonly string[])[]): string[] {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = (escaped[0] ?? []).map((_, column) =>
    Math.max(3, ...escaped.map((row) => row[column]?.length ?? 0)),
  );
  const [head = '', ...body] = escaped.map((row) => {
    return `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  });
  return [head, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body];
}

function typeName(schema: JsonSchema): string {
  if (schema.title) return schema.title;
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'array') return `list of ${typeName(schema.items ?? {})}s`;
  if (schema.type === 'object') return 'map';
  return schema.type === 'boolean' ? '`true`, `false`' : 'text';
}
