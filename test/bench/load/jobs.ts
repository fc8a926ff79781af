// What the bench asks of a load generator, and what it hears back. Every job is bounded in count and in time.

export interface Target {
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** What the client offers for key exchange. Default: X25519, which all contenders know. */
  readonly groups?: string;
}

/** Which users log in, in turn: `${prefix}${i}@example.com` for `from <= i < from + count`. */
export interface Users {
  readonly prefix: string;
  readonly from: number;
  readonly count: number;
}

interface Bounds {
  /** Milliseconds after which a job that is not done fails. */
  readonly deadline: number;
}

/** Connect, greeting, LOGIN, one NOOP, LOGOUT; `concurrency` at a time. */
export interface LoginsJob extends Bounds {
  readonly kind: 'logins';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly count: number;
  readonly concurrency: number;
  /** With the TLS session of an earlier connection. */
  readonly resume: boolean;
}

/** Wrong app passwords, each another one, for users that exist, one after the other on each of `concurrency` connections. */
export interface GuessesJob extends Bounds {
  readonly kind: 'guesses';
  readonly target: Target;
  readonly users: Users;
  readonly count: number;
  readonly concurrency: number;
  /** A connection is left for a new one after so many. */
  readonly perConnection: number;
}

/** One session that has so many bytes sent to it, or sends them. */
export interface BytesJob extends Bounds {
  readonly kind: 'download' | 'upload';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly bytes: number;
}

/** Exchanges of 100 bytes in one session, one after the other. */
export interface EchoJob extends Bounds {
  readonly kind: 'echo';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly count: number;
}

/** Opens so many more sessions, and holds them until the generator ends or is told to let go. */
export interface HoldJob extends Bounds {
  readonly kind: 'hold';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly count: number;
  readonly concurrency: number;
}

export interface LetGoJob extends Bounds {
  readonly kind: 'let go';
}

/** For `time` milliseconds: a warm login each `pause` ms, and a NOOP in a session that stays. */
export interface ProbeJob extends Bounds {
  readonly kind: 'probe';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly time: number;
  readonly pause: number;
}

/** Tries every few milliseconds until a login succeeds. */
export interface FirstLoginJob extends Bounds {
  readonly kind: 'first login';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
}

/** Connect over TLS, AUTH PLAIN, so many messages one after the other, QUIT. Counted are messages. */
export interface SmtpJob extends Bounds {
  readonly kind: 'smtp';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly perConnection: number;
  /** Of a message, without its end. */
  readonly octets: number;
}

/** Connect over TLS, so many simple Binds, so many searches, Unbind. Counted are the searches; without any, the Binds. */
export interface LdapJob extends Bounds {
  readonly kind: 'ldap';
  readonly target: Target;
  readonly users: Users;
  readonly password: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly binds: number;
  readonly searches: number;
  /** Of the searches. */
  readonly base: string;
}

export type Job =
  | LoginsJob
  | GuessesJob
  | BytesJob
  | EchoJob
  | HoldJob
  | LetGoJob
  | ProbeJob
  | FirstLoginJob
  | SmtpJob
  | LdapJob;

export interface Result {
  readonly done: number;
  readonly failed: number;
  /** What the first failure was. */
  readonly failure: string | null;
  /** TLS sessions that were resumed. */
  readonly resumed: number;
  /** Of answers (`ldap` only). */
  readonly octets: number;
  /** From the first to the last, milliseconds. */
  readonly wall: number;
  /** Of each login, or exchange, in milliseconds. */
  readonly latencies: readonly number[];
  /** Of NOOPs in a session that stays (`probe` only). */
  readonly noops: readonly number[];
  /** When it was done, milliseconds since the epoch. */
  readonly at: number;
}
