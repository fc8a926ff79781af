// A client that speaks LDAP message by message, over the transcript that tests of the other protocols use.

import { elementLength, type Message, readMessage } from './ldap-bytes.ts';
import { type ConnectOptions, connect, type Transcript } from './transcript.ts';

export interface LdapClient extends Transcript {
  /** The next message. */
  message(): Promise<Message>;
  /** Sends, and takes the next message. */
  ask(bytes: Uint8Array): Promise<Message>;
}

export async function connectLdap(options: ConnectOptions): Promise<LdapClient> {
  const transcript = await connect(options);
  const message = async () => {
    let bytes = await transcript.bytes(2);
    const more = (bytes[1] as number) < 128 ? 0 : (bytes[1] as number) - 128;
    bytes = Buffer.concat([bytes, await transcript.bytes(more)]);
    const rest = await transcript.bytes(elementLength(bytes)! - bytes.length);
    return readMessage(Buffer.concat([bytes, rest]));
  };
  // The transcript's own socket changes with StartTLS.
  return Object.assign(
    Object.create(Object.getPrototypeOf(transcript), Object.getOwnPropertyDescriptors(transcript)),
    {
      message,
      async ask(bytes: Uint8Array) {
        await transcript.send(bytes);
        return message();
      },
    },
  ) as LdapClient;
}
