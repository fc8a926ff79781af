// Postern in this process, with whatever listeners and upstreams a test gives it. What it logs goes to the run's logs, where
// secrets are searched for.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createApp } from '../../src/app/app.ts';
import type { ProtocolEntries } from '../../src/app/protocols.ts';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLog } from '../../src/lib/log.ts';
import { parseUser } from '../../src/lib/user.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import { createPasswords, type PasswordRequest } from '../../src/passwords/service.ts';
import { type Metrics, parseMetrics } from './metrics-text.ts';
import { eventually } from './patience.ts';
import type { Certificate } from './pki.ts';
import { newLogFile } from './run-directory.ts';
import { ledger } from './secrets-ledger.ts';
import { openStoreInThisThread } from './store-in-this-thread.ts';
import { tempDir } from './temp-dir.ts';

export interface PosternInProcess extends AsyncDisposable {
  /** By the listeners' names. */
  readonly ports: Readonly<Record<string, number>>;
  createPassword(user: string, more?: Partial<PasswordRequest>): Promise<{ id: string; password: string }>;
  revoke(id: string): Promise<void>;
  metrics(): Promise<Metrics>;
  /** Waits until the metric has this value. */
  metricIs(value: number, name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** The log's lines so far that are about this event, or events. */
  events(event: string | RegExp): Record<string, unknown>[];
  /** Waits for such a line. */
  logged(event: string): Promise<Record<string, unknown>>;
  /** As by SIGTERM. */
  drain(): Promise<number>;
}

/**
 * `sections` of the configuration stand in place of, or beside, those that every test of a dialogue wants. `more`: what no
 * configuration can say.
 */
export async function startPosternInProcess(
  certificate: Certificate,
  sections: Readonly<Record<string, unknown>>,
  more: { readonly protocols?: ProtocolEntries; readonly change?: (config: Config) => Config } = {},
): Promise<PosternInProcess> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(tempDir());
  const text = stringify({
    hostname: 'localhost',
    store: { url: 'sqlite:./postern.db' },
    keys: { file: './keys.json' },
    tls: { certificate: certificate.certFile, key: certificate.keyFile },
    users: { defaultDomain: 'example.com', netbiosDomains: { EXAMPLE: 'example.com' } },
    appPasswords: { hash: { memoryKiB: 7168, passes: 1 } },
    throttle: { failureDelay: '30ms' },
    admin: { address: '127.0.0.1:0' },
    log: { level: 'debug' },
    ...sections,
  });
  const read = parseConfig(text, { file: join(dir.path, 'postern.yaml'), env: {} });
  const config = more.change?.(read) ?? read;

  const logFile = newLogFile('postern-in-process');
  const logLines: Record<string, unknown>[] = [];
  const log = createLog('debug', {
    write(line: string) {
      appendFileSync(logFile, line);
      logLines.push(JSON.parse(line));
    },
  });
  // One for Postern and for the test.
  const store = await openStoreInThisThread(config.store.url, { clock: systemClock });
  const app = started.use(
    await createApp(config, {
      log,
      openStore: async () => store,
      ...(more.protocols && { protocols: more.protocols }),
    }),
  );
  const passwords = createPasswords({
    store,
    keys: await openKeys({ file: config.keys.file, store }),
    hash: config.appPasswords.hash,
    clock: systemClock,
    limits: config.appPasswords,
  });

  let devices = 0;
  const metrics = async () => {
    const response = await fetch(`http://127.0.0.1:${app.ports.admin}/metrics`);
    return parseMetrics(await response.text());
  };
  const events = (event: string | RegExp) =>
    logLines.filter((line) =>
      typeof event === 'string' ? line.event === event : event.test(String(line.event)),
    );
  const whole = started.move();
  return {
    get ports() {
      return app.ports;
    },
    async createPassword(user, more = {}) {
      devices += 1;
      const request = { user: parseUser(user)!, name: `device ${devices}`, ...more };
      const made = await passwords.create(request);
      return { id: made.record.id, password: ledger(made.password.reveal()) };
    },
    async revoke(id) {
      await passwords.revoke({ ids: [id] });
    },
    metrics,
    async metricIs(value, name, labels = {}) {
      const found = await eventually(async () =>
        (await metrics()).value(name, labels) === value ? 'yes' : undefined,
      );
      if (found !== undefined) return;
      throw new Error(`${name} is ${(await metrics()).value(name, labels)} and does not become ${value}`);
    },
    events,
    async logged(event) {
      const line = await eventually(async () => events(event)[0]);
      if (line === undefined) throw new Error(`no line about ${event} was logged`);
      return line;
    },
    drain: () => app.drain(),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
