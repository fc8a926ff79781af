// Config → what could be written to get it: for `print-config`.

import { z } from 'zod';
import { type Config, configSchema } from './schema.ts';

/** Plain values in the shape of the file, every default spelt out, secrets as a placeholder. */
export function renderConfig({ file: _, doubts: __, ...config }: Config): Record<string, unknown> {
  return render(configSchema, config as z.output<typeof configSchema>);
}

/** What could be written to get `values` by `schema`. */
export function render<Schema extends z.ZodObject>(
  schema: Schema,
  values: z.output<Schema>,
): Record<string, unknown> {
  return written(z.encode(schema, values)) as Record<string, unknown>;
}

/** Without what is left out; what looks like a variable by now was meant literally. */
function written(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', '$$$${');
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  const present = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(present.map(([key, child]) => [key, written(child)]));
}
