// The protocols that an app password's scope can name.

export const PROTOCOLS = ['imap', 'smtp', 'pop3', 'ldap'] as const;
export type Protocol = (typeof PROTOCOLS)[number];
