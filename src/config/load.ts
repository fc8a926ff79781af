// The way from a file to a Config: read it, substitute variables, check it against the schema, apply the rules that look at
// more than one key, read the secrets. Mistakes of all steps are collected, then thrown as one ConfigError.

import { basename, dirname, resolve } from 'node:path';
import { ConfigError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { assemble, controlSocket, type PortalSecrets, type RedisSecrets } from './assemble.ts';
import type { Config } from './config.ts';
import { readDocument } from './document.ts';
import { explainIssues, retype } from './explain.ts';
import { checkFiles } from './files.ts';
import { Problems } from './problems.ts';
import { configSchema } from './schema.ts';
import { decodeUtf8, type ReadFile, readSecret, readSmallFile, whyUnreadable } from './secret-file.ts';
import { checkListeners } from './sections/listeners.ts';
import { checkPortal } from './sections/portal.ts';
import { checkRedis } from './sections/redis.ts';
import { checkRoutes } from './sections/routes.ts';
import { checkControl, checkStore } from './sections/store.ts';
import { checkTls } from './sections/tls.ts';
import { checkUpstreams, isWithoutPassword } from './sections/upstreams.ts';
import { checkUsers } from './sections/users.ts';
import { Written } from './written.ts';

export interface ParseOptions {
  /** Where the text is from: its base name stands in messages, its directory is what paths are relative to. */
  readonly file: string;
  /** For `${VAR}`. */
  readonly env: NodeJS.ProcessEnv;
  /** For secrets, and for the other files if they are checked. */
  readonly readFile?: ReadFile;
  /** Also look into the certificates and keys that the configuration names. Default: false. */
  readonly checkFiles?: boolean;
}

/** Reads and checks a configuration file. Rejects with a ConfigError that holds every mistake in it. */
export async function loadConfig(
  file: string,
  env: NodeJS.ProcessEnv,
  options: { readonly checkFiles?: boolean } = {},
): Promise<Config> {
  let content: Uint8Array;
  try {
    content = readSmallFile(file).content;
  } catch (error) {
    throw fileError(
      file,
      `cannot be read (${whyUnreadable(error)}), must be a file: name one by --config or $POSTERN_CONFIG`,
    );
  }
  const text = decodeUtf8(content);
  if (text === undefined) throw fileError(file, 'is not UTF-8, must be YAML in UTF-8');
  return parseConfig(text, { file, env, ...options });
}

function fileError(file: string, message: string): ConfigError {
  return new ConfigError(`${basename(file)}:1:1 file: ${message} (${resolve(file)})`);
}

/** Checks the text of a configuration. Throws a ConfigError that holds every mistake in it. */
export function parseConfig(text: string, options: ParseOptions): Config {
  const file = resolve(options.file);
  const readFile = options.readFile ?? readSmallFile;
  const problems = new Problems(basename(file), text);
  const refuse = () => new ConfigError(problems.messages());

  const values = readDocument(text, options.env, problems);
  if (values === undefined) throw refuse();

  let result = configSchema.safeParse(values);
  if (!result.success && retype(values, result.error.issues, problems))
    result = configSchema.safeParse(values);

  // The rules speak first: where both have something to say about one value, theirs is the better explanation.
  const written = new Written(values, [], problems);
  applyRules(written);
  if (!result.success) explainIssues(values, configSchema, result.error.issues, problems);
  const secrets = new Map<string, Secret>();
  for (const [name, upstream] of written.get('upstreams').entries()) {
    const login = upstream.get('login');
    if (!login.isWritten || isWithoutPassword(login.get('method').text)) continue;
    const secret = readSecret(login, 'password', { directory: dirname(file), readFile });
    if (secret) secrets.set(name, secret);
  }
  const redis = readRedisSecrets(written.get('redis'), { directory: dirname(file), readFile });
  const portal = readPortalSecrets(written.get('portal'), { directory: dirname(file), readFile });
  if (result.success) checkControl(written.get('control'), controlSocket(file, result.data));
  if (!result.success || !problems.isEmpty) throw refuse();

  const config = assemble(file, result.data, secrets, redis, portal);
  if (options.checkFiles) checkFiles(config, written, readFile);
  if (!problems.isEmpty) throw refuse();
  return config;
}

/** Undefined if there is no such section, or what is wrong with it is among the problems. */
function readRedisSecrets(
  redis: Written,
  options: { directory: string; readFile: ReadFile },
): RedisSecrets | undefined {
  if (!redis.isWritten) return undefined;
  const url = readSecret(redis, 'url', options);
  checkRedis(redis, url);
  const hasPassword = redis.get('password').isWritten || redis.get('passwordFile').isWritten;
  const password = hasPassword ? readSecret(redis, 'password', options) : undefined;
  return url && { url, password };
}

/** Both may be left out: a public client, a server that wants no login. */
function readPortalSecrets(
  portal: Written,
  options: { directory: string; readFile: ReadFile },
): PortalSecrets {
  const read = (section: Written, name: string) =>
    section.get(name).isWritten || section.get(`${name}File`).isWritten
      ? readSecret(section, name, options)
      : undefined;
  return {
    clientSecret: read(portal.get('oidc'), 'clientSecret'),
    smtpPassword: read(portal.get('notify').get('smtp'), 'password'),
  };
}

/** Rules that look at more than one key. */
function applyRules(written: Written): void {
  checkStore(written.get('store'));
  checkTls(written.get('tls'), written.get('listeners'));
  checkUsers(written.get('users'), written.get('upstreams'));
  checkListeners(written.get('listeners'), written.get('admin'), written.get('portal'));
  checkUpstreams(written.get('upstreams'));
  checkPortal(written.get('portal'));
  checkRoutes(written.get('routes'), written.get('upstreams'));
}
