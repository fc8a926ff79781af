// `npm start`: the sandbox. A whole Postern on loopback with a mailbox behind it, tried by another's mail client, then left
// running to play with. Development only: it is not in the package, nor in the image.
//
//   npm start [-- --once] [-- --directory DIRECTORY]
//
// `--once` ends it after the round trip. `--directory` is for more than one at a time; .sandbox unless told.

import { once } from 'node:events';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError } from '../lib/errors.ts';
import { type Commands, commandsOn, type MadePassword } from './command.ts';
import { emptyDirectory, type SandboxFiles, sandboxFiles, writeAtOnce, writePrivate } from './directory.ts';
import { invitation } from './invitation.ts';
import { RoundTripError, roundTrip } from './round-trip.ts';
import { type Sandbox, startSandbox, USER } from './start.ts';

const ROOT = join(import.meta.dirname, '..', '..');

process.exit(await run());

/** Gives the exit code. */
async function run(): Promise<number> {
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        directory: { type: 'string', default: join(ROOT, '.sandbox') },
      },
    });
    const files = sandboxFiles(resolve(values.directory));
    const shown = pathsFromRoot(files);
    await emptyDirectory(files);
    say(`Postern's sandbox, in ${shown.directory}\n\n`);
    await using sandbox = await startSandbox(files, process.env);
    const ended = await Promise.race([tryOut(sandbox, files, shown), stopped.then(() => 'stopped' as const)]);
    if (ended === 'stopped') return 0;
    if (values.once) return 0;
    say(
      invitation({ user: USER, device: ended, ports: sandbox.ports, portal: sandbox.portal, files: shown }),
    );
    await stopped;
    say('\nstopping\n');
    return 0;
  } catch (error) {
    complain(error);
    return 1;
  }
}

/** The user, the app password, the round trip, and the state for whoever waits for it. */
async function tryOut(sandbox: Sandbox, files: SandboxFiles, shown: SandboxFiles): Promise<MadePassword> {
  const commands: Commands = commandsOn(files.config, process.env);
  const device = await commands.createPassword(USER, 'first device');
  const { ports, ca } = sandbox;
  await roundTrip({
    user: USER,
    device,
    commands,
    ports,
    ca,
    onStep: (name, milliseconds) =>
      say(`  ok  ${name.padEnd(48)} ${milliseconds.toFixed(0).padStart(5)} ms\n`),
  });
  writePrivate(files.password, device.password);
  writePrivate(files.netrc, `machine localhost login ${USER} password ${device.password}\n`);
  writeAtOnce(files.state, stateText(sandbox, shown, device));
  return device;
}

/** state.json, for programs that wait for the sandbox: whatever is in it stays. */
function stateText({ ports, portal }: Sandbox, shown: SandboxFiles, device: MadePassword): string {
  const { ca, config } = shown;
  const state = { user: USER, appPassword: device.password, ca, config, portal, ports };
  return `${JSON.stringify(state, null, 2)}\n`;
}

function pathsFromRoot(files: SandboxFiles): SandboxFiles {
  const shown = Object.entries(files).map(([name, path]) => [name, relative(ROOT, path) || '.']);
  return Object.fromEntries(shown) as SandboxFiles;
}

function complain(error: unknown): void {
  if (error instanceof RoundTripError) {
    process.stderr.write(
      `\n  failed  ${error.message}\n\nPostern's log is postern.log in the sandbox's directory.\n`,
    );
  } else if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
  } else {
    const { code, message, stack } = error as NodeJS.ErrnoException;
    const usage = code?.startsWith('ERR_PARSE_ARGS')
      ? `${message}\nnpm start [-- --once] [-- --directory DIRECTORY]`
      : stack;
    process.stderr.write(`${usage}\n`);
  }
}

function say(text: string): void {
  process.stdout.write(text);
}
