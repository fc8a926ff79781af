// Templates to HTML. Whatever a template writes with `<%=` is escaped; `<%~` writes markup, and is used for parts of our own only.

import { join } from 'node:path';
import { Eta } from 'eta';
import type { PortalSettings, SignedIn } from '../pages-interface.ts';
import { en } from '../texts.ts';
import { assetPath } from './assets.ts';
import { type Times, timesFor } from './times.ts';

const eta = new Eta({
  views: join(import.meta.dirname, '..', 'views'),
  cache: true,
  autoEscape: true,
  varName: 'it',
});

/** What every page needs to know. */
export interface Frame {
  /** Stands in the tab, before the product's name. */
  readonly title: string;
  /** null: nobody is signed in, or we do not say. */
  readonly signedIn: Pick<SignedIn, 'user' | 'isAdmin' | 'csrf'> | null;
  readonly settings: Pick<PortalSettings, 'help'> & Partial<Pick<PortalSettings, 'twoStepClients'>>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The browser's, as it came. */
  readonly acceptLanguage?: string | undefined;
  /** Where to lead on to by itself. */
  readonly refreshTo?: string;
}

/** A whole HTML page. `view` is the name of a file in views/. */
export function renderPage(view: string, frame: Frame, facts: Readonly<Record<string, unknown>>): string {
  const times: Times = timesFor(frame.now, frame.acceptLanguage);
  return eta.render(`./${view}`, { ...facts, frame, t: en, times, asset: assetPath });
}
