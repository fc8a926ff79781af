// What can go wrong on the way to an upstream. The texts are for the operator's log; a mail client never hears them.

import { addressText, type UpstreamAddress } from './address.ts';

export interface AddressFailure {
  readonly address: UpstreamAddress;
  /** What went wrong there; nothing secret is known to the dialler, so nothing secret is in it. */
  readonly error: Error;
}

/** None of an upstream's addresses could be used. */
export class UpstreamUnreachableError extends Error {
  override readonly name = 'UpstreamUnreachableError';
  readonly upstream: string;
  /** One for each address that was tried, in that order. */
  readonly failures: readonly AddressFailure[];

  constructor(upstream: string, failures: readonly AddressFailure[]) {
    const texts = failures.map(({ address, error }) => `${addressText(address)}: ${describeFailure(error)}`);
    super(`upstream ${upstream} cannot be reached: ${texts.join('; ')}`, { cause: failures.at(-1)?.error });
    this.upstream = upstream;
    this.failures = failures;
  }
}

export type CertificateFault =
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_name'
  | 'unknown_ca'
  | 'wrong_fingerprint'
  /** Anything else that verification objects to; the message has OpenSSL's word for it. */
  | 'invalid';

/** The upstream showed a certificate that is not accepted. Someone has to do something: it will not pass by itself. */
export class UpstreamCertificateError extends Error {
  override readonly name = 'UpstreamCertificateError';
  readonly fault: CertificateFault;

  constructor(fault: CertificateFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** An address was not ready within the upstream's `connectDeadline`. */
export class UpstreamDeadlineError extends Error {
  override readonly name = 'UpstreamDeadlineError';
  /** What was being waited for. */
  readonly phase: 'tcp' | 'tls' | 'greeting';

  constructor(phase: 'tcp' | 'tls' | 'greeting', milliseconds: number) {
    const what = { tcp: 'TCP connection', tls: 'TLS handshake', greeting: 'greeting' }[phase];
    super(`no ${what} within ${milliseconds / 1000} s`);
    this.phase = phase;
  }
}

/** The upstream sent something between its answer to STARTTLS and the handshake. */
export class PlaintextBeforeTlsError extends Error {
  override readonly name = 'PlaintextBeforeTlsError';

  constructor() {
    super('it sent plaintext after its answer to STARTTLS');
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name cannot be resolved now',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no TLS is spoken there, or too old a version',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no TLS is spoken there',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'only too old a TLS version is spoken there',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'only too old a TLS version is spoken there',
};

/** What went wrong with an address, in the operator's words. */
export function describeFailure(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  // Several IP addresses of one host name were tried: the errors differ at most by address.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) {
    return describeFailure(error.errors[0]);
  }
  return (code !== undefined && WORDS[code]) || error.message;
}
