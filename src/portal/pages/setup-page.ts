// GET /setup: what to type where, for a device whose app password was shown before. There is no secret on it.

import type { FastifyInstance } from 'fastify';
import type { PortalDeps } from '../pages-interface.ts';
import { en } from '../texts.ts';
import type { Answer } from './answer.ts';
import { setupsFor } from './setup.ts';

export function setupPage(server: FastifyInstance, deps: PortalDeps, answer: Answer): void {
  server.get('/setup', async (request, reply) => {
    const settings = deps.settings();
    return answer(request, reply, 'setup', en.setup.title, {
      setups: setupsFor(settings, request.signedIn.user, null),
      creation: settings.creation,
    });
  });
}
