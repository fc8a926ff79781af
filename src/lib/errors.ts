// Errors by audience. What a mail client hears never comes from here: that is fixed text in the protocols.

/** Something that the admin wrote is wrong. `messages` are complete lines, all that were found. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly messages: readonly string[];

  constructor(messages: string | readonly string[]) {
    const list = typeof messages === 'string' ? [messages] : messages;
    super(list.join('\n'));
    this.messages = list;
  }
}

/** The command line cannot be carried out as it was typed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command's own "no": it was understood, and the answer is no (a limit, an id that does not exist). */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/** Something that is needed does not answer now, and may later: the store, a running process. */
export class UnavailableError extends Error {
  override readonly name: string = 'UnavailableError';
}
