// The JSON Schema of the configuration, made from the zod schema: for editors (config/postern.schema.json), and to walk
// over every key there is (docs/config.md, the example's test).

import { z } from 'zod';
import { configSchema } from './schema.ts';

/** The part of JSON Schema that the configuration's schema uses. */
export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  pattern?: string;
  enum?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  required?: readonly string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | false;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
}

/** What may be written, before variables are thought of, with what `meaning` says of each key. */
export function writtenSchema(
  meaning: (key: string) => string | undefined = () => undefined,
  schema: z.ZodType = configSchema,
): JsonSchema {
  const written = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
  for (const { key, schema: described } of keyEntries(written)) {
    const description = meaning(key);
    if (description) described.description = description;
  }
  return written;
}

/** For editors: a value that has to look like something may also be `${VAR}`. */
export function editorSchema(written: JsonSchema): JsonSchema {
  return { title: 'Postern configuration', ...allowVariables(written) };
}

const VARIABLE: JsonSchema = { type: 'string', pattern: '\\$\\{' };

function allowVariables(schema: JsonSchema): JsonSchema {
  const { title, description, default: preset, ...rest } = schema;
  const outer = {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
  };
  const isScalar = rest.type !== 'object' && rest.type !== 'array' && rest.anyOf === undefined;
  const isPlainText = rest.type === 'string' && rest.pattern === undefined && rest.enum === undefined;
  if (isScalar && !isPlainText) return { ...outer, anyOf: [rest, VARIABLE] };
  return {
    ...outer,
    ...rest,
    ...(rest.properties && { properties: mapValues(rest.properties, allowVariables) }),
    ...(rest.additionalProperties && { additionalProperties: allowVariables(rest.additionalProperties) }),
    ...(rest.items && { items: allowVariables(rest.items) }),
    ...(rest.anyOf && { anyOf: rest.anyOf.map(allowVariables) }),
  };
}

function mapValues<Value, Other>(
  record: Record<string, Value>,
  change: (value: Value) => Other,
): Record<string, Other> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** One key of the configuration. */
export interface KeyEntry {
  /** `listeners[].name`, `upstreams.<name>.tls`. */
  readonly key: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** Every key that holds a value or a list of values, in the order of the schema, sections before what is in them. */
export function keyEntries(schema: JsonSchema, prefix = ''): KeyEntry[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const entry = { key, schema: child, required: schema.required?.includes(name) ?? false };
    return [entry, ...below(key, child)];
  });
}

function below(key: string, schema: JsonSchema): KeyEntry[] {
  if (schema.properties) return keyEntries(schema, key);
  if (schema.items?.properties) return keyEntries(schema.items, `${key}[]`);
  const value = schema.additionalProperties || undefined;
  return value?.properties ? keyEntries(value, `${key}.<name>`) : [];
}
