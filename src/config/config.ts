// The configuration as the rest of Postern sees it: checked, every default filled in, every time in milliseconds,
// every path absolute, every secret a `Secret`. `load.ts` makes it; `sections/` say what may be written.

import type { DnTemplate } from '../lib/distinguished-name.ts';
import type { Protocol, SpokenProtocol } from '../lib/protocol.ts';
import type { SearchFilter } from '../lib/search-filter.ts';
import type { Secret } from '../lib/secret.ts';
import type { User } from '../lib/user.ts';
import type { LogLevel } from './log-level.ts';

export interface Config {
  /** The file it was read from. */
  readonly file: string;
  /** The name that Postern goes by in greetings. */
  readonly hostname: string;
  /** `sqlite:/absolute/path`. */
  readonly store: { readonly url: string };
  readonly keys: { readonly file: string };
  /** null: limits are this process's own. */
  readonly redis: RedisConfig | null;
  readonly control: { readonly socket: string };
  /** PEM files; null if no listener needs them. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  readonly users: {
    readonly defaultDomain: string | null;
    /** From NetBIOS domain, upper case, to DNS domain, lower case. */
    readonly netbiosDomains: Readonly<Record<string, string>>;
    /** What users bind to LDAP as: the first that fits. */
    readonly dnTemplates: readonly DnTemplate[];
    /** From single names, as `dnKey` writes them. */
    readonly dns: Readonly<Record<string, User>>;
    /** Where to look for names that none of that makes a user of; null: nowhere. */
    readonly directory: NameDirectoryConfig | null;
  };
  readonly listeners: readonly ListenerConfig[];
  readonly limits: LimitsConfig;
  /** By name. */
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  /** In the order written: the first that matches a user wins. */
  readonly routes: readonly RouteConfig[];
  readonly appPasswords: AppPasswordsConfig;
  readonly ldap: {
    readonly anonymousBind: boolean;
    /** Of a client's message after Bind. */
    readonly maxMessageKiB: number;
  };
  readonly throttle: ThrottleConfig;
  /** null: there is no portal. */
  readonly portal: PortalConfig | null;
  readonly admin: HostPort | null;
  readonly log: { readonly level: LogLevel };
}

export interface NameDirectoryConfig {
  /** The name of an upstream that speaks LDAP. */
  readonly upstream: string;
  readonly base: string;
  readonly filter: FilterTemplate;
  readonly attribute: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly remember: number;
}

/** A search filter with fields in it. */
export interface FilterTemplate {
  readonly text: string;
  readonly filter: SearchFilter;
}

export interface HostPort {
  /** An IP address without brackets, or a host name. */
  readonly host: string;
  /** 0, where it is allowed, stands for any free port. */
  readonly port: number;
}

export interface RedisConfig extends HostPort {
  /** The number of the database. */
  readonly db: number;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly tls: boolean;
  /** A PEM file of authorities to trust instead of the system's. */
  readonly ca: string | null;
  /** What all keys begin with. */
  readonly prefix: string;
  /** Milliseconds that an operation may take. */
  readonly timeout: number;
}

export interface ListenerConfig extends HostPort {
  readonly name: string;
  readonly protocol: SpokenProtocol;
  /** `none`: in clear, which the config has to say in as many words. */
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** CIDR networks of the balancers that have to send a PROXY header, in canonical text. */
  readonly proxyProtocol: readonly string[];
  /** SMTP: EHLO says `AUTH=` too. Left out where it does not. */
  readonly authEquals?: boolean;
  /** What people type in their mail clients, where it is something else than hostname and port. */
  readonly publicAddress: HostPort | null;
}

export interface LimitsConfig {
  /** Connections at a time, in all. */
  readonly connections: number;
  /** Connections at a time from one /32 or /64. */
  readonly perNetwork: number;
  /** Connections at a time that have not logged in yet. */
  readonly beforeLogin: number;
  /** Live sessions of one user at a time. */
  readonly perUser: number;
  /** Milliseconds from accepting a connection to its login. */
  readonly loginDeadline: number;
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction after which a session is closed. */
  readonly idle: number;
  /** Milliseconds that sessions get to end by themselves when Postern stops. */
  readonly drain: number;
}

