// How the portal asks the provider: each answer has a deadline and a bound, redirects are not followed, and only so many
// questions are under way at once. A provider that hangs, or sends for ever, costs a page and nothing else.

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { CustomFetch } from 'openid-client';

/** Bytes of one answer: metadata and keys of the largest providers have a tenth of it. */
const MOST_BYTES = 524_288;
const MOST_AT_ONCE = 20;

/** The provider was not asked, or did not answer in full and in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

/** `ca`: PEM of authorities to trust instead of Node's. `timeout`: milliseconds for the whole of an answer. */
export function providerFetch({ ca, timeout }: { ca: string | null; timeout: number }): CustomFetch {
  let underWay = 0;
  return async (url, options) => {
    if (underWay >= MOST_AT_ONCE) throw new NoAnswerError('too many questions to the provider are under way');
    underWay++;
    try {
      return await ask(new URL(url), options, ca, timeout);
    } finally {
      underWay--;
    }
  };
}

function ask(
  url: URL,
  { method, headers, body }: Parameters<CustomFetch>[1],
  ca: string | null,
  timeout: number,
): Promise<Response> {
  const content = bodyText(body);
  const options: RequestOptions = {
    method,
    headers: { ...headers, ...(content !== undefined && { 'content-length': Buffer.byteLength(content) }) },
    signal: AbortSignal.timeout(timeout),
    // A connection of its own each time: sign-ins are rare, and one that broke meanwhile would fail.
    agent: false,
    // A hostile answer's header is bounded, too.
    maxHeaderSize: 32_768,
  };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      const { code, name, message } = error as { code?: string; name?: string; message?: string };
      const why =
        name === 'AbortError' || name === 'TimeoutError' ? `nothing within ${timeout} ms` : (code ?? message);
      reject(error instanceof NoAnswerError ? error : new NoAnswerError(`${url.host}: ${why}`));
    };
    const onResponse = (answer: IncomingMessage) => {
      collect(answer).then((bytes) => resolve(toResponse(answer, bytes)), fail);
    };
    const outgoing =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, ...(ca !== null && { ca }) }, onResponse)
        : httpRequest(url, options, onResponse);
    outgoing.once('error', fail);
    outgoing.end(content);
  });
}

function bodyText(body: Parameters<CustomFetch>[1]['body']): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof URLSearchParams) return body.toString();
  throw new NoAnswerError('a question of an unknown kind');
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) {
      answer.destroy();
      throw new NoAnswerError(`an answer of more than ${MOST_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Statuses that a Response cannot have a body with. */
const WITHOUT_BODY = new Set([204, 205, 304]);

function toResponse(answer: IncomingMessage, bytes: Buffer): Response {
  const status = answer.statusCode ?? 500;
  if (status < 200 || status > 599) throw new NoAnswerError(`an answer with status ${status}`);
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headersDistinct)) {
    for (const one of value ?? []) headers.append(name, one);
  }
  return new Response(WITHOUT_BODY.has(status) ? null : new Uint8Array(bytes), { status, headers });
}
