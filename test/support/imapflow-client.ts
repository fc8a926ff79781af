// imapflow, logging its dialogue to the run's logs (it hides passwords there, which the last test then verifies).

import { appendFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import type { Account } from './mail-clients.ts';
import { newLogFile } from './run-directory.ts';

export interface ImapFlowClient extends AsyncDisposable {
  readonly client: ImapFlow;
  /** The lines that it sent (`C: …`) and received (`S: …`) so far. */
  readonly dialogue: readonly string[];
}

/** Connected and logged in. */
export async function imapFlow(account: Account, ca: string): Promise<ImapFlowClient> {
  const dialogue: string[] = [];
  const file = newLogFile('imapflow');
  const log = (entry: { src?: string; msg?: string }) => {
    appendFileSync(
      file,
      `${JSON.stringify(entry, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}\n`,
    );
    if (entry.src === 'c' || entry.src === 's') dialogue.push(`${entry.src.toUpperCase()}: ${entry.msg}`);
  };
  const client = new ImapFlow({
    host: 'localhost',
    port: account.port,
    secure: account.tls === 'implicit',
    ...(account.tls === 'starttls' ? { doSTARTTLS: true } : {}),
    tls: { ca },
    auth: { user: account.user, pass: account.password },
    logger: { trace: log, debug: log, info: log, warn: log, error: log },
  });
  // Without a listener an error after the login would end the test process; the test sees it in what it calls.
  client.on('error', () => {});
  await client.connect();
  return {
    client,
    dialogue,
    async [Symbol.asyncDispose]() {
      await client.logout().catch(() => {});
      client.close();
    },
  };
}
