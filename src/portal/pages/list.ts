// GET /: the user's own app passwords, and what was just done to them.

import type { FastifyInstance } from 'fastify';
import type { PasswordRecord } from '../../passwords/record.ts';
import type { PortalDeps } from '../pages-interface.ts';
import { type Around, en } from '../texts.ts';
import type { Answer } from './answer.ts';
import { field } from './form-fields.ts';
import { cardsOf, ghostsOf } from './password-card.ts';

export function listPage(server: FastifyInstance, deps: PortalDeps, answer: Answer): void {
  server.get('/', async (request, reply) => {
    const { user } = request.signedIn;
    const records = await deps.passwords.list({ user, tombstones: true });
    const now = deps.clock.now();
    const { creation, maxPerUser, usableBy } = deps.settings();
    const sessions = deps.sessions.list().filter((session) => session.user === user);
    const cards = cardsOf(records, sessions, usableBy(user), now);
    return answer(request, reply, 'list', en.list.title, {
      cards,
      ghosts: ghostsOf(records, now),
      creation,
      most: maxPerUser,
      isFull: cards.length >= maxPerUser,
      done: doneOf(request.query, records),
    });
  });
}

/** What was done to say so: by word and id, so that no link can put words of its own on the page. */
function doneOf(query: unknown, records: readonly PasswordRecord[]): (Around & { name: string }) | null {
  const what = field(query, 'done');
  const t = en.list.done;
  if (what === 'deleted-all') return { before: t.deletedAll, name: '', after: '' };
  const record = records.find(({ id }) => id === field(query, 'id'));
  if (record === undefined) return null;
  const { name, revokedAt } = record;
  if (what === 'deleted' && revokedAt !== null) return { ...t.deleted, name };
  if (what === 'renamed' && revokedAt === null) return { ...t.renamed, name };
  return null;
}
