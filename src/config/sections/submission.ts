// `routes[].submission`: what the users of a route may send.

import { choice, flag, integer, listOf, section, senderPattern, size } from '../values.ts';

const MOST = 1_000_000_000;

function quota(
  whose: string,
  most: { readonly messages: [number, number]; readonly recipients: [number, number] },
) {
  const limit = (preset: number, what: string) =>
    integer(1, MOST).prefault(preset).describe(`${what} that ${whose} may send; more are refused for now.`);
  return section({
    messagesPerHour: limit(most.messages[0], 'Messages an hour'),
    messagesPerDay: limit(most.messages[1], 'Messages a day'),
    recipientsPerHour: limit(most.recipients[0], 'Recipients an hour'),
    recipientsPerDay: limit(most.recipients[1], 'Recipients a day'),
  }).prefault({});
}

export const submissionSchema = section({
  senders: listOf(senderPattern())
    .prefault([])
    .describe(
      'Sender addresses that these users may use besides their own: `"scanner@example.com"`, `"*@example.com"`, or `"*"` for any. Only `MAIL FROM` is looked at.',
    ),
  nullSender: flag()
    .prefault(false)
    .describe('Whether the empty sender address is taken: for programs that send notices of delivery.'),
  maxSize: size('1KiB', '2048MiB').prefault('50MiB').describe('The largest message, as it is on the wire.'),
  maxRecipients: integer(1, 100_000)
    .prefault(100)
    .describe('Recipients of one message; more are refused for now. RFC 5321 §4.5.3.1.8 wants 100 or more.'),
  bareNewlines: choice(['refuse', 'normalise'])
    .prefault('refuse')
    .describe(
      'What becomes of a message in which a CR or LF stands alone. They are used to smuggle messages past servers that take them for line ends; `normalise` makes each a CR LF.',
    ),
  receivedHeader: flag()
    .prefault(false)
    .describe('Adds a `Received` field that names the client’s address and the user.'),
  perAppPassword: quota('one app password', { messages: [200, 1000], recipients: [500, 2000] }),
  perUser: quota('one user', { messages: [400, 2000], recipients: [1000, 4000] }),
});
