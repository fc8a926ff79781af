// The way from a file to a Config: read it, substitute variables, check it by the rules that look at more than one key, make
// paths absolute, read the secrets, decode it by the schema. Mistakes of all steps are collected, then thrown as one ConfigError.

import { basename, dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError } from '../lib/errors.ts';
import { readDocument } from './document.ts';
import { explainIssues } from './explain.ts';
import { checkFiles } from './files.ts';
import { Problems } from './problems.ts';
import { applyRules } from './rules.ts';
import { type Config, configSchema } from './schema.ts';
import { decodeUtf8, type ReadFile, readSmallFile, whyUnreadable } from './secret-file.ts';
import { completeControl } from './sections/store.ts';
import { bind, retype } from './walk.ts';
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
  return parseAs(configSchema, text, options);
}

/** By a schema that has at least the sections of `configSchema`. */
export function parseAs<Schema extends typeof configSchema>(
  schema: Schema,
  text: string,
  options: ParseOptions,
): z.output<Schema> & { file: string } {
  const file = resolve(options.file);
  const readFile = options.readFile ?? readSmallFile;
  const problems = new Problems(basename(file), text);
  const refuse = () => new ConfigError(problems.messages());

  const values = readDocument(text, options.env, problems);
  if (values === undefined) throw refuse();
  retype(schema, values, problems);

  // The rules speak first: where both have something to say about one value, theirs is the better explanation.
  const written = new Written(values, [], problems);
  applyRules(written, () => true);
  const result = schema.safeParse(bind(schema, values, { directory: dirname(file), readFile }, problems));
  if (!result.success) {
    explainIssues(values, schema, result.error.issues, problems);
    throw refuse();
  }
  const config = { ...result.data, file };
  completeControl(config, written.get('control'));
  if (!problems.isEmpty) throw refuse();
  if (options.checkFiles) checkFiles(config, written, readFile);
  if (!problems.isEmpty) throw refuse();
  return config;
}
