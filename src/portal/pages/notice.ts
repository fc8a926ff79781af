// A page that says one thing: that a second step is missing, that the provider does not answer, that one is signed out.

import type { Notice, PortalSettings } from '../pages-interface.ts';
import { en } from '../texts.ts';
import { renderPage } from './render.ts';

interface Shown {
  readonly title: string;
  readonly text: readonly string[];
}

/** A whole HTML page, for somebody who may not be signed in. */
export function noticePage(notice: Notice, settings: Pick<PortalSettings, 'help'>): string {
  const { title, text }: Shown = en.notices[notice.kind];
  return renderPage(
    'notice',
    {
      title,
      signedIn: null,
      settings,
      // Nothing on it has a time.
      now: 0,
      ...(notice.kind === 'continue' ? { refreshTo: notice.to } : {}),
    },
    {
      kind: notice.kind,
      title,
      text,
      user: notice.kind === 'two_step_missing' ? notice.user : null,
      reference: notice.kind === 'internal_error' ? notice.id : null,
      way: wayOn(notice),
    },
  );
}

function wayOn(notice: Notice): { readonly to: string; readonly text: string } | null {
  const t = en.notices;
  if (notice.kind === 'continue') return { to: notice.to, text: t.continue.link };
  if ('retry' in notice) return { to: notice.retry, text: t.retry };
  if (notice.kind === 'signed_out') return { to: '/', text: t.signIn };
  const isNoWay =
    notice.kind === 'not_allowed' || notice.kind === 'unusable_name' || notice.kind === 'user_disabled';
  return isNoWay ? null : { to: '/', text: t.home };
}
