// `routes[].submission`: what the users of a route may send.

import { listOf, section } from '../shapes.ts';
import { choice, flag, integer, senderPattern, size } from '../values.ts';

const MOST = 1_000_000_000;

/** Of one quota's keys. */
const most = (preset: number) => integer(1, MOST).prefault(preset);

export const submissionSchema = section({
  /**
   * Sender addresses that these users may use besides their own: `"scanner@example.com"`, `"*@example.com"`, or `"*"`
   * for any. Only `MAIL FROM` is looked at.
   */
  senders: listOf(senderPattern()).prefault([]),
  /** Whether the empty sender address is taken: for programs that send notices of delivery. */
  nullSender: flag().prefault(false),
  /** The largest message, as it is on the wire. */
  maxSize: size('1KiB', '2048MiB').prefault('50MiB'),
  /** Recipients of one message; more are refused for now. RFC 5321 §4.5.3.1.8 wants 100 or more. */
  maxRecipients: integer(1, 100_000).prefault(100),
  /**
   * What becomes of a message in which a CR or LF stands alone. They are used to smuggle messages past servers that
   * take them for line ends; `normalise` makes each a CR LF.
   */
  bareNewlines: choice(['refuse', 'normalise']).prefault('refuse'),
  /** Adds a `Received` field that names the client’s address and the user. */
  receivedHeader: flag().prefault(false),
  perAppPassword: section({
    /** Messages an hour that one app password may send; more are refused for now. */
    messagesPerHour: most(200),
    /** Messages a day that one app password may send; more are refused for now. */
    messagesPerDay: most(1_000),
    /** Recipients an hour that one app password may send; more are refused for now. */
    recipientsPerHour: most(500),
    /** Recipients a day that one app password may send; more are refused for now. */
    recipientsPerDay: most(2_000),
  }).prefault({}),
  perUser: section({
    /** Messages an hour that one user may send; more are refused for now. */
    messagesPerHour: most(400),
    /** Messages a day that one user may send; more are refused for now. */
    messagesPerDay: most(2_000),
    /** Recipients an hour that one user may send; more are refused for now. */
    recipientsPerHour: most(1_000),
    /** Recipients a day that one user may send; more are refused for now. */
    recipientsPerDay: most(4_000),
  }).prefault({}),
});
