// EHLO and HELO (RFC 5321 §4.1.1.1), in which old devices say nothing, or an address without brackets. Both end a message that is
// under way (§4.1.4).
//
// Advertised is what Postern and every upstream that this client can be led to can do; after login, what its own upstream can.

import type { Dialogue, Next } from '../dialogue.ts';
import { abandonMessage } from './rset.ts';

/** The extensions that Postern itself knows, which need an upstream that knows them. Not CHUNKING: BDAT is not relayed. */
const RELAYED = ['8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'] as const;

export async function ehlo(dialogue: Dialogue, name: string): Promise<Next> {
  await abandonMessage(dialogue);
  dialogue.helo = name;
  const lines = [dialogue.deps.hostname, ...extensions(dialogue)];
  const last = lines.length - 1;
  return dialogue.reply(lines.map((line, n) => `250${n === last ? ' ' : '-'}${line}`).join('\r\n'));
}

export async function helo(dialogue: Dialogue, name: string): Promise<Next> {
  await abandonMessage(dialogue);
  dialogue.helo = name;
  return dialogue.reply(`250 ${dialogue.deps.hostname}`);
}

function extensions({ connection, deps, submission }: Dialogue): string[] {
  const offered = submission?.upstream?.extensions ?? deps.extensions.offered();
  // Commands are read in order, whatever the upstream can do.
  const lines: string[] = ['PIPELINING', ...RELAYED.filter((extension) => offered.has(extension))];
  const size = offered.get('SIZE');
  if (size !== undefined) lines.push(`SIZE ${leastSize(size, mostSize(submission?.policy, deps.policies))}`);
  if (submission === undefined && connection.mayLogIn) {
    lines.push('AUTH LOGIN PLAIN');
    if (deps.authEquals.has(connection.listener)) lines.push('AUTH=LOGIN PLAIN');
  }
  if (connection.tls === null && connection.tlsMode === 'starttls') lines.push('STARTTLS');
  return lines;
}

/** Before login nobody knows whose route it will be: what is too large for that is refused when it is known. */
function mostSize(
  own: { readonly maxSize: number } | undefined,
  all: ReadonlyMap<number, { readonly maxSize: number }>,
): number {
  return own?.maxSize ?? Math.max(0, ...[...all.values()].map(({ maxSize }) => maxSize));
}

/** RFC 1870 §4: no number, or 0, is no bound. */
function leastSize(upstream: string, ours: number): number {
  const theirs = /^\d{1,15}$/.test(upstream) ? Number(upstream) : 0;
  return theirs === 0 ? ours : Math.min(theirs, ours);
}
