// Sending a page to somebody who is signed in.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PortalDeps } from '../pages-interface.ts';
import { renderPage } from './render.ts';

export type Answer = (
  request: FastifyRequest,
  reply: FastifyReply,
  view: string,
  title: string,
  facts?: Readonly<Record<string, unknown>>,
) => FastifyReply;

export function answerWith(deps: Pick<PortalDeps, 'settings' | 'clock'>): Answer {
  return (request, reply, view, title, facts = {}) => {
    const html = renderPage(
      view,
      {
        title,
        signedIn: request.signedIn,
        settings: deps.settings(),
        now: deps.clock.now(),
        acceptLanguage: request.headers['accept-language'],
      },
      { title, ...facts },
    );
    return reply.type('text/html; charset=utf-8').send(html);
  };
}
