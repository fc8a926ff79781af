// The way from a file to a Config: read it, substitute variables, check it by the rules that look at more than one key, make
// paths absolute, read the secrets, decode it by the schema. Mistakes of all steps are collected, then thrown as one ConfigError.

import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../lib/errors.ts';
import { readDocument } from './document.ts';
import { explainIssues } from './explain.ts';
import { checkFiles } from './files.ts';
import { Problems } from './problems.ts';
import { applyRules } from './rules.ts';
import { type Config, configSchema, type Section } from './schema.ts';
import { decodeUtf8, type ReadFile, readSmallFile, whyUnreadable } from './secret-file.ts';
import { completeControl } from './sections/store.ts';
import { bind, retype } from './walk.ts';
import { Written } from './written.ts';

/** The sections of a configuration that somebody asked for, and where it is from. */
export type Sections<Read extends Section> = Pick<Config, Read | 'file' | 'doubts'>;

export interface ParseOptions<Read extends Section = Section> {
  /** Where the text is from: its base name stands in messages, its directory is what paths are relative to. */
  readonly file: string;
  /** For `${VAR}`. */
  readonly env: NodeJS.ProcessEnv;
  /** For secrets, and for the other files if they are checked. */
  readonly readFile?: ReadFile;
  /** Also look into the certificates and keys that the configuration names. Default: false. */
  readonly checkFiles?: boolean;
  /**
   * The sections that are needed: variables, secrets and mistakes in others are not looked at, so that what a command does
   * not use cannot keep it from running. Default: all, and then there may be no others.
   */
  readonly only?: readonly Read[];
}

/** Reads and checks a configuration file. Rejects with a ConfigError that holds every mistake in it. */
export async function loadConfig<Read extends Section = Section>(
  file: string,
  env: NodeJS.ProcessEnv,
  options: Pick<ParseOptions<Read>, 'checkFiles' | 'only'> = {},
): Promise<Sections<Read>> {
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
export function parseConfig<Read extends Section = Section>(
  text: string,
  options: ParseOptions<Read>,
): Sections<Read> {
  return parseAs(configSchema, text, options);
}

/** By a schema that has at least the sections of `configSchema`. */
export function parseAs<Schema extends typeof configSchema>(
  schema: Schema,
  text: string,
  options: ParseOptions,
): z.output<Schema> & { file: string; doubts: readonly string[] } {
  const file = resolve(options.file);
  const readFile = options.readFile ?? readSmallFile;
  const problems = new Problems(basename(file), text);
  const refuse = () => new ConfigError(problems.messages());

  const { only } = options;
  const asked = new Set<string>(only);
  // The control socket is by default beside the store.
  if (asked.has('control')) asked.add('store');
  const isRead = (section: string) => only === undefined || asked.has(section);
  const values = readDocument(text, options.env, problems, isRead);
  if (values === undefined) throw refuse();
  retype(schema, values, problems);

  // The rules speak first: where both have something to say about one value, theirs is the better explanation.
  const written = new Written(values, [], problems);
  applyRules(written, isRead);
  const needed = only === undefined ? schema : partOf(schema, isRead);
  const result = needed.safeParse(bind(needed, values, { directory: dirname(file), readFile }, problems));
  if (!result.success) {
    explainIssues(values, schema, result.error.issues, problems);
    throw refuse();
  }
  const config = { ...(result.data as z.output<Schema>), file, doubts: problems.doubts };
  if (isRead('control')) completeControl(config, written.get('control'));
  if (!problems.isEmpty) throw refuse();
  if (options.checkFiles) checkFiles(config, written, readFile);
  if (!problems.isEmpty) throw refuse();
  return config;
}

/** Some of a schema's sections; others may be there, whatever is in them. */
function partOf<Schema extends z.ZodObject>(
  schema: Schema,
  isRead: (section: string) => boolean,
): z.ZodObject {
  const shape = Object.entries(schema.shape).filter(([section]) => isRead(section));
  return z.object(Object.fromEntries(shape), { error: 'must be a map of keys' });
}
