// zod's issues → problems in our words: what is wrong, from what was written; what would be right, from the schema.

import type { z } from 'zod';
import { isSensitive } from './marks.ts';
import { type Path, type Problems, quote } from './problems.ts';
import { suggestion } from './suggest.ts';
import { keysOf, layers, schemaAt } from './walk.ts';

type Issue = z.core.$ZodIssue;

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
  const path = placeOf([...prefix, ...(issue.path as Path)], problems);
  if (issue.code === 'unrecognized_keys') {
    const known = keysOf(schemaAt(schema, path));
    for (const key of issue.keys) {
      problems.atKey([...path, key], `is not a known key, ${suggestion(key, known)}`);
    }
  } else if (issue.code === 'invalid_key') {
    problems.atKey(path, `is not a usable name, ${issue.issues[0]?.message ?? issue.message}`);
  } else if (issue.code === 'invalid_union') {
    for (const inner of bestBranch(issue.errors)) explainIssue(root, schema, inner, path, problems);
  } else if (issue.code === 'custom' && issue.params?.of !== undefined) {
    // The whole message.
    if (issue.params.of === 'key') problems.atKey(path, issue.message);
    else problems.atValue(path, issue.message);
  } else {
    const secret = [...layers(schemaAt(schema, path))].some(isSensitive);
    problems.atValue(path, `${whatIsWrong(valueAt(root, path), secret, path, problems)}, ${issue.message}`);
  }
}

/** A secret that is in a file stands where the file is named. */
function placeOf(path: Path, problems: Problems): Path {
  const file = [...path.slice(0, -1), `${path.at(-1)}File`];
  return problems.markOf(path) === undefined && problems.markOf(file) !== undefined ? file : path;
}

/** The alternative that was meant: the one whose mistakes lie deepest. */
function bestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  return branches.find((issues) => issues.every((issue) => issue.path.length > 0)) ?? branches[0] ?? [];
}

function whatIsWrong(value: unknown, secret: boolean, path: Path, problems: Problems): string {
  if (value === undefined) return 'is missing';
  const written = problems.markOf(path)?.substituted;
  if (written !== undefined) return `is what ${quote(written)} gives`;
  if (secret) return 'is not usable';
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
