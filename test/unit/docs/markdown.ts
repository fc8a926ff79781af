// Reads the documents, for the tests that compare them with the code.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Paths from the project's root. */
export const DOCUMENTS: readonly string[] = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The text under a heading, up to the next one of its level or above. Throws if there is no such heading. */
export function section(markdown: string, heading: string): string {
  const lines = markdown.split('\n');
  const from = lines.indexOf(heading);
  if (from === -1) throw new Error(`no heading ${heading}`);
  const next = new RegExp(`^#{1,${/^#+/.exec(heading)![0].length}} `);
  let isCode = false;
  const found: string[] = [];
  for (const line of lines.slice(from + 1)) {
    if (line.startsWith('```')) isCode = !isCode;
    // In code it is a comment.
    if (!isCode && next.test(line)) break;
    found.push(line);
  }
  return found.join('\n');
}

/** The cells of the rows of the first table in the text, its head left out. */
export function table(markdown: string): string[][] {
  const rows = markdown.split('\n').map((line) => line.trim());
  const from = rows.findIndex((line) => line.startsWith('|'));
  if (from === -1) throw new Error('no table');
  const length = rows.slice(from).findIndex((line) => !line.startsWith('|'));
  const lines = rows.slice(from, length === -1 ? undefined : from + length);
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

/** What stands between backticks. */
export const codes = (markdown: string): string[] =>
  [...markdown.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);

/** The blocks fenced as this language. */
export const fenced = (markdown: string, language: string): string[] =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!);

/** The anchors of a document's headings, as GitHub makes them. */
export function anchors(markdown: string): Set<string> {
  const headings = markdown.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm);
  return new Set(
    Array.from(headings, ([, text]) =>
      text!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
