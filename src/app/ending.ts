// The end: no new connections, sessions that may finish until a deadline, and then what was started, in reverse.

import type { Events } from '../events.ts';
import type { ListenerSet } from '../listen/listener-set.ts';
import type { LiveSessions } from '../sessions/live-sessions.ts';

/** For the last bytes to leave, in milliseconds. */
const LAST_WORDS = 200;
/** For store, Redis and servers to close, in milliseconds: a store that hangs does not keep the process from ending. */
const CLOSE_DEADLINE = 800;

export interface EndingDeps {
  readonly listeners: ListenerSet;
  readonly sessions: LiveSessions;
  readonly events: Pick<Events, 'draining' | 'stopped'>;
  readonly everything: AsyncDisposable;
}

/** Lets dialogues and sessions end by themselves for so many milliseconds. Gives the number of sessions that had to be ended. */
export async function drain(
  { listeners, sessions, events, everything }: EndingDeps,
  deadline: number,
): Promise<number> {
  events.draining(sessions.size, deadline);
  listeners.close();
  sessions.drain();
  await atMost(deadline, allEnded(listeners, sessions));
  const cut = sessions.end('all', 'shutdown');
  if (cut > 0 || listeners.beforeLogin > 0) await pause(LAST_WORDS);
  listeners.dropBeforeLogin();
  await close(everything);
  events.stopped(cut);
  return cut;
}

/** Without waiting for anybody. */
export async function endAtOnce({ listeners, sessions, everything }: EndingDeps): Promise<void> {
  listeners.close();
  listeners.dropBeforeLogin();
  sessions.end('all', 'shutdown');
  await close(everything);
}

function close(everything: AsyncDisposable): Promise<void> {
  return atMost(CLOSE_DEADLINE, everything[Symbol.asyncDispose]());
}

async function allEnded(listeners: ListenerSet, sessions: LiveSessions): Promise<void> {
  while (listeners.beforeLogin > 0) await pause(50);
  await sessions.empty();
}

/** Waits for `work`, and no longer than so many milliseconds. */
async function atMost(milliseconds: number, work: PromiseLike<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
