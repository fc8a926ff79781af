// `postern help [COMMAND…]`: the same as `postern COMMAND… --help`, however many words a command has.

import { Command } from 'commander';
import { UsageError } from '../lib/errors.ts';
import { quoted } from './output.ts';

export function helpCommand(program: Command): Command {
  return new Command('help')
    .description('show the help of a command')
    .argument('[command...]', 'its words, such as `password create`')
    .action((words: string[]) => {
      let command = program;
      for (const [at, word] of words.entries()) {
        const next = command.commands.find((one) => one.name() === word);
        if (next === undefined) {
          throw new UsageError(
            `there is no command ${quoted(words.slice(0, at + 1).join(' '))}: see postern help`,
          );
        }
        command = next;
      }
      command.help();
    });
}
