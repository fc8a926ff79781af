// The protocols that there are.

/** Those that an app password's scope can name. */
export const PROTOCOLS = ['imap', 'smtp', 'pop3', 'ldap'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Those that clients can speak, each with upstreams of its own kind. What serves them is in src/app/protocols.ts. */
export const SPOKEN_PROTOCOLS = ['imap', 'smtp', 'ldap'] as const satisfies readonly Protocol[];
export type SpokenProtocol = (typeof SPOKEN_PROTOCOLS)[number];
