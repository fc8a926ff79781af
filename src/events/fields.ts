// Fields that lines of several subjects have. What a peer sent reaches a line only through `printable`.

export interface ConnectionFacts {
  readonly id: string;
  readonly listener: string;
  readonly client: { readonly address: string; readonly port: number };
  /** The address of the balancer that it came through. */
  readonly balancer?: string | null;
}

export function connectionFields(connection: ConnectionFacts) {
  return {
    session: connection.id,
    listener: connection.listener,
    client: connection.client.address,
    clientPort: connection.client.port,
    ...(connection.balancer ? { balancer: connection.balancer } : {}),
  };
}

/** A peer's words, fit for a log line: no control characters, at most 200 characters. */
export function printable(text: string | null): string | null {
  return text === null ? null : text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 200);
}

/** A system's or TLS library's word for it, where it has one. */
export function errorCode(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? printable(message ?? 'unknown') ?? 'unknown';
}

/** What it says and what its cause says. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return printable(`${error.message}${cause}`) ?? 'unknown';
}
