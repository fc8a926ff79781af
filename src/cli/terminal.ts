// What commands need to print. Commands get a Terminal and never touch process.stdout, so that a test can read
// what they say.

export interface Terminal {
  /** Writes text to standard output as it is; the caller ends its lines. */
  stdout(text: string): void;
  /** Writes text to standard error as it is; the caller ends its lines. */
  stderr(text: string): void;
}

/** A reader that went away (`postern password list | head -1`) is no reason to fail; anything else is. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** The terminal, pipes or files that this process was started with. */
export function processTerminal(): Terminal {
  process.stdout.on('error', ignoreClosedPipe);
  process.stderr.on('error', ignoreClosedPipe);
  return {
    stdout: (text) => {
      process.stdout.write(text);
    },
    stderr: (text) => {
      process.stderr.write(text);
    },
  };
}
