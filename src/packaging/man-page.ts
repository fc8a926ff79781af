// Manual pages: postern(1) from the commands, postern.yaml(5) from docs/config.md's own text. The macros are man(7)'s, no more
// of them than groff and mandoc both know.

import type { CommandNode, OptionNode } from './command-tree.ts';

export interface PageFacts {
  readonly version: string;
  /** Of the release: `2026-12-01`. */
  readonly date: string;
}

/** postern(1). */
export function commandsPage(program: CommandNode, { version, date }: PageFacts): string {
  const commands = program.commands.flatMap(withSubcommands);
  return [
    `.TH POSTERN 1 "${date}" "Postern ${version}" "User Commands"`,
    '.SH NAME',
    `postern \\- ${roff(lowerFirst(program.description)).replace(/\.$/, '')}`,
    '.SH SYNOPSIS',
    '.B postern',
    '.I command',
    '.RI [ options ]',
    '.SH COMMANDS',
    ...commands.flatMap(commandText),
    '.SH OPTIONS OF ALL COMMANDS',
    ...optionText({ ...HELP, description: 'show what a command is for' }),
    ...program.options.flatMap(optionText),
    '.SH EXAMPLES AND EXIT CODES',
    ...preformatted(program.more),
    '.SH FILES',
    ...FILES.flatMap(([file, what]) => ['.TP', `.I ${roff(file)}`, roff(what)]),
    '.SH SEE ALSO',
    '.BR postern.yaml (5),',
    '.I /usr/share/doc/postern',
    '',
  ].join('\n');
}

const FILES = [
  ['/etc/postern/postern.yaml', "The configuration, where the package's service reads it."],
  [
    '/var/lib/postern',
    'The store, the keys file and the control socket, by the configuration that the package brings.',
  ],
] as const;

const HELP = { flags: '-h, --help', long: '--help', required: false, value: 'none' } as const;

function withSubcommands(command: CommandNode): CommandNode[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(withSubcommands);
}

function commandText(command: CommandNode): string[] {
  const words = [
    command.path,
    ...command.options.filter(({ required }) => required).map(({ flags }) => flags),
    ...command.arguments.map(({ shown }) => shown),
  ];
  const described = command.arguments.filter(({ description }) => description !== '');
  return [
    `.SS ${roff(words.join(' '))}`,
    `${roff(upperFirst(command.description))}.`,
    ...described.flatMap(({ term, description }) => ['.TP', `.I ${roff(term)}`, roff(description)]),
    ...command.options.flatMap(optionText),
    ...(command.more === '' ? [] : ['.PP', ...preformatted(command.more)]),
  ];
}

function optionText({ flags, description, required }: OptionNode): string[] {
  return ['.TP', `.B ${roff(flags)}`, roff(required ? `${description} (required)` : description)];
}

function preformatted(text: string): string[] {
  return ['.nf', ...text.split('\n').map(roff), '.fi'];
}

/** postern.yaml(5), from the Markdown of the reference. */
export function configPage(markdown: string, { version, date }: PageFacts): string {
  const [, ...paragraphs] = markdown.replace(/<!--.*?-->\n*/gs, '').split(/\n{2,}/);
  return [
    `.TH POSTERN.YAML 5 "${date}" "Postern ${version}" "File Formats"`,
    '.SH NAME',
    'postern.yaml \\- configuration of postern(1)',
    '.SH DESCRIPTION',
    ...paragraphs.flatMap(block).filter((line, at, all) => line !== '.PP' || !isHeading(all[at - 1])),
    '.SH SEE ALSO',
    '.BR postern (1)',
    '',
  ].join('\n');
}

/** Where a paragraph begins anyway. */
const isHeading = (line: string | undefined): boolean => line === undefined || line.startsWith('.SH');

function block(text: string): string[] {
  const heading = /^## (.*)$/.exec(text.trim());
  if (heading !== null) return [`.SH ${inline(heading[1]!)}`];
  if (text.startsWith('|')) return text.trim().split('\n').slice(2).flatMap(row);
  return ['.PP', inline(text.trim().replaceAll('\n', ' '))];
}

/** The key (with type and default) and, below it, what it means. A `|` within a cell is written `\|`. */
function row(line: string): string[] {
  const [key, ...rest] = line
    .replace(/^\| | \|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
  const meaning = rest.pop() ?? '';
  const [type, preset] = rest;
  const facts = type === undefined ? '' : ` (${type}${factOf(preset)})`;
  return ['.TP', `${inline(key!)}${inline(facts)}`, meaning === '' ? '\\ ' : inline(meaning)];
}

function factOf(preset: string | undefined): string {
  if (preset === undefined || preset === '') return '';
  return preset.startsWith('`') ? `; default ${preset}` : `; ${preset}`;
}

/** Code and bold become bold, links their text. */
function inline(markdown: string): string {
  return markdown
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .split(/(`[^`]*`|\*\*[^*]*\*\*)/)
    .map((part) => {
      const marked = /^(?:`([^`]*)`|\*\*([^*]*)\*\*)$/.exec(part);
      return marked === null ? roff(part) : `\\fB${roff(marked[1] ?? marked[2]!)}\\fR`;
    })
    .join('')
    .replace(/^(?=[.'])/, '\\&');
}

/** For roff: no backslash, hyphen or leading control character means anything but itself. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&')
    .replaceAll('’', '\\(cq')
    .replaceAll('“', '\\(lq')
    .replaceAll('”', '\\(rq')
    .replaceAll('…', '...')
    .replaceAll('→', '\\->');
}

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
