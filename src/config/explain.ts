// zod's issues → problems in our words: what is wrong, from what was written; what would be right, from the schema.

import type { z } from 'zod';
import { type Path, type Problems, quote } from './problems.ts';
import { suggestion } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Keys whose values are not repeated in a message: they are secrets, or may hold one. */
const SENSITIVE = new Set(['password', 'url', 'clientSecret']);

/** A retyping of substituted text: what `${VAR}` holds is a number or a flag where the schema wants one. */
export function retype(root: unknown, issues: readonly Issue[], problems: Problems): boolean {
  let changed = false;
  for (const issue of issues) {
    if (issue.code !== 'invalid_type') continue;
    const path = issue.path as Path;
    const text = valueAt(root, path);
    if (typeof text !== 'string' || problems.markOf(path)?.substituted === undefined) continue;
    const value = issue.expected === 'boolean' ? FLAGS.get(text) : numberFrom(issue.expected, text);
    if (value === undefined) continue;
    const parent = valueAt(root, path.slice(0, -1)) as Record<string | number, unknown>;
    parent[path.at(-1) ?? ''] = value;
    changed = true;
  }
  return changed;
}

const FLAGS = new Map([
  ['true', true],
  ['false', false],
]);

function numberFrom(expected: string, text: string): number | undefined {
  return (expected === 'number' || expected === 'int') && /^-?\d{1,15}$/.test(text)
    ? Number(text)
    : undefined;
}

/** Reports every issue, each at its place. */
export function explainIssues(
  root: unknown,
  schema: z.ZodType,
  issues: readonly Issue[],
  problems: Problems,
): void {
  for (const issue of issues) explainIssue(root, schema, issue, [], problems);
}

function explainIssue(
  root: unknown,
  schema: z.ZodType,
  issue: Issue,
  prefix: Path,
  problems: Problems,
): void {
  const path: Path = [...prefix, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    for (const key of issue.keys) {
      problems.atKey([...path, key], `is not a known key, ${suggestion(key, known)}`);
    }
  } else if (issue.code === 'invalid_key') {
    problems.atKey(path, `is not a usable name, ${issue.issues[0]?.message ?? issue.message}`);
  } else if (issue.code === 'invalid_union') {
    for (const inner of bestBranch(issue.errors)) explainIssue(root, schema, inner, path, problems);
  } else {
    problems.atValue(path, `${whatIsWrong(valueAt(root, path), path, problems)}, ${issue.message}`);
  }
}

/** The alternative that was meant: the one whose mistakes lie deepest. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  return branches.find((issues) => issues.every((issue) => issue.path.length > 0)) ?? branches[0] ?? [];
}

function whatIsWrong(value: unknown, path: Path, problems: Problems): string {
  if (value === undefined) return 'is missing';
  const written = problems.markOf(path)?.substituted;
  if (written !== undefined) return `is what ${quote(written)} gives`;
  if (SENSITIVE.has(String(path.at(-1)))) return 'is not usable';
  if (value === null) return 'is empty';
  if (Array.isArray(value)) return value.length === 0 ? 'is an empty list' : 'is a list';
  if (typeof value === 'object') return 'is a map';
  return `is ${typeof value === 'string' ? quote(value) : String(value)}`;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, step)
      ? (value as Record<string | number, unknown>)[step]
      : undefined;
  }, root);
}

/** The keys that the schema knows for the map at `path`. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let at: z.core.$ZodType | undefined = schema;
  for (const step of path) at = below(unwrap(at), step);
  const { def } = unwrap(at)?._zod ?? {};
  return def && 'shape' in def ? Object.keys(def.shape as object) : [];
}

interface AnyDef {
  innerType?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
  element?: z.core.$ZodType;
  valueType?: z.core.$ZodType;
}

/** Past `optional` and defaults. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  const inner = (schema?._zod.def as AnyDef | undefined)?.innerType;
  return inner ? unwrap(inner) : schema;
}

function below(schema: z.core.$ZodType | undefined, step: string | number): z.core.$ZodType | undefined {
  const def = schema?._zod.def as AnyDef | undefined;
  return typeof step === 'number' ? def?.element : (def?.shape?.[step] ?? def?.valueType);
}
