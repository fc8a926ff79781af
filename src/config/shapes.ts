// How values are put together, as zod schemas that go both ways: `z.decode` makes of what is written what the rest of Postern
// sees, `z.encode` what could be written to get it.

import { z } from 'zod';
import { secretFileOf } from './marks.ts';

const WORD = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** A map with exactly these keys, and with `xFile` beside each secret `x`. The comment at a key is its documentation. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.entries(shape as Record<string, z.ZodType>).flatMap(([key, schema]) => {
    const file = secretFileOf(schema);
    return file
      ? [[key, schema] as const, [`${key}File`, file.optional()] as const]
      : [[key, schema] as const];
  });
  return z.strictObject(Object.fromEntries(keys) as unknown as Shape, { error: 'must be a map of keys' });
}

export function listOf<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: 'must be a list' });
}

/** A map from names to values. */
export function named<Value extends z.ZodType>(value: Value) {
  const name = z.string().regex(WORD, { error: 'must be a word of letters, digits, - and _' });
  return z.record(name, value, { error: 'must be a map of names' });
}

export function nameOf(what: string) {
  const error = `must be ${what}: letters, digits, - and _, at most 63`;
  return z.string({ error }).regex(WORD, { error });
}

/** What may be left out, and is null then. */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return reshaped(
    schema.optional(),
    (value) => (value ?? null) as z.output<Schema> | null,
    (value) => (value ?? undefined) as z.output<z.ZodOptional<Schema>>,
  );
}

/** Reports a key of the value, as `Written.wrongKey` does. For what only the decoded value shows; all else is a rule. */
export type WrongKey = (key: string, message: string) => void;

/**
 * The value in another shape than it is written in. Rules speak of what is written, and do not stop `decode`: it may be given
 * what they have refused, and then its result is never used.
 */
export function reshaped<Schema extends z.ZodType, Value>(
  schema: Schema,
  decode: (value: z.output<Schema>, wrongKey: WrongKey) => Value,
  encode: (value: Value) => z.output<Schema>,
) {
  return z.codec(schema, z.custom<Value>(), {
    decode: (input, { issues }) =>
      decode(input as z.output<Schema>, (key, message) => {
        issues.push({ code: 'custom', input, path: [key], message, params: { of: 'key' } });
      }) as never,
    encode: encode as never,
  });
}

/** The value with some keys given, null or not before. They stay the keys that are documented. */
export function fill<Value extends object, Key extends keyof Value>(
  value: Value,
  keys: { readonly [K in Key]: NonNullable<Value[K]> },
) {
  return { ...value, ...keys } as { [K in keyof Value]: K extends Key ? NonNullable<Value[K]> : Value[K] };
}
