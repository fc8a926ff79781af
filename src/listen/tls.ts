// Server-side TLS: the contexts, and turning a socket into a TLS one.

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { ConfigError } from '../lib/errors.ts';

export interface ServerTls {
  readonly context: SecureContext;
  /** Seconds since the epoch when the certificate ends. */
  readonly expiresAt: number;
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint` writes it. */
  readonly fingerprint: string;
  /** Of the files that it was made of. */
  readonly digest: string;
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

/** What the files hold; `digest` tells whether that has changed. */
export interface TlsFileContents {
  readonly files: TlsFiles;
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly digest: string;
}

/** TLS 1.2 and newer, with the ciphers that Node prefers. Rejects with ConfigError for files that do not fit together. */
export async function loadServerTls(files: TlsFiles): Promise<ServerTls> {
  return makeServerTls(await readTlsFiles(files));
}

/** Rejects with ConfigError. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsFileContents> {
  const certificate = await readPem(files.certificate, 'tls.certificate');
  const key = await readPem(files.key, 'tls.key');
  const digest = createHash('sha256').update(certificate).update('\0').update(key).digest('base64');
  return { files, certificate, key, digest };
}

/** Throws ConfigError if certificate and key cannot be read or are not of one pair. */
export function makeServerTls({ files, certificate, key, digest }: TlsFileContents): ServerTls {
  try {
    const leaf = new X509Certificate(certificate);
    // OpenSSL notices only keys that are of the certificate's own type.
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new MismatchError();
    const context = createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
    const expiresAt = Date.parse(leaf.validTo) / 1000;
    return { context, expiresAt, fingerprint: leaf.fingerprint256, digest };
  } catch (error) {
    // OpenSSL's reason names no secret.
    const reason = (error as { reason?: string }).reason ?? 'not readable as PEM';
    throw new ConfigError(`tls: ${files.certificate} and ${files.key} cannot be used: ${reason}`);
  }
}

class MismatchError extends Error {
  readonly reason = 'key values mismatch';
}

async function readPem(file: string, key: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new ConfigError(`${key}: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/**
 * Starts TLS as the server. Bytes that are in the socket's read buffer (put back by whoever looked at them) are taken as
 * the client's first. Rejects when the handshake fails or the client goes; the deadline is the caller's.
 */
export function startServerTls(socket: Socket, context: SecureContext): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Half-open or not is taken over from the socket.
    const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
    const closed = () => reject(new Error('the client closed the connection during the TLS handshake'));
    // Half of a connection is of no use to a handshake, and nobody else reads yet.
    const ended = () => secured.destroy();
    secured.on('_tlsError', reject);
    // Node gives server-side TLS errors by that event, during the handshake and after it, and leaves closing to its owner.
    secured.on('_tlsError', destroyIt);
    secured.on('error', reject);
    secured.once('close', closed);
    secured.once('end', ended);
    secured.once('secure', () => {
      secured.off('close', closed);
      secured.off('end', ended);
      // A session lasts for hours: it should not keep alive what was needed to start it.
      secured.on('error', ignoreError);
      secured.off('error', reject);
      secured.off('_tlsError', reject);
      resolve(secured);
    });
  });
}

function destroyIt(this: TLSSocket): void {
  this.destroy();
}

function ignoreError(): void {}

/** A TLS record with a handshake in it, or an SSLv2-format hello (RFC 5246 appendix E.2). */
export function looksLikeTls(first: Buffer): boolean {
  if (first[0] === 0x16) return first.length < 2 || first[1] === 0x03;
  return first.length >= 3 && ((first[0] as number) & 0x80) !== 0 && first[2] === 0x01;
}
