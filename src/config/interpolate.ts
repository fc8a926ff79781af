// `${VAR}` and `${VAR:-default}` in a scalar. What a variable holds is text and stays text: it is never read as YAML.

export interface Interpolated {
  readonly text: string;
  /** Whether anything was substituted. */
  readonly substituted: boolean;
  /** What could not be, each as "what is wrong, what would be right". */
  readonly mistakes: readonly string[];
}

/** `$${` stands for a literal `${`; otherwise `${`, a name, perhaps a default that holds no `}`, and `}`. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|\$\{/g;

/** As in a shell, `:-` also replaces a variable that is set and empty. */
export function interpolate(source: string, env: NodeJS.ProcessEnv): Interpolated {
  const mistakes: string[] = [];
  let substituted = false;
  const text = source.replace(
    REFERENCE,
    (match: string, name?: string, hasDefault?: string, otherwise = '') => {
      if (match === '$${') return '${';
      if (name === undefined) {
        mistakes.push(
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the file would have to hold
          'has a ${ that begins no variable, must be ${NAME} or ${NAME:-default} ($${ for a literal ${)',
        );
        return '';
      }
      substituted = true;
      const value = Object.hasOwn(env, name) ? env[name] : undefined;
      if (hasDefault !== undefined) return value || otherwise;
      if (value === undefined) {
        mistakes.push(
          `needs the environment variable ${name}, which is not set, must be set or be \${${name}:-default}`,
        );
        return '';
      }
      return value;
    },
  );
  return { text, substituted, mistakes };
}
