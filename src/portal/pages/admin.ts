// The admin's pages: find a person, see their app passwords (never one itself), delete them, disable the person, end their
// connections; and the audit trail. For everybody else these pages do not exist.

import type { FastifyInstance } from 'fastify';
import { parseUser, type User } from '../../lib/user.ts';
import type { PortalDeps } from '../pages-interface.ts';
import { en } from '../texts.ts';
import { ADMIN_ACTIONS, type AdminAction } from './admin-actions.ts';
import type { Answer } from './answer.ts';
import { field, pathWith } from './form-fields.ts';
import { cardsOf, ghostsOf } from './password-card.ts';

const MOST_PEOPLE = 50;
const MOST_TRAIL = 500;
const MOST_LATELY = 10;

export function adminPages(server: FastifyInstance, deps: PortalDeps, answer: Answer): void {
  const t = en.adminPages;

  server.addHook('preHandler', async (request, reply) => {
    if (!request.signedIn.isAdmin) return reply.callNotFound();
  });

  server.get('/admin', async (request, reply) => {
    const typed = field(request.query, 'q').trim();
    // One more, to see whether there are more.
    const found = await deps.people.search(typed, MOST_PEOPLE + 1);
    const exact = parseUser(typed);
    return answer(request, reply, 'admin-search', t.title, {
      typed,
      people: found.slice(0, MOST_PEOPLE).map((person) => ({ ...person, path: personPath(person.user) })),
      isMore: found.length > MOST_PEOPLE,
      exact:
        exact === undefined || found.some(({ user }) => user === exact)
          ? null
          : { user: exact, path: personPath(exact) },
    });
  });

  server.get('/admin/person', async (request, reply) => {
    const user = parseUser(field(request.query, 'user'));
    if (user === undefined) return reply.callNotFound();
    const [records, isDisabled, trail] = await Promise.all([
      deps.passwords.list({ user, tombstones: true }),
      deps.people.isDisabled(user),
      deps.audit.list({ user, most: MOST_LATELY }),
    ]);
    const now = deps.clock.now();
    const sessions = deps.sessions.list().filter((session) => session.user === user);
    const action = (name: string, id?: string) =>
      pathWith(`/admin/person/${name}`, { user, ...(id === undefined ? {} : { id }) });
    return answer(request, reply, 'admin-person', user, {
      user,
      isDisabled,
      cards: cardsOf(records, sessions, deps.settings().usableBy(user), now),
      ghosts: ghostsOf(records, now),
      sessions: sessions.length,
      trail,
      action,
      trailPath: pathWith('/admin/trail', { user }),
      done: (t.done as Readonly<Record<string, string>>)[field(request.query, 'done')] ?? null,
    });
  });

  server.get('/admin/trail', async (request, reply) => {
    const user = parseUser(field(request.query, 'user'));
    return answer(request, reply, 'admin-trail', t.trail, {
      user: user ?? null,
      trail: await deps.audit.list({ ...(user === undefined ? {} : { user }), most: MOST_TRAIL }),
    });
  });

  for (const action of ADMIN_ACTIONS) {
    server.get(`/admin/person/${action.name}`, async (request, reply) => {
      const target = await targetOf(action, field(request.query, 'user'), field(request.query, 'id'));
      if (target === undefined) return reply.callNotFound();
      if (!deps.requireFresh(request, reply, target.path)) return reply;
      return answer(request, reply, 'confirm', action.title, {
        question:
          target.name === null
            ? { before: '', name: target.user, after: '' }
            : { ...t.deleteQuestion, name: target.name },
        ...(target.name === null ? {} : { owner: target.user }),
        effects: [action.effect],
        action: `/admin/person/${action.name}`,
        hidden: { user: target.user, ...(target.id === null ? {} : { id: target.id }) },
        submit: action.submit,
        isDangerous: action.isDangerous,
        cancel: { to: personPath(target.user), text: en.create.cancel },
      });
    });

    server.post(`/admin/person/${action.name}`, async (request, reply) => {
      const target = await targetOf(action, field(request.body, 'user'), field(request.body, 'id'));
      if (target === undefined) return reply.callNotFound();
      if (!deps.requireFresh(request, reply, target.path)) return reply;
      const done = await action.run(deps, {
        by: request.signedIn.user,
        from: deps.addressOf(request),
        user: target.user,
        id: target.id,
      });
      return reply.redirect(pathWith('/admin/person', { user: target.user, done }), 303);
    });
  }

  async function targetOf(action: AdminAction, typedUser: string, typedId: string) {
    const user = parseUser(typedUser);
    if (user === undefined) return undefined;
    if (!action.isOfPassword) {
      return { user, id: null, name: null, path: pathWith(`/admin/person/${action.name}`, { user }) };
    }
    const records = await deps.passwords.list({ user });
    const record = records.find(({ id }) => id === typedId);
    if (record === undefined) return undefined;
    const { id, name } = record;
    return { user, id, name, path: pathWith(`/admin/person/${action.name}`, { user, id }) };
  }
}

function personPath(user: User): string {
  return pathWith('/admin/person', { user });
}