/** What upstreams of all protocols have. */
interface AnyUpstreamConfig {
  readonly name: string;
  /** Tried in turn. At least one. */
  readonly addresses: readonly HostPort[];
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** A PEM file of authorities to trust instead of the system's. */
  readonly ca: string | null;
  /** The name to verify instead of the address's host. */
  readonly serverName: string | null;
  /** SHA-256 of the one certificate to accept, `AB:CD:…`; instead of verification by authorities. */
  readonly fingerprint: string | null;
  /** The header that connections to it begin with. */
  readonly proxyProtocol: 'none' | 'v2';
  /** Milliseconds for TCP and TLS to one address. */
  readonly connectDeadline: number;
  /** Milliseconds from connected to logged in. */
  readonly loginDeadline: number;
  /** `secure`: only over TLS or to loopback. */
  readonly sendClientAddress: 'secure' | 'always' | 'never';
}

export interface ImapUpstreamConfig extends AnyUpstreamConfig {
  readonly protocol: 'imap';
  readonly login: PlainLogin | PasswordLogin | MasterSuffixLogin;
  /** Join clients to an upstream that offers UNAUTHENTICATE (RFC 8437), past which the gate does not see. */
  readonly acceptUnauthenticate: boolean;
}

export interface SmtpUpstreamConfig extends AnyUpstreamConfig {
  readonly protocol: 'smtp';
  readonly login:
    | PlainLogin
    | PasswordLogin
    /** XCLIENT names the mail user (Postfix). */
    | { readonly method: 'xclient' }
    /** It trusts Postern's address. */
    | { readonly method: 'none' };
}

export interface LdapUpstreamConfig extends AnyUpstreamConfig {
  readonly protocol: 'ldap';
  readonly login: {
    /** The service account alone; or on behalf of the user by RFC 4370. */
    readonly method: 'bind' | 'proxied-authorization';
    readonly dn: string;
    readonly password: Secret;
  };
  /** How the user's own entry is found; null, which only `bind` allows: it is not looked for. */
  readonly userEntry:
    | { readonly template: DnTemplate }
    | { readonly base: string; readonly filter: FilterTemplate }
    | null;
}

export type UpstreamConfig = ImapUpstreamConfig | SmtpUpstreamConfig | LdapUpstreamConfig;

/** SASL PLAIN as `user`, with the mail user as authorization identity. */
export interface PlainLogin {
  readonly method: 'plain';
  readonly user: string;
  readonly password: Secret;
}

/** One fixed account, whoever the mail user is. */
export interface PasswordLogin {
  readonly method: 'password';
  readonly user: string;
  readonly password: Secret;
}

/** As `mailuser<separator>user`. */
export interface MasterSuffixLogin {
  readonly method: 'master-suffix';
  readonly user: string;
  readonly password: Secret;
  readonly separator: string;
}

export interface RouteConfig {
  /** `*`, `*@domain` or `user@domain`, lower case. */
  readonly users: string;
  /** The names of upstreams. Without one for a protocol, these users do not have it. */
  readonly imap?: string;
  readonly smtp?: string;
  /** What they may send; there where `smtp` is. */
  readonly submission?: SubmissionConfig;
  readonly ldap?: string;
  /** There if `ldap` is. */
  readonly directory?: DirectoryConfig;
}

/** What clients may do in the directory. */
export interface DirectoryConfig {
  readonly operations: readonly (
    | 'search'
    | 'compare'
    | 'add'
    | 'delete'
    | 'modify'
    | 'modifyDn'
    | 'passwordModify'
  )[];
  /** null: what the directory allows. */
  readonly maxEntries: number | null;
  /** Milliseconds; null: what the directory allows. */
  readonly maxTime: number | null;
}

