// Every English word of the portal, in one place, however long. A translation is another object of the same type: sentences are whole, nothing
// is glued together from pieces, what varies comes in as an argument, and plurals are chosen by Intl.PluralRules. Where a
// sentence has a name in it that must be marked up, it is cut in `before` and `after`.

import type { Protocol } from '../lib/protocol.ts';
import type { AuditAction } from '../store/portal-store.ts';

const plurals = new Intl.PluralRules('en');
const plural = (count: number, one: string, other: string) => (plurals.select(count) === 'one' ? one : other);

/** A sentence around a name, which the page marks up: names are foreign text, of any script and direction. */
export interface Around {
  readonly before: string;
  readonly after: string;
}

export const en = {
  language: 'en',
  product: 'App passwords',
  skip: 'Skip to the content',
  account: 'Signed in as',
  signOut: 'Sign out',
  admin: 'Administration',
  help: 'Help',

  list: {
    title: 'App passwords',
    lead: 'For mail programs and devices that cannot ask for your second step. Each one has a password of its own, which you can delete at any time.',
    count: (count: number, most: number) => `${count} of ${most}`,
    countLong: (count: number, most: number) =>
      `You have ${count} of at most ${most} app ${plural(most, 'password', 'passwords')}.`,
    add: 'New app password',
    addFirst: 'Make your first app password',
    heading: 'Your devices',
    empty: 'No app passwords yet',
    emptyLead:
      'Do you have an older Outlook, a scanner, or a phone whose mail program asks for nothing but a name and a password? Make an app password for it.',
    creationOff: 'No new app passwords can be made at present. You can still delete those that you have.',
    full: (most: number) =>
      `You have all ${most} app passwords that you may have. To make another, first delete one that you do not need any more.`,
    deleteAll: 'Delete all',
    rename: 'Rename',
    renameOf: { before: ' app password for ', after: '' } satisfies Around,
    delete: 'Delete',
    deleteOf: { before: ' app password for ', after: '' } satisfies Around,
    made: 'Made',
    lastUsed: 'Last used',
    never: 'Never',
    neverUsed: 'Never used',
    unused: 'Not used for 90 days',
    unusedHint: 'If the device is gone, delete it.',
    inUse: (sessions: number) => plural(sessions, 'In use now', `In use now, ${sessions} connections`),
    over: 'over',
    from: 'from',
    goodFor: 'Good for',
    expires: 'Expires',
    expired: 'Expired',
    networks: 'Only from',
    refused: {
      expired: 'A device still tries this expired app password: last',
      other: 'A device was refused with this app password, last',
    },
    ghosts: {
      title: 'Still tried after deletion',
      sentence: { before: 'A device still uses the deleted password ', after: '' } satisfies Around,
      last: 'last',
      hint: 'Give that device a new app password, or remove the account from it.',
    },
    done: {
      renamed: { before: 'Renamed to ', after: '.' } satisfies Around,
      deleted: {
        before: 'Deleted: ',
        after: '. What was connected with it has been disconnected.',
      } satisfies Around,
      deletedAll: 'All your app passwords are deleted. What was connected with them has been disconnected.',
    },
  },

  hints: {
    title: 'Good to know',
    items: [
      {
        title: 'One for each device',
        text: 'Give every device its own. When one is lost or sold, you delete that one and the others go on.',
      },
      {
        /** Only where the configuration says that it is true. */
        isOfTwoStepClients: true,
        title: 'You may not need one',
        text: 'Outlook 2013 and newer, and the mail programs of current phones, can sign in with your second step. Try that first.',
      },
      {
        title: 'Lost a device?',
        text: 'Delete its app password here. The device is disconnected at once and cannot come back.',
      },
    ],
  },

  create: {
    title: 'New app password',
    lead: 'One for each device. It works until you delete it.',
    leadLimited: 'One for each device.',
    name: 'Name of the device',
    nameHint: 'So that you recognise it later: “Dad’s laptop”, “Scanner, 2nd floor”.',
    use: 'What it is for',
    uses: {
      mail: { title: 'Mail', text: 'Read and send mail.' },
      mailReadOnly: { title: 'Mail', text: 'Read mail.' },
      mailSendOnly: { title: 'Mail', text: 'Send mail.' },
      addressBook: { title: 'Address book', text: 'Look people up.' },
      everything: { title: 'Everything', text: 'Mail and address book.' },
    },
    expiry: 'Works until',
    never: 'I delete it',
    days: (days: number) =>
      days === 365 ? 'one year from now' : plural(days, 'one day from now', `${days} days from now`),
    submit: 'Make app password',
    cancel: 'Cancel',
    errors: {
      title: 'That did not work',
      nameEmpty: 'Enter a name: that of the device.',
      nameTooLong: 'The name is too long: 64 characters at most.',
      nameCharacters: 'The name holds an invisible, control or text-direction character. Type it anew.',
      nameTaken: 'You have an app password of this name already. Choose another name.',
      use: 'Choose what it is for.',
      expiry: 'Choose how long it shall work.',
      tooFast: 'You have made very many app passwords within the last hour. Wait a while and try again.',
      busy: 'Postern is busy at the moment. Nothing was made; try again.',
      stale: 'This form is too old. Nothing was made; send it once more.',
    },
    off: {
      title: 'No new app passwords',
      lead: 'Your organisation does not allow new app passwords at present. You can still see and delete those that you have.',
    },
    nothing: {
      title: 'Nothing to make one for',
      lead: 'There is no server here that an app password of yours would be good for. Ask your administrator.',
    },
    full: {
      title: 'Delete one first',
      lead: (most: number) =>
        `You have ${most} app passwords, which is the most that anyone may have. Delete one that you do not need any more, then make the new one.`,
      button: 'Choose one to delete',
    },
    back: 'Back to the list',
  },

  made: {
    title: 'Your new app password',
    for: { before: 'For ', after: '' } satisfies Around,
    once: 'It is shown only this once. Enter it in the device now, then close this page. If you lose it, delete it and make another.',
    label: 'App password',
    copy: 'Copy',
    copied: 'Copied, without spaces',
    copyFailed: 'It is selected: copy it with your keyboard',
    typing: 'Spaces and capitals do not matter.',
    done: 'I have entered it',
    setup: 'What to type where',
    setupLead: 'Your name and this app password are the same everywhere.',
    user: 'User name',
    password: 'Password',
    passwordValue: 'the app password above',
    noEndpoints: 'Ask your administrator for the names of the servers.',
    wiped: 'It is not shown again.',
  },

  already: {
    title: 'Already made',
    lead: {
      before: 'The app password for ',
      after: ' is made. It was shown once, and is not shown again.',
    } satisfies Around,
    lost: 'If you could not note it down, delete it and make another.',
    delete: 'Delete it',
    list: 'To the list',
  },

  delete: {
    title: 'Delete app password',
    question: { before: 'Delete the app password for ', after: '?' } satisfies Around,
    effect:
      'The device that uses it is disconnected at once, and cannot sign in with it again. This cannot be undone.',
    inUse: (sessions: number) =>
      plural(
        sessions,
        'One connection with it is open right now.',
        `${sessions} connections with it are open right now.`,
      ),
    submit: 'Delete',
    cancel: 'Keep it',
  },

  deleteAll: {
    title: 'Delete all app passwords',
    question: (count: number) =>
      plural(count, 'Delete your only app password?', `Delete all ${count} app passwords?`),
    effect:
      'Every device that uses one is disconnected at once, and needs a new app password to come back. This cannot be undone.',
    submit: 'Delete all',
    cancel: 'Keep them',
  },

  rename: {
    title: 'Rename app password',
    name: 'Name of the device',
    submit: 'Rename',
    cancel: 'Cancel',
    tooOften: 'You have renamed app passwords very often just now. Wait a while and try again.',
  },

  setup: {
    title: 'Set up a device',
    lead: 'The user name is the same everywhere; the password is the app password that you made for that device.',
    passwordValue: 'the app password of this device',
    lost: 'An app password is shown only once, when it is made. If you do not have it any more, delete it and make another.',
    back: 'Back to the list',
    clients: {
      outlook2010: 'Outlook 2010 and older',
      thunderbird: 'Thunderbird',
      apple: 'Apple Mail on iPhone, iPad and Mac',
      android: 'Mail programs on Android',
      scanner: 'Scanner or printer that sends mail',
      addressBook: 'Address book (LDAP)',
      any: 'Any other program',
    },
    paths: {
      outlook2010:
        'File, Add Account, Manually configure server settings, Internet E-mail, account type IMAP. The ports are in More Settings, Advanced; tick “My outgoing server requires authentication” in More Settings, Outgoing Server. Leave “Secure Password Authentication (SPA)” unticked.',
      thunderbird: 'Account Settings, Account Actions, Add Mail Account, then Configure manually.',
      apple:
        'Settings, Apps, Mail, Mail Accounts, Add Account, Other, Add Mail Account. On a Mac: Mail, Add Account, Other Mail Account.',
      android: 'Add an account and choose manual setup, account type Personal (IMAP).',
      scanner: 'In the device’s web page, under E-mail, SMTP or Scan to mail.',
      addressBook: 'Add a directory or LDAP server to the address book.',
      any: 'Wherever it asks for the servers.',
    },
    incoming: 'Incoming mail (IMAP)',
    incomingPop: 'Incoming mail (POP3)',
    outgoing: 'Outgoing mail (SMTP)',
    directory: 'Directory (LDAP)',
    server: 'Server',
    port: 'Port',
    security: 'Security',
    authentication: 'Authentication',
    signIn: 'Sign-in',
    values: {
      outlook2010: { implicit: 'SSL', starttls: 'TLS', none: 'None' },
      thunderbird: { implicit: 'SSL/TLS', starttls: 'STARTTLS', none: 'None' },
      apple: { implicit: 'Use SSL: on', starttls: 'Use SSL: on', none: 'Use SSL: off' },
      android: { implicit: 'SSL/TLS', starttls: 'STARTTLS', none: 'None' },
      scanner: { implicit: 'SSL/TLS', starttls: 'STARTTLS (TLS)', none: 'None' },
      addressBook: { implicit: 'SSL (LDAPS)', starttls: 'StartTLS', none: 'None' },
      any: { implicit: 'SSL/TLS', starttls: 'STARTTLS', none: 'None' },
    },
    authenticationValues: {
      outlook2010: 'SPA unticked',
      thunderbird: 'Normal password',
      apple: 'Password',
      android: 'Normal password',
      scanner: 'On, with user name and password (PLAIN or LOGIN)',
      addressBook: 'Simple',
      any: 'Normal password (PLAIN)',
    },
  },

  protocols: { imap: 'IMAP', pop3: 'POP3', smtp: 'SMTP', ldap: 'LDAP' } satisfies Record<Protocol, string>,

  adminPages: {
    title: 'Administration',
    nav: 'Administration pages',
    people: 'People',
    trail: 'Audit trail',
    mine: 'My app passwords',
    search: 'Find a person',
    searchHint: 'Part of the user name.',
    searchButton: 'Search',
    results: (count: number) => plural(count, 'One person', `${count} people`),
    more: 'There are more: type more of the name.',
    none: 'Nobody with app passwords has such a name.',
    open: 'Open the page of exactly this user',
    passwords: (count: number) =>
      count === 0 ? 'No app passwords' : plural(count, 'One app password', `${count} app passwords`),
    disabled: 'Disabled',
    enabled: 'Enabled',
    state: 'State',
    sessions: (count: number) =>
      count === 0 ? 'No connections' : plural(count, 'One connection', `${count} connections`),
    noPasswords: 'This person has no app passwords.',
    disable: 'Disable',
    disableTitle: 'Disable this person',
    disableText:
      'No app password of theirs works until they are enabled again, and open connections are closed.',
    enable: 'Enable',
    enableTitle: 'Enable this person',
    enableText: 'Their app passwords work again.',
    endSessions: 'End connections',
    endSessionsTitle: 'End all connections of this person',
    endSessionsText: 'Open mail connections and sign-ins to this page are closed. Devices may connect again.',
    deleteTitle: 'Delete app password',
    deleteQuestion: { before: 'Delete the app password for ', after: '?' } satisfies Around,
    deleteOwner: 'It belongs to',
    deleteAll: 'Delete all',
    deleteAllTitle: 'Delete all app passwords of this person',
    actions: 'Actions',
    lately: 'Lately',
    whole: 'The whole trail',
    done: {
      deleted: 'The app password is deleted.',
      deletedAll: 'All app passwords of this person are deleted.',
      disabled: 'This person is disabled.',
      enabled: 'This person is enabled.',
      ended: 'The connections of this person are ended.',
    },
    empty: 'Nothing yet.',
    columns: {
      at: 'When',
      by: 'Who',
      action: 'What',
      user: 'For whom',
      name: 'App password',
      from: 'From',
      detail: 'Details',
    },
    command: 'command line',
    unknown: 'unknown',
    trailOf: 'Only',
    trailAll: 'Show all',
    actionNames: {
      signed_in: 'signed in',
      sign_in_refused: 'sign-in refused',
      signed_out: 'signed out',
      created: 'made',
      renamed: 'renamed',
      deleted: 'deleted',
      deleted_all: 'deleted all',
      disabled: 'disabled',
      enabled: 'enabled',
      sessions_ended: 'ended connections',
      throttle_cleared: 'ended blocks',
      reloaded: 'reloaded the configuration',
      restored: 'restored a backup',
    } satisfies Record<AuditAction, string>,
  },

  notices: {
    retry: 'Try again',
    signIn: 'Sign in',
    home: 'To the app passwords',
    two_step_missing: {
      title: 'A second step is needed',
      text: [
        'You are signed in, but only with your password. App passwords open your mailbox, so this page opens only to somebody who has also proved it with a second step: a code from an app, a security key, or a confirmation on the phone.',
        'Set up two-step verification in the security settings of your account, then come back and sign in again. If you have it already, sign out there first, so that it is asked for.',
      ],
      account: 'Signed in as',
    },
    not_allowed: {
      title: 'This page is not open to you',
      text: [
        'Your sign-in worked, but your account is not among those that may have app passwords. If you think it should be, ask your administrator.',
      ],
    },
    unusable_name: {
      title: 'Your account cannot be used here',
      text: [
        'The sign-in gave a user name that cannot have app passwords. Your administrator can see why in the log.',
      ],
    },
    user_disabled: {
      title: 'Your app passwords are disabled',
      text: ['An administrator has disabled them. None works until they are enabled again.'],
    },
    provider_unavailable: {
      title: 'Signing in is not possible right now',
      text: [
        'Your organisation’s sign-in does not answer. Try again in a few minutes. App passwords that you have go on working.',
      ],
    },
    sign_in_failed: {
      title: 'Signing in did not work',
      text: [
        'The answer of your organisation’s sign-in could not be accepted. That happens when a page stayed open for too long, or was opened twice. Try again.',
      ],
    },
    sign_in_cancelled: {
      title: 'You did not sign in',
      text: ['The sign-in was broken off. Nothing has changed.'],
    },
    sign_in_not_fresh: {
      title: 'A fresh sign-in is needed',
      text: [
        'To make or delete app passwords you have to have signed in within the last few minutes, and your organisation’s sign-in does not say when you did. Sign out there, then try again. If that does not help, tell your administrator.',
      ],
    },
    signed_out: {
      title: 'You are signed out',
      text: ['Your app passwords go on working. On a computer that others use too, close the browser now.'],
    },
    continue: {
      title: 'One moment',
      text: ['You are being taken to your organisation’s sign-in.'],
      link: 'Continue',
    },
    stale_form: {
      title: 'This form is too old',
      text: ['Nothing was changed. Go back to the list and do it again.'],
    },
    too_many_requests: {
      title: 'Too many requests',
      text: ['Too much has come from your network within a short time. Wait a minute and try again.'],
    },
    too_large: {
      title: 'That was too much',
      text: ['What was sent is larger than anything that is needed here. Nothing was changed.'],
    },
    not_found: {
      title: 'There is no such page',
      text: ['It may have been deleted, or the address is wrong.'],
    },
    unavailable: {
      title: 'Not possible right now',
      text: [
        'The list cannot be read or changed at the moment. Nothing was changed. Try again in a few minutes. Devices that are connected stay connected.',
      ],
    },
    internal_error: {
      title: 'Something went wrong',
      text: ['The fault is ours. Try again; if it happens again, tell your administrator this number:'],
    },
  },
};

export type Texts = typeof en;
