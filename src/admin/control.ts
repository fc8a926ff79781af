// The control socket: how commands talk to the running process. HTTP with JSON over a Unix socket of mode 0600, so that
// the file's owner is who may use it.
//
//   GET  /readyz                               → { "ready", "status" }, always with 200
//   GET  /sessions                             → [{ id, user, protocol, … }]
//   POST /sessions/end  {"id"} | {"user"}      → { "ended": n }
//   GET  /throttle                             → { "sharing", "blocks": [{ kind, network, user, until }] }
//   POST /throttle/clear  {"network", "user"}  → { "sharing", "ended": n }; both may be left out

import { once } from 'node:events';
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { ConfigError, UnavailableError } from '../lib/errors.ts';
import { parseNetwork } from '../lib/network.ts';
import { parseUser, type User } from '../lib/user.ts';
import type { LiveSessions } from '../sessions/live-sessions.ts';
import type { Throttle } from '../throttle/throttle.ts';

export interface ControlDeps {
  /** As the admin address says it, for who has none. */
  readonly readiness: () => { ready: boolean; status: string };
  readonly sessions: Pick<LiveSessions, 'list' | 'end'>;
  readonly limits: {
    readonly throttle: Pick<Throttle, 'list' | 'clear'>;
    /** Whose limits they are: see StartedThrottle. */
    readonly sharing: string;
  };
  /** Notes that it was done, by whoever may use the socket. Never rejects. */
  readonly audit: (deed: Deed) => Promise<void>;
  /** A connection could not be accepted: the system is out of file descriptors, say. It goes on listening. */
  readonly onAcceptFailed: (error: Error) => void;
}

/** What was done at an admin's word, for an audit record. */
export interface Deed {
  readonly action: 'sessions_ended' | 'throttle_cleared';
  /** null: not of one user. */
  readonly user: User | null;
  readonly passwordId?: string;
  readonly detail: string;
}

/** Octets of a request's body. */
const MAX_BODY = 16_384;

/**
 * Listens on `path`, in place of a socket that a dead process left. Throws ConfigError if a living one answers there, or if
 * something else than a socket is there.
 */
export async function startControl(path: string, deps: ControlDeps): Promise<Server> {
  if (await isListening(path)) {
    throw new ConfigError(`control.socket: another process answers on ${path}; is Postern running already?`);
  }
  const present = lstatSync(path, { throwIfNoEntry: false });
  // A typing mistake in the config must not cost anybody a file.
  if (present !== undefined && !present.isSocket()) {
    throw new ConfigError(`control.socket: ${path} is there already and is no socket`);
  }
  rmSync(path, { force: true });
  // Whoever may use it is trusted, but a command that hangs must not hold its connection for ever.
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    async (incoming, response) => {
      const { status, body } = await answer(incoming, deps).catch(() => badRequest('the body is not JSON'));
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    },
  );
  // The socket is never open to others, not for a moment: it is made under this mask.
  const mask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ConfigError(
      `control.socket: cannot listen on ${path}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
  // Without a handler it would end the process.
  server.on('error', deps.onAcceptFailed);
  chmodSync(path, 0o600);
  return server;
}

async function answer(
  incoming: IncomingMessage,
  deps: ControlDeps,
): Promise<{ status: number; body: unknown }> {
  switch (`${incoming.method} ${incoming.url}`) {
    case 'GET /readyz':
      return { status: 200, body: deps.readiness() };
    case 'GET /sessions':
      return { status: 200, body: deps.sessions.list() };
    case 'POST /sessions/end':
      return endSessions(await readBody(incoming), deps);
    case 'GET /throttle': {
      const blocks = await deps.limits.throttle.list();
      return { status: 200, body: { sharing: deps.limits.sharing, blocks } };
    }
    case 'POST /throttle/clear':
      return clearLimits(await readBody(incoming), deps);
    default:
      return { status: 404, body: { error: 'no such request; is the running Postern of another version?' } };
  }
}

async function endSessions(
  body: unknown,
  { sessions, audit }: ControlDeps,
): Promise<{ status: number; body: unknown }> {
  const which = body as { id?: unknown; user?: unknown } | null;
  if (typeof which?.id === 'string') {
    const { id } = which;
    const session = sessions.list().find((one) => one.id === id);
    const ended = sessions.end({ id }, 'admin');
    if (ended > 0 && session !== undefined) {
      const { user, passwordId, protocol } = session;
      await audit({ action: 'sessions_ended', user, passwordId, detail: `session ${id}, ${protocol}` });
    }
    return { status: 200, body: { ended } };
  }
  const user = typeof which?.user === 'string' ? parseUser(which.user) : undefined;
  if (user === undefined) return badRequest('which session? {"id"} or {"user"}');
  const ended = sessions.end({ user }, 'admin');
  if (ended > 0) {
    await audit({
      action: 'sessions_ended',
      user,
      detail: `${ended} connection${ended === 1 ? '' : 's'}`,
    });
  }
  return { status: 200, body: { ended } };
}

async function clearLimits(
  which: unknown,
  { limits, audit }: ControlDeps,
): Promise<{ status: number; body: unknown }> {
  // A body that is not understood must not come to mean everything.
  const isObject = typeof which === 'object' && which !== null && !Array.isArray(which);
  if (!isObject || Object.keys(which).some((key) => key !== 'network' && key !== 'user')) {
    return badRequest('which blocks? {"network"}, {"user"}, both or {}');
  }
  const { network, user } = which as { network?: unknown; user?: unknown };
  const known = typeof user === 'string' ? parseUser(user) : undefined;
  if (user !== undefined && known === undefined) return badRequest('which user?');
  const cidr = typeof network === 'string' ? parseNetwork(network) : undefined;
  if (network !== undefined && cidr === undefined) return badRequest('which network?');
  const ended = await limits.throttle.clear({
    ...(cidr !== undefined && { network: cidr }),
    ...(known !== undefined && { user: known }),
  });
  // With no block in force, too: what was counted is forgotten.
  const where = cidr !== undefined ? `network ${cidr}: ` : known === undefined ? 'all: ' : '';
  const blocks = ended === 0 ? 'no block' : `${ended} block${ended === 1 ? '' : 's'}`;
  await audit({ action: 'throttle_cleared', user: known ?? null, detail: where + blocks });
  return { status: 200, body: { sharing: limits.sharing, ended } };
}

function badRequest(error: string): { status: number; body: unknown } {
  return { status: 400, body: { error } };
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new RangeError('the body is too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Whether a process listens on the socket. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/** A command's side: one request to the running process. Throws UnavailableError if none runs. */
export async function askControl(
  path: string,
  method: 'GET' | 'POST',
  url: string,
  body?: object,
): Promise<unknown> {
  const outgoing = request({ socketPath: path, method, path: url, timeout: 10_000 });
  outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  try {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const answered: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (response.statusCode === 200) return answered;
    throw new UnavailableError(`the running Postern says: ${(answered as { error?: string }).error}`);
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const hint = code === 'EACCES' ? 'it belongs to another user' : 'is `postern serve` running?';
    throw new UnavailableError(`nothing answers on the control socket ${path} (${hint})`);
  }
}
