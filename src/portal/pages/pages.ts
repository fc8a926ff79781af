// Everything behind the sign-in: the list of app passwords, what makes, renames and deletes them, and the admin's pages.

import type { FastifyPluginAsync } from 'fastify';
import type { PortalDeps } from '../context.ts';

export const pages: FastifyPluginAsync<PortalDeps> = async () => {};
