// What to type where: the servers of the configuration, in the words that each program has for them.

import type { Protocol } from '../../lib/protocol.ts';
import type { User } from '../../lib/user.ts';
import type { Endpoint, PortalSettings } from '../pages-interface.ts';
import { en } from '../texts.ts';

/** One program's settings. */
export interface Setup {
  readonly client: Client;
  readonly title: string;
  /** Where in the program they are. */
  readonly path: string;
  readonly servers: readonly ServerSetup[];
}

export interface ServerSetup {
  readonly title: string;
  readonly rows: readonly { readonly label: string; readonly value: string }[];
}

type Client = keyof typeof en.setup.clients;

/** Which protocols a program is told about; of POP3 only where there is no IMAP. */
const WANTS: Readonly<Record<Client, readonly Protocol[]>> = {
  outlook2010: ['imap', 'pop3', 'smtp'],
  thunderbird: ['imap', 'pop3', 'smtp'],
  apple: ['imap', 'pop3', 'smtp'],
  android: ['imap', 'pop3', 'smtp'],
  scanner: ['smtp'],
  addressBook: ['ldap'],
  any: ['imap', 'pop3', 'smtp', 'ldap'],
};

/** TLS from the first byte is what RFC 8314 §3 recommends. */
const PREFERENCE = ['implicit', 'starttls', 'none'] as const;

/** For the user's app passwords of that scope (null: all). Empty if there is no server that they can use. */
export function setupsFor(
  { endpoints, usableBy }: Pick<PortalSettings, 'endpoints' | 'usableBy'>,
  user: User,
  scope: readonly Protocol[] | null,
): Setup[] {
  const protocols = usableBy(user).filter((protocol) => scope === null || scope.includes(protocol));
  const usable = endpoints.filter(({ protocol }) => protocols.includes(protocol));
  const has = (protocol: Protocol) => usable.some((endpoint) => endpoint.protocol === protocol);
  return (Object.keys(WANTS) as Client[]).flatMap((client) => {
    const wanted = WANTS[client].filter((protocol) => has(protocol));
    // A mail program that could only send is a scanner.
    if (
      wanted.length === 0 ||
      (client !== 'scanner' && client !== 'any' && wanted.every((p) => p === 'smtp'))
    ) {
      return [];
    }
    const told =
      client === 'any'
        ? usable
        : wanted
            .filter((protocol) => protocol !== 'pop3' || !has('imap'))
            .map((protocol) => preferred(usable.filter((endpoint) => endpoint.protocol === protocol)));
    return {
      client,
      title: en.setup.clients[client],
      path: en.setup.paths[client],
      servers: told.map((endpoint) => serverSetup(client, endpoint)),
    };
  });
}

function preferred(endpoints: readonly Endpoint[]): Endpoint {
  for (const tls of PREFERENCE) {
    const found = endpoints.find((endpoint) => endpoint.tls === tls);
    if (found !== undefined) return found;
  }
  throw new RangeError('there is no endpoint to choose from');
}

function serverSetup(client: Client, { protocol, host, port, tls }: Endpoint): ServerSetup {
  const t = en.setup;
  const titles = { imap: t.incoming, pop3: t.incomingPop, smtp: t.outgoing, ldap: t.directory };
  return {
    title: titles[protocol],
    rows: [
      { label: t.server, value: host },
      { label: t.port, value: String(port) },
      { label: t.security, value: t.values[client][tls] },
      { label: protocol === 'ldap' ? t.signIn : t.authentication, value: t.authenticationValues[client] },
    ],
  };
}
