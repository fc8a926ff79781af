// What a route lets its users submit, and who they may say they are (RFC 6409 §6.1).

import { parseUser, type User } from '../../lib/user.ts';
import type { NewlinePolicy } from './data.ts';
import { parseMailbox } from './wire.ts';

/** How much may be submitted, by one app password or one user. Each window begins with the first message in it. */
export interface QuotaLimits {
  readonly messagesPerHour: number;
  readonly messagesPerDay: number;
  readonly recipientsPerHour: number;
  readonly recipientsPerDay: number;
}

export interface SubmissionPolicy {
  /** Sender addresses besides the user's own: `*`, `*@domain`, `name@domain`, canonical. */
  readonly senders: readonly string[];
  /** Whether `MAIL FROM:<>` is taken. */
  readonly nullSender: boolean;
  /** Octets of a message. */
  readonly maxSize: number;
  /** Of one message. */
  readonly maxRecipients: number;
  /** What becomes of a message with a CR or LF of its own in it. */
  readonly bareNewlines: NewlinePolicy;
  /** Adds a Received field that names the user. */
  readonly receivedHeader: boolean;
  readonly perAppPassword: QuotaLimits;
  readonly perUser: QuotaLimits;
}

/** RFC 5321 §4.1.2, RFC 6531 §3.3; dots anywhere, as some mobile carriers have them. */
const DOT_STRING = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\p{L}\p{M}\p{N}]+$/u;
const QUOTED_STRING = /^"(?:[ !#-[\]-~]|\\[ -~])*"$/;

/** Whether a message may come from this path, which is what stands between the angle brackets. */
export function maySendAs(path: string, user: User, { senders, nullSender }: SubmissionPolicy): boolean {
  if (path === '') return nullSender;
  const mailbox = parseMailbox(path);
  if (mailbox === undefined) return false;
  // `victim@a.example(@granted.example` is one address to us and another to a server that strips comments.
  const isPlain = DOT_STRING.test(mailbox.local) || QUOTED_STRING.test(mailbox.local);
  // The domain is compared as what it means, the local part in any case: so are users.
  const address = parseUser(path);
  if (address === user) return true;
  const domain = parseUser(`x@${mailbox.domain}`)?.slice(2);
  return senders.some((sender) => {
    if (sender === '*') return true;
    if (sender.startsWith('*@')) return domain !== undefined && sender.slice(2) === domain && isPlain;
    return sender === address;
  });
}
