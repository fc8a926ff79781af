// Asking the gallery's pages without a browser.

import type { Gallery } from '../../browser/gallery.ts';

/** Sends a form as a page does. */
export function posted(gallery: Gallery, url: string, fields: Record<string, string> = {}) {
  return gallery.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString(),
  });
}

/** What a page says: without markup, with single spaces. */
export function textOf(html: string): string {
  return html
    .replace(/<(script|style)\b.*?<\/\1>/gs, '')
    .replace(/<\/?(bdi|em|strong|time|option)\b[^>]*>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ');
}