export interface SubmissionQuota {
  readonly messagesPerHour: number;
  readonly messagesPerDay: number;
  readonly recipientsPerHour: number;
  readonly recipientsPerDay: number;
}

export interface SubmissionConfig {
  /** Besides the user's own address: `*`, `*@domain`, `name@domain`, canonical. */
  readonly senders: readonly string[];
  readonly nullSender: boolean;
  /** Octets. */
  readonly maxSize: number;
  readonly maxRecipients: number;
  readonly bareNewlines: 'refuse' | 'normalise';
  readonly receivedHeader: boolean;
  readonly perAppPassword: SubmissionQuota;
  readonly perUser: SubmissionQuota;
}

export interface AppPasswordsConfig {
  readonly maxPerUser: number;
  readonly hash: {
    readonly memoryKiB: number;
    readonly passes: number;
    readonly lanes: number;
    /** argon2id runs at a time. */
    readonly concurrency: number;
    /** Verifications that may wait for one. */
    readonly queue: number;
  };
  /** Milliseconds for which the result of a verification is remembered. */
  readonly remember: number;
}

export interface GuessLimit {
  /** This many distinct guesses … */
  readonly distinct: number;
  /** … within this many milliseconds lead to … */
  readonly window: number;
  /** … a block of this many milliseconds. */
  readonly block: number;
}

export interface ThrottleConfig {
  /** Milliseconds from an attempt's arrival to its refusal. */
  readonly failureDelay: number;
  /** Connections that may wait for a refusal, in all … */
  readonly parked: number;
  /** … and from one network. */
  readonly parkedPerNetwork: number;
  /** CIDR networks that are never counted or blocked, in canonical text. */
  readonly exempt: readonly string[];
  /** At most so many attempts of any kind from one network within so many milliseconds. */
  readonly attempts: { readonly most: number; readonly window: number };
  readonly network: GuessLimit;
  readonly networkAndUser: GuessLimit;
}

/** Somebody who has any of the values in the claim. */
export interface ClaimRule {
  readonly claim: string;
  readonly values: readonly string[];
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  /** null: a public client. */
  readonly clientSecret: Secret | null;
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post';
  readonly scopes: readonly string[];
  readonly userClaim: string;
  readonly userDomain: string | null;
  readonly requireVerifiedEmail: boolean;
  /** A PEM file of authorities to trust instead of the system's. */
  readonly ca: string | null;
  readonly twoStep: ClaimRule & { readonly request: 'acr_values' | 'claims' | 'none' };
  /** Milliseconds. */
  readonly maxAge: number;
  readonly logout: boolean;
  /** Milliseconds for each answer. */
  readonly timeout: number;
}

export interface NotifyConfig {
  readonly from: string;
  readonly smtp: HostPort & {
    readonly tls: 'implicit' | 'starttls' | 'none';
    readonly login: { readonly user: string; readonly password: Secret } | null;
    /** A PEM file of authorities to trust instead of the system's. */
    readonly ca: string | null;
  };
}

export interface PortalConfig extends HostPort {
  /** An origin: no path, no slash at its end. */
  readonly publicUrl: string;
  /** PEM files; null: in clear, behind a proxy. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** CIDR networks, in canonical text. */
  readonly trustedProxies: readonly string[];
  readonly oidc: OidcConfig;
  /** null: everybody whom the provider lets in. */
  readonly who: ClaimRule | null;
  /** null: nobody. */
  readonly admins: ClaimRule | null;
  readonly creation: boolean;
  /** Milliseconds; null: no bound. */
  readonly maxLifetime: number | null;
  readonly scopes: readonly Protocol[];
  /** Milliseconds. */
  readonly sessionIdle: number;
  readonly sessionMax: number;
  readonly help: string | null;
  readonly notify: NotifyConfig | null;
}

export { loadConfig, parseConfig } from './load.ts';
export { LOG_LEVELS, type LogLevel } from './log-level.ts';
