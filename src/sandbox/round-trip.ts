// The round trip: what a mail client does, done by `imapflow`, `nodemailer` and `ldapjs` through Postern, step by step.

import { setTimeout as pause } from 'node:timers/promises';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { openAddressBook } from './address-book-client.ts';
import type { Commands, MadePassword } from './command.ts';

export interface RoundTripOptions {
  readonly user: string;
  readonly device: MadePassword;
  readonly commands: Commands;
  readonly ports: Readonly<Record<'imap' | 'imaps' | 'smtp' | 'submissions' | 'ldap' | 'ldaps', number>>;
  /** PEM. */
  readonly ca: string;
  /** Called when a step is done; `milliseconds` is what the step measures, which is not always all that it did. */
  readonly onStep: (name: string, milliseconds: number) => void;
}

/** No step takes so long. */
const PATIENCE = 20_000;

/** Rejects with RoundTripError at the first step that fails. */
export async function roundTrip(options: RoundTripOptions): Promise<void> {
  const { user, device, commands, onStep } = options;
  await using sessions = new AsyncDisposableStack();

  const open = async (tls: 'starttls' | 'implicit', password: string) => {
    const client = newClient(options, tls, password);
    sessions.defer(() => client.close());
    await client.connect();
    return client;
  };
  const step = async <T>(name: string, work: (measured: Stopwatch) => Promise<T>): Promise<T> => {
    const watch = new Stopwatch();
    try {
      const result = await withDeadline(work(watch));
      onStep(name, watch.milliseconds);
      return result;
    } catch (error) {
      throw new RoundTripError(name, error);
    }
  };

  const first = await step('log in, STARTTLS', () => open('starttls', device.password));
  const second = await step('log in, implicit TLS', () => open('implicit', device.password));

  await step('list folders', async () => {
    const folders = await first.list();
    expect(
      folders.some(({ path }) => path === 'INBOX'),
      `no INBOX among ${folders.length} folders`,
    );
  });
  await step('fetch a message', async () => {
    const inbox = await first.mailboxOpen('INBOX');
    const message = await first.fetchOne('1', { source: true });
    expect(inbox.exists > 0 && message !== false && message.source !== undefined, 'there is no message');
  });
  await step('append a message', async () => {
    const appended = await first.append('INBOX', message(user, 'Appended by the round trip'));
    expect(appended !== false, 'it was not appended');
  });

  await step('IDLE hears of new mail in another session', async (measured) => {
    const inbox = await second.mailboxOpen('INBOX');
    const before = inbox.exists;
    const idling = second.idle();
    const heard = new Promise<void>((resolve) =>
      second.on('exists', ({ count }) => {
        if (count > before) resolve();
      }),
    );
    // IDLE has no answer that imapflow tells of: it is asked for before the message is sent.
    await pause(100);
    measured.restart();
    await first.append('INBOX', message(user, 'You were idling'));
    await heard;
    measured.stop();
    // imapflow ends IDLE when it has something else to say.
    await second.noop();
    await idling;
  });

  for (const tls of ['starttls', 'implicit'] as const) {
    const way = tls === 'starttls' ? 'STARTTLS' : 'implicit TLS';
    await step(`send a message, ${way}, and find it in the mailbox`, async () => {
      const subject = `Sent with ${way}`;
      await send(options, tls, subject);
      const found = (await first.search({ subject })) || [];
      expect(found.length === 1, `it is there ${found.length} times`);
    });
  }

  for (const tls of ['starttls', 'implicit'] as const) {
    const name = tls === 'starttls' ? `EXAMPLE\\${user.split('@', 1)}` : user;
    const way = tls === 'starttls' ? 'STARTTLS, as EXAMPLE\\name' : 'implicit TLS';
    await step(`look people up in the directory, ${way}`, () => lookUp(options, tls, name));
  }

  const lost = await commands.createPassword(user, 'lost device');
  await step('revoke an app password, its session is cut off', async (measured) => {
    const client = await open('implicit', lost.password);
    const cut = new Promise<void>((resolve) => client.once('close', resolve));
    await client.mailboxOpen('INBOX');
    await commands.revoke(lost.id);
    measured.restart();
    await cut;
    measured.stop();
  });
  await step('and it is refused from then on', async () => {
    const refused = await open('implicit', lost.password).then(
      () => undefined,
      (error: { serverResponseCode?: string }) => error.serverResponseCode ?? 'no reason',
    );
    expect(
      refused === 'AUTHENTICATIONFAILED',
      `it was ${refused === undefined ? 'let in' : `told ${refused}`}`,
    );
  });
  await step('while the other device goes on', async () => {
    await first.noop();
    await first.logout();
    await second.logout();
  });
}

async function lookUp(
  { user, device, ports, ca }: RoundTripOptions,
  tls: 'starttls' | 'implicit',
  name: string,
): Promise<void> {
  using client = await openAddressBook(tls, { port: tls === 'implicit' ? ports.ldaps : ports.ldap, ca });
  await client.bind(name, device.password);
  const people = await client.people();
  expect(people.length === 10, `there are ${people.length} people`);
  expect(
    people.every(({ photo }) => photo.subarray(1, 4).toString() === 'PNG'),
    'a photo is none',
  );
  const self = await client.whoAmI();
  expect(self === `u:${user}`, `it takes us for ${self}`);
}

export class RoundTripError extends Error {
  override readonly name = 'RoundTripError';

  constructor(step: string, cause: unknown) {
    super(`${step}: ${reasonOf(cause)}`, { cause });
  }
}

class Stopwatch {
  #start = performance.now();
  #end: number | undefined;

  restart(): void {
    this.#start = performance.now();
  }

  stop(): void {
    this.#end = performance.now();
  }

  get milliseconds(): number {
    return (this.#end ?? performance.now()) - this.#start;
  }
}

function newClient(
  { user, ports, ca }: RoundTripOptions,
  tls: 'starttls' | 'implicit',
  pass: string,
): ImapFlow {
  const client = new ImapFlow({
    host: 'localhost',
    port: tls === 'implicit' ? ports.imaps : ports.imap,
    secure: tls === 'implicit',
    ...(tls === 'starttls' ? { doSTARTTLS: true } : {}),
    tls: { ca },
    auth: { user, pass },
    clientInfo: { name: 'imapflow' },
    logger: false,
    disableAutoIdle: true,
  });
  // An error that comes between two commands; what is called next fails by it.
  client.on('error', () => {});
  return client;
}

async function send(
  { user, device, ports, ca }: RoundTripOptions,
  tls: 'starttls' | 'implicit',
  subject: string,
): Promise<void> {
  const transport = createTransport({
    host: 'localhost',
    port: tls === 'implicit' ? ports.submissions : ports.smtp,
    secure: tls === 'implicit',
    requireTLS: true,
    auth: { user, pass: device.password },
    tls: { ca },
  });
  try {
    await transport.sendMail({ from: user, to: user, subject, text: subject });
  } finally {
    transport.close();
  }
}

function message(user: string, subject: string): string {
  return [
    `From: ${user}`,
    `To: ${user}`,
    `Subject: ${subject}`,
    `Date: ${new Date().toUTCString()}`,
    '',
    subject,
    '',
  ].join('\r\n');
}

function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = pause(PATIENCE, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`nothing came of it in ${PATIENCE / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}

/** imapflow's errors say "Command failed" and have the server's words beside it. */
function reasonOf(error: unknown): string {
  const { message = String(error), responseText } = error as { message?: string; responseText?: string };
  return responseText === undefined ? message : `${message} (${responseText})`;
}
