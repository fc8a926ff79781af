// Waiting for something, and not for longer than so many milliseconds.

export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';

  /** `what` is what did not come. */
  constructor(milliseconds: number, what = 'answer') {
    super(`no ${what} within ${milliseconds} ms`);
  }
}

/** Rejects with DeadlineError when the time is up; what the work comes to after that is nobody's concern. */
export function within<T>(milliseconds: number, work: Promise<T>, what?: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // When the event loop was late, the answer may be there and not be read yet: timers come before sockets.
      setImmediate(() => reject(new DeadlineError(milliseconds, what)));
    }, milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
