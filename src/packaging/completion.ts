// Completion for bash, zsh and fish, made from the commands: names of commands, options, and files where a file is wanted.

import type { CommandNode, OptionNode } from './command-tree.ts';

const MADE = '# Completion for postern, made from its commands by `npm run dist`.';

/** `--config` and its like from every command, each once. */
function valueOptions(program: CommandNode, value: OptionNode['value']): string[] {
  const found = new Set<string>();
  for (const command of flatten(program)) {
    for (const option of command.options) if (option.value === value) found.add(option.long);
  }
  return [...found].sort();
}

const flatten = (command: CommandNode): CommandNode[] => [command, ...command.commands.flatMap(flatten)];

/** The long options of a command, `--help` among them. */
const optionsOf = (command: CommandNode): string[] => [...command.options.map(({ long }) => long), '--help'];

const takesFile = (command: CommandNode): boolean => command.arguments.some(({ isFile }) => isFile);

/** For /usr/share/bash-completion/completions/postern; needs nothing of the package bash-completion. */
export function bashCompletion(program: CommandNode): string {
  const cases = flatten(program).map((command) => {
    const words = [...command.commands.map(({ name }) => name), ...optionsOf(command)];
    return `    '${command.path}') words='${words.join(' ')}'${takesFile(command) ? ' file=yes' : ''} ;;`;
  });
  const known = flatten(program).map(({ path }) => `'${path}'`);
  return `${MADE}

_postern() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=postern words='' file='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$command $word" in
      ${known.join(' | ')}) command="$command $word" ;;
    esac
  done
  COMPREPLY=()
  compopt +o default 2> /dev/null
  case $previous in
    ${valueOptions(program, 'file').join(' | ')}) compopt -o default 2> /dev/null; return ;;
    ${valueOptions(program, 'text').join(' | ')}) return ;;
  esac
  case $command in
${cases.join('\n')}
  esac
  while read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
  if [[ $file && $current != -* ]]; then
    compopt -o default 2> /dev/null
  fi
}
complete -F _postern postern
`;
}

/** For a directory of zsh's fpath, as \`_postern\`. */
export function zshCompletion(program: CommandNode): string {
  const functions = flatten(program).map(zshFunction);
  return `#compdef postern
${MADE}

${functions.join('\n')}
${zshName(program)} "$@"
`;
}

const zshName = (command: CommandNode): string =>
  `_${command.path.replaceAll(' ', '__').replaceAll('-', '_')}`;

/** In single quotes, where \`[\`, \`]\` and \`:\` are _arguments' own. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");

function zshFunction(command: CommandNode): string {
  const options = command.options.map(({ long, description, value }) => {
    const action = value === 'none' ? '' : `:${long.slice(2)}:${value === 'file' ? '_files' : ' '}`;
    return `    '*${long}[${zshText(description)}]${action}'`;
  });
  options.push(`    '--help[show help]'`);
  if (command.commands.length === 0) {
    const rest = takesFile(command) ? [`    '*:file:_files'`] : [];
    return `${zshName(command)}() {
  _arguments -S \\
${[...options, ...rest].join(' \\\n')}
}
`;
  }
  const children = command.commands.map(({ name, description }) => `    '${name}:${zshText(description)}'`);
  const cases = command.commands.map((child) => `        ${child.name}) ${zshName(child)} ;;`);
  return `${zshName(command)}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${children.join('\n')}
  )
  _arguments -C -S \\
${options.join(' \\\n')} \\
    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command) _describe -t commands 'command' commands ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
`;
}

/** For /usr/share/fish/vendor_completions.d/postern.fish. */
export function fishCompletion(program: CommandNode): string {
  const lines = flatten(program).flatMap((command) => {
    const words = command.path.split(' ').slice(1);
    const when = `-n '__postern_is_at${words.map((word) => ` ${word}`).join('')}'`;
    const children = command.commands.map(
      ({ name, description }) => `complete -c postern ${when} -f -a ${name} -d ${fishText(description)}`,
    );
    const options = command.options.map(({ long, description, value }) => {
      const takes = value === 'none' ? '' : value === 'file' ? ' -r -F' : ' -x';
      return `complete -c postern ${when} -l ${long.slice(2)}${takes} -d ${fishText(description)}`;
    });
    const file = takesFile(command) ? [`complete -c postern ${when} -F`] : [];
    return [...children, ...options, `complete -c postern ${when} -l help -d 'show help'`, ...file];
  });
  const known = flatten(program)
    .slice(1)
    .map(({ path }) => `'${path.slice('postern '.length)}'`);
  return `${MADE}

# Whether the command that stands on the line so far is this one.
function __postern_is_at
    set -l at
    for word in (commandline -opc)[2..]
        if contains -- (string join -- ' ' $at $word) ${known.join(' ')}
            set -a at $word
        end
    end
    test "$at" = "$argv"
end

complete -c postern -f
${lines.join('\n')}
`;
}

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
