// The way down a schema beside a value, and what has to happen to a value before its schema decodes it.

import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { doubtOf, resolverOf, secretFileOf } from './marks.ts';
import type { Path, Problems } from './problems.ts';
import { type ReadFile, readSecretFile } from './secret-file.ts';

type Schema = z.core.$ZodType;

interface AnyDef {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly shape?: Record<string, Schema>;
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
}

const defOf = (schema: Schema) => schema._zod.def as AnyDef;

/** The schema, and what it wraps, towards what is written: past `optional`, defaults and codecs. */
export function* layers(schema: Schema | undefined): Generator<Schema> {
  for (let at = schema; at !== undefined; at = defOf(at).innerType ?? defOf(at).in) yield at;
}

/** The keys that a schema knows; none if it is of no map with keys. */
export function keysOf(schema: Schema | undefined): string[] {
  return Object.keys(core(schema)?.shape ?? {});
}

/** The schema of what stands under `step`; of alternatives, of the list. */
export function below(schema: Schema | undefined, step: string | number): Schema | undefined {
  const def = core(schema);
  const several = def?.options?.find((option) => core(option)?.type === 'array');
  if (typeof step === 'number') return several ? core(several)?.element : def?.element;
  return def?.shape && Object.hasOwn(def.shape, step) ? def.shape[step] : def?.valueType;
}

export function schemaAt(schema: Schema, path: Path): Schema | undefined {
  return path.reduce<Schema | undefined>(below, schema);
}

function core(schema: Schema | undefined): AnyDef | undefined {
  const last = [...layers(schema)].at(-1);
  return last && defOf(last);
}

function isContainer(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}

function stepsOf(value: Record<string | number, unknown>): (string | number)[] {
  return Array.isArray(value) ? [...value.keys()] : Object.keys(value);
}

const FLAGS = new Map([
  ['true', true],
  ['false', false],
]);

/** Makes numbers and flags, in place, of the text that variables gave where the schema wants those. */
export function retype(
  schema: Schema | undefined,
  value: unknown,
  problems: Problems,
  path: Path = [],
): void {
  if (!isContainer(value)) return;
  for (const step of stepsOf(value)) {
    const [child, inner, at] = [value[step], below(schema, step), [...path, step]];
    if (typeof child !== 'string') retype(inner, child, problems, at);
    else if (problems.markOf(at)?.substituted !== undefined) {
      const type = core(inner)?.type;
      if (type === 'boolean') value[step] = FLAGS.get(child) ?? child;
      if (type === 'number' && /^-?\d{1,15}$/.test(child)) value[step] = Number(child);
    }
  }
}

export interface Files {
  /** What paths are relative to. */
  readonly directory: string;
  readonly readFile: ReadFile;
}

/**
 * A copy with absolute paths, and with each secret that is in a file in the place of the file's path; known keys without a
 * value are left out. What cannot be read is among the problems, and left out.
 */
export function bind(
  schema: Schema | undefined,
  value: unknown,
  files: Files,
  problems: Problems,
  path: Path = [],
): unknown {
  if (typeof value === 'string') {
    for (const layer of layers(schema)) {
      const doubt = doubtOf(layer)?.(value);
      if (doubt !== undefined) problems.doubt(path, doubt);
      const absolute = resolverOf(layer);
      if (absolute) return absolute(value, (written) => resolve(files.directory, written));
    }
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => bind(below(schema, index), item, files, problems, [...path, index]));
  }
  if (!isContainer(value)) return value;
  const known = new Set(keysOf(schema));
  const bound = Object.entries(value)
    .filter(([key, child]) => child !== undefined || !known.has(key))
    .map(([key, child]) => [key, bind(below(schema, key), child, files, problems, [...path, key])] as const);
  const map: Record<string, unknown> = Object.fromEntries(bound);
  for (const key of known) {
    const secret = below(schema, key);
    const file = `${key}File`;
    if (!secret || !secretFileOf(secret) || typeof map[file] !== 'string') continue;
    const at = [...path, file];
    if (map[key] !== undefined) {
      problems.atKey(at, `is set beside ${key}, must be the only one of the two`);
    } else if (map[file] !== '' && !problems.has(at)) {
      const isSubstituted = problems.markOf(at)?.substituted !== undefined;
      const where = isSubstituted ? undefined : placeOf(String(value[file]), files.directory);
      map[key] = readSecretFile(map[file], files.readFile, (message) => problems.atValue(at, message), where);
    }
    if (map[file] !== '') delete map[file];
    if (map[key] === undefined) delete map[key];
  }
  return map;
}

/**
 * Where a secret's file was looked for. What may be the secret itself, in the place of its file's path, is not said: of what does not
 * begin as a path does, only the directory; nothing of what is absolute, which tells its place where it stands.
 */
function placeOf(written: string, directory: string): string | undefined {
  if (isAbsolute(written)) return undefined;
  return /^\.{1,2}\//.test(written) ? resolve(directory, written) : `looked for in ${directory}`;
}
