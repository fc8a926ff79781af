// Debian's Chromium, one instance for a test file; each test has a context of its own: no cookies, a width, a theme, with or without
// a script.

import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { PATIENCE } from '../support/patience.ts';

export const DESKTOP = { width: 1280, height: 900 } as const;
export const PHONE = { width: 390, height: 844 } as const;

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: PATIENCE,
    // Root has no sandbox; the rest is so that a picture is the same picture tomorrow.
    args: ['--no-sandbox', '--font-render-hinting=none', '--disable-lcd-text', '--hide-scrollbars'],
  });
}

export interface Look {
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly theme?: 'light' | 'dark';
  readonly script?: boolean;
}

/** A page that fails the test by what it logs: an error of the script, or something that the CSP refused. */
export async function openPage(
  browser: Browser,
  { viewport = DESKTOP, theme = 'light', script = true }: Look = {},
): Promise<{ readonly context: BrowserContext; readonly page: Page; readonly faults: string[] }> {
  const context = await browser.newContext({
    viewport,
    colorScheme: theme,
    javaScriptEnabled: script,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // That an answer had the status of a refusal is what some tests are about.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      faults.push(message.text());
    }
  });
  return { context, page, faults };
}

/**
 * What axe finds wrong with the page as it is now, by WCAG A and AA and its own best practices, or by one of its rules alone: a
 * line each.
 */
export async function violations(page: Page, rule?: string): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async (only) => {
    const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<Found> } };
    interface Found {
      violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
    }
    const { violations } = await axe.run({ resultTypes: ['violations'], ...(only && { runOnly: [only] }) });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary ?? ''}`),
    );
  }, rule);
  return found;
}
