// As much of a browser as signing in takes: cookies by host (RFC 6265 knows no ports, so by host and port here), redirects one at a
// time, forms posted as a page of that origin would.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export class HttpBrowser {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** Of one origin, name → value. */
  cookies(url: string): Map<string, string> {
    const { origin } = new URL(url);
    let jar = this.#cookies.get(origin);
    if (jar === undefined) {
      jar = new Map();
      this.#cookies.set(origin, jar);
    }
    return jar;
  }

  /** One request, whose redirect is not followed. */
  async request(url: string, init: RequestInit = {}): Promise<Page> {
    const headers = new Headers(init.headers);
    const jar = this.cookies(url);
    if (jar.size > 0 && !headers.has('cookie')) {
      headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '));
    }
    const answer = await exchange(url, init, headers);
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const equals = pair.indexOf('=');
      const [name, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
      const isGone = /expires=Thu, 01 Jan 1970|max-age=0(;|$)/i.test(line) || value === '';
      if (isGone) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }

  /** Follows redirects, and pages that lead on by themselves, until there is a page; at most 15. */
  async open(url: string, init: RequestInit = {}): Promise<Page> {
    let page = await this.request(url, init);
    for (let hops = 0; hops < 15; hops++) {
      const next = page.headers.get('location') ?? refreshOf(page.body);
      if (next === null) return page;
      page = await this.request(new URL(next, page.url).href);
    }
    throw new Error(`redirects without end, at ${page.url}`);
  }

  /** Posts a form as a page of the same origin does. */
  post(url: string, fields: Record<string, string>, init: RequestInit = {}): Promise<Page> {
    return this.request(url, { method: 'POST', ...formOf(url, fields, init) });
  }

  /** The same, and where it leads. */
  submit(url: string, fields: Record<string, string>): Promise<Page> {
    return this.open(url, { method: 'POST', ...formOf(url, fields, {}) });
  }

  /** Signs in at the provider's page that `page` is. */
  signInAt(page: Page, name: string, { secondStep = true } = {}): Promise<Page> {
    if (!page.url.includes('/interaction/'))
      throw new Error(`not the provider's sign-in: ${page.status} ${page.url}`);
    return this.submit(page.url, { name, password: 'whatever', ...(secondStep && { second: 'yes' }) });
  }

  /** Opens a page of the portal and signs in on the way. */
  async signIn(url: string, name: string, options: { secondStep?: boolean } = {}): Promise<Page> {
    return this.signInAt(await this.open(url), name, options);
  }
}

/** Not fetch(), which writes a `Sec-Fetch-Mode` of its own: here each header is the caller's. */
async function exchange(url: string, { method = 'GET', body }: RequestInit, headers: Headers): Promise<Page> {
  const text = body == null ? '' : String(body);
  if (body instanceof URLSearchParams && !headers.has('content-type')) {
    headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
  }
  if (text !== '') headers.set('content-length', String(Buffer.byteLength(text)));
  const outgoing = request(url, { method, headers: Object.fromEntries(headers) });
  // The server may answer, and hang up, before it has heard all.
  outgoing.on('error', () => {});
  outgoing.end(text);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const heard = new Headers();
  for (let at = 0; at < answer.rawHeaders.length; at += 2) {
    heard.append(answer.rawHeaders[at]!, answer.rawHeaders[at + 1]!);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return { url, status: answer.statusCode ?? 0, headers: heard, body: Buffer.concat(chunks).toString() };
}

function formOf(url: string, fields: Record<string, string>, init: RequestInit): RequestInit {
  const { origin } = new URL(url);
  return {
    ...init,
    body: new URLSearchParams(fields),
    headers: { origin, 'sec-fetch-site': 'same-origin', ...(init.headers as Record<string, string>) },
  };
}

function refreshOf(body: string): string | null {
  const found = /<meta http-equiv="refresh" content="\d+;\s*url=([^"]+)"/i.exec(body);
  return found === null ? null : (found[1] as string).replaceAll('&amp;', '&').replaceAll('&#x3D;', '=');
}

/** The token in a page's forms. */
export function csrfOf(page: Page): string {
  const found = /name="_csrf" value="([^"]+)"/.exec(page.body);
  if (found === null) throw new Error(`no form in the page at ${page.url} (${page.status})`);
  return found[1] as string;
}
