// The commands as plain data, from commander: what the man page and the completions are made of, so that they cannot say
// anything else than the program does.

import type { Command, Option } from 'commander';
import { programOf } from '../main.ts';

export interface CommandNode {
  /** `postern password create`. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly {
    readonly term: string;
    /** As in a synopsis: `<user>`, `[id...]`. */
    readonly shown: string;
    readonly description: string;
    readonly isFile: boolean;
  }[];
  readonly options: readonly OptionNode[];
  /** What `--help` prints behind the options; empty if that is nothing. */
  readonly more: string;
  readonly commands: readonly CommandNode[];
}

export interface OptionNode {
  /** `--config <file>`. */
  readonly flags: string;
  readonly long: string;
  readonly description: string;
  readonly required: boolean;
  readonly value: 'none' | 'file' | 'text';
}

/** All that the program has. */
export function programTree(): CommandNode {
  return commandTree(programOf({ stdout: () => {}, stderr: () => {} }, {}));
}

function commandTree(command: Command, before = ''): CommandNode {
  const name = command.name();
  const path = before === '' ? name : `${before} ${name}`;
  const help = command.createHelp();
  const own = help.visibleOptions(command).filter((option) => option.long !== '--help');
  return {
    path,
    name,
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      term: help.argumentTerm(argument),
      shown: `${argument.required ? '<' : '['}${argument.name()}${argument.variadic ? '...' : ''}${argument.required ? '>' : ']'}`,
      description: argument.description,
      isFile: argument.name() === 'file',
    })),
    options: own.map(optionNode),
    more: textBehindHelp(command),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => commandTree(child, path)),
  };
}

function optionNode(option: Option): OptionNode {
  const takesValue = option.required || option.optional;
  return {
    flags: option.flags,
    long: option.long ?? option.flags,
    description: option.description,
    required: option.mandatory,
    value: takesValue ? (/<file>/.test(option.flags) ? 'file' : 'text') : 'none',
  };
}

/** What addHelpText has added: commander only prints it, so it is printed. */
function textBehindHelp(command: Command): string {
  const { writeOut } = command.configureOutput();
  let printed = '';
  command.configureOutput({
    writeOut: (text) => {
      printed += text;
    },
  });
  command.outputHelp();
  if (writeOut !== undefined) command.configureOutput({ writeOut });
  return printed.replace(command.helpInformation(), '').trim();
}
