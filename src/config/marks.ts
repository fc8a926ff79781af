// What schemas say beyond what zod knows: which texts are paths, which are secrets and where their file is named, which must
// not be repeated. Known by the schema itself, so it has to be registered after the last of its checks.

import type { z } from 'zod';

type Schema = z.core.$ZodType;
type Resolve = (text: string, absolute: (path: string) => string) => string;

/** What deserves a second look in a text that is right. */
type Doubt = (text: string) => string | undefined;

const resolvers = new WeakMap<Schema, Resolve>();
const secretFiles = new WeakMap<Schema, z.ZodType>();
const sensitive = new WeakSet<Schema>();
const doubts = new WeakMap<Schema, Doubt>();

/** A text in which a path is made absolute, against the directory of the configuration file. */
export function withPath<T extends Schema>(schema: T, resolve: Resolve): T {
  resolvers.set(schema, resolve);
  return schema;
}

export function resolverOf(schema: Schema): Resolve | undefined {
  return resolvers.get(schema);
}

/** A secret, and the path that may stand in its place. */
export function withSecretFile<T extends Schema>(schema: T, file: z.ZodType): T {
  secretFiles.set(schema, file);
  return notRepeated(schema);
}

export function secretFileOf(schema: Schema): z.ZodType | undefined {
  return secretFiles.get(schema);
}

/** A value that messages do not repeat: it is a secret, or may hold one. */
export function notRepeated<T extends Schema>(schema: T): T {
  sensitive.add(schema);
  return schema;
}

export function withDoubt<T extends Schema>(schema: T, doubt: Doubt): T {
  doubts.set(schema, doubt);
  return schema;
}

export function doubtOf(schema: Schema): Doubt | undefined {
  return doubts.get(schema);
}

export function isSensitive(schema: Schema): boolean {
  return sensitive.has(schema);
}
