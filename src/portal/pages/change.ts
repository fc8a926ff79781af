// Deleting one's own app passwords, one or all, and renaming one. Each has a page that asks, which the script shows as a dialogue.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PasswordRecord } from '../../passwords/record.ts';
import { PasswordRefusedError } from '../../passwords/service.ts';
import type { PortalDeps } from '../pages-interface.ts';
import { Buckets } from '../rate-limit.ts';
import { en } from '../texts.ts';
import type { Answer } from './answer.ts';
import { field, pathWith } from './form-fields.ts';
import { refusedName } from './name-problem.ts';

/** Of one user. Each makes an audit record, which is kept for long; making and deleting are bounded by how many one may make. */
const RENAMES = { burst: 60, perSecond: 1 / 30 };

interface WithId {
  Params: { id: string };
}

export function changePages(server: FastifyInstance, deps: PortalDeps, answer: Answer): void {
  const renames = new Buckets(RENAMES, deps.clock);

  /** The user's own record of that id, tombstones included: anybody else's is none. */
  async function own(request: FastifyRequest<WithId>): Promise<PasswordRecord | undefined> {
    const records = await deps.passwords.list({ user: request.signedIn.user, tombstones: true });
    return records.find(({ id }) => id === request.params.id);
  }
  const openSessions = (id: string) =>
    deps.sessions.list().filter(({ passwordId, state }) => passwordId === id && state === 'joined').length;
  const deleted = (reply: FastifyReply, id: string) =>
    reply.redirect(pathWith('/', { done: 'deleted', id }), 303);

  server.get<WithId>('/passwords/:id/delete', async (request, reply) => {
    const record = await own(request);
    if (record === undefined) return reply.callNotFound();
    if (record.revokedAt !== null) return deleted(reply, record.id);
    const path = `/passwords/${record.id}/delete`;
    if (!deps.requireFresh(request, reply, path)) return reply;
    const t = en.delete;
    const sessions = openSessions(record.id);
    return answer(request, reply, 'confirm', t.title, {
      question: { ...t.question, name: record.name },
      effects: sessions === 0 ? [t.effect] : [t.inUse(sessions), t.effect],
      action: path,
      hidden: {},
      submit: t.submit,
      isDangerous: true,
      cancel: { to: '/', text: t.cancel },
    });
  });

  server.post<WithId>('/passwords/:id/delete', async (request, reply) => {
    const record = await own(request);
    if (record === undefined) return reply.callNotFound();
    const { id, name } = record;
    if (!deps.requireFresh(request, reply, `/passwords/${id}/delete`)) return reply;
    const { user } = request.signedIn;
    const revoked = await deps.passwords.revoke({ ids: [id], user });
    // Sent twice, it is deleted once.
    if (revoked.includes(id)) {
      const from = deps.addressOf(request);
      await deps.audit.record({ by: user, user, action: 'deleted', from, passwordId: id, name });
      deps.notify.deleted([record], { by: user, from });
    }
    return deleted(reply, id);
  });

  server.get('/delete-all', async (request, reply) => {
    if (!deps.requireFresh(request, reply, '/delete-all')) return reply;
    const { length } = await deps.passwords.list({ user: request.signedIn.user });
    if (length === 0) return reply.redirect('/', 303);
    const t = en.deleteAll;
    return answer(request, reply, 'confirm', t.title, {
      question: { before: t.question(length), name: '', after: '' },
      effects: [t.effect],
      action: '/delete-all',
      hidden: {},
      submit: t.submit,
      isDangerous: true,
      cancel: { to: '/', text: t.cancel },
    });
  });

  server.post('/delete-all', async (request, reply) => {
    if (!deps.requireFresh(request, reply, '/delete-all')) return reply;
    const { user } = request.signedIn;
    const present = await deps.passwords.list({ user });
    const revoked = await deps.passwords.revoke({ user });
    if (revoked.length > 0) {
      const from = deps.addressOf(request);
      const detail = `${revoked.length}`;
      await deps.audit.record({ by: user, user, action: 'deleted_all', from, detail });
      deps.notify.deleted(
        present.filter(({ id }) => revoked.includes(id)),
        { by: user, from },
      );
    }
    return reply.redirect('/?done=deleted-all', 303);
  });

  server.get<WithId>('/passwords/:id/rename', async (request, reply) => {
    const record = await own(request);
    if (record === undefined || record.revokedAt !== null) return reply.callNotFound();
    return renameForm(request, reply, record, field(request.query, 'name') || record.name);
  });

  server.post<WithId>('/passwords/:id/rename', async (request, reply) => {
    const record = await own(request);
    if (record === undefined || record.revokedAt !== null) return reply.callNotFound();
    const { id } = record;
    const { user } = request.signedIn;
    const typed = field(request.body, 'name');
    if (!renames.take(user)) {
      return renameForm(request, reply.code(429), record, typed, en.rename.tooOften);
    }
    try {
      const name = await deps.passwords.rename(id, user, typed);
      if (name !== record.name) {
        const from = deps.addressOf(request);
        const detail = `was ${record.name}`;
        await deps.audit.record({ by: user, user, action: 'renamed', from, passwordId: id, name, detail });
      }
      return reply.redirect(pathWith('/', { done: 'renamed', id }), 303);
    } catch (error) {
      const problem = refusedName(error, typed);
      if (problem !== undefined) return renameForm(request, reply.code(422), record, typed, problem);
      // Deleted while the form was open.
      if (error instanceof PasswordRefusedError) return reply.callNotFound();
      throw error;
    }
  });

  function renameForm(
    request: FastifyRequest,
    reply: FastifyReply,
    { id, name }: PasswordRecord,
    typed: string,
    problem?: string,
  ) {
    return answer(request, reply, 'rename', en.rename.title, { id, name, typed, problem });
  }
}
