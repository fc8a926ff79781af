// The style sheet, the script and the pictures: files of ours, the same for everybody. Pages name them with a piece of their hash,
// so that browsers may keep them for good and an update is seen at once.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync } from 'fastify';

const DIRECTORY = join(import.meta.dirname, '..', 'static');
const YEAR = 365 * 86_400;

const versions = new Map(
  readdirSync(DIRECTORY).map((name) => [
    name,
    createHash('sha256')
      .update(readFileSync(join(DIRECTORY, name)))
      .digest('base64url')
      .slice(0, 12),
  ]),
);

/** The path of a file of static/, for a page. Throws if there is none. */
export function assetPath(name: string): string {
  const version = versions.get(name);
  if (version === undefined) throw new Error(`there is no static file ${name}`);
  return `/static/${name}?v=${version}`;
}

/** Everything under /static/. */
export const assets: FastifyPluginAsync = async (server) => {
  await server.register(fastifyStatic, {
    root: DIRECTORY,
    prefix: '/static/',
    // Only what was there at the start: no globbing of paths, no directories.
    wildcard: false,
    index: false,
    maxAge: YEAR * 1000,
    immutable: true,
  });
};
