// Everything behind the sign-in: the list of app passwords, what makes, renames and deletes them, what to type where, and the
// admin's pages.

import type { FastifyPluginAsync } from 'fastify';
import type { PortalDeps } from '../pages-interface.ts';
import { adminPages } from './admin.ts';
import { answerWith } from './answer.ts';
import { changePages } from './change.ts';
import { createPages } from './create.ts';
import { listPage } from './list.ts';
import { setupPage } from './setup-page.ts';

export const pages: FastifyPluginAsync<PortalDeps> = async (server, deps) => {
  const answer = answerWith(deps);
  listPage(server, deps, answer);
  createPages(server, deps, answer);
  changePages(server, deps, answer);
  setupPage(server, deps, answer);
  await server.register(async (admin) => adminPages(admin, deps, answer));
};
