// What is written to users by mail. Plain text: nothing in it can be clicked that is not ours, and nothing is secret.

import type { User } from '../lib/user.ts';
import type { PasswordRecord } from '../passwords/record.ts';

export interface MailText {
  readonly subject: string;
  readonly text: string;
}

export interface MailFacts {
  readonly by: User;
  /** The address that it was done from. */
  readonly from: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly portal: string;
  readonly help: string | null;
}

export function createdMail(record: PasswordRecord, facts: MailFacts): MailText {
  return {
    subject: 'A new app password was made for your account',
    text: [
      `A new app password was made for ${record.user}:`,
      '',
      `  Name:  ${record.name}`,
      ...circumstances(record.user, facts),
      '',
      'If this was you, there is nothing to do.',
      'If it was not, delete it and change the password that you sign in with:',
      ...ending(facts),
    ].join('\n'),
  };
}

export function deletedMail(records: readonly PasswordRecord[], user: User, facts: MailFacts): MailText {
  const isOne = records.length === 1;
  return {
    subject: isOne
      ? 'An app password of your account was deleted'
      : 'App passwords of your account were deleted',
    text: [
      `${isOne ? 'This app password' : `These ${records.length} app passwords`} of ${user} ${isOne ? 'was' : 'were'} deleted:`,
      '',
      ...records.map(({ name }) => `  Name:  ${name}`),
      ...circumstances(user, facts),
      '',
      `${isOne ? 'The device that used it' : 'The devices that used them'} can not log in any more.`,
      'Your app passwords:',
      ...ending(facts),
    ].join('\n'),
  };
}

function circumstances(user: User, { by, from, at }: MailFacts): string[] {
  return [
    `  When:  ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `  From:  ${from}`,
    ...(by === user ? [] : [`  By:    ${by}, an administrator`]),
  ];
}

function ending({ portal, help }: MailFacts): string[] {
  return [`  ${portal}/`, ...(help === null ? [] : ['', help]), ''];
}
