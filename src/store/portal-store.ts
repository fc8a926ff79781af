// What the portal keeps in the store: who is signed in, and audit records. Part of `Store`; sql-store.ts has the rest.

import { randomBytes } from 'node:crypto';
import type { User } from '../lib/user.ts';

/** A sign-in to the portal. */
export interface PortalSession {
  /** SHA-256 of what the cookie holds, base64url: whoever reads the database cannot sign in with it. */
  readonly id: string;
  readonly user: User;
  readonly isAdmin: boolean;
  /** When the user last proved who they are to the provider, milliseconds since the epoch; 0: unknown. */
  readonly signedInAt: number;
  readonly createdAt: number;
  readonly seenAt: number;
}

/** What is recorded, in a word; docs/portal.md says what each means. */
export const AUDIT_ACTIONS = [
  'signed_in',
  'sign_in_refused',
  'signed_out',
  'created',
  'renamed',
  'deleted',
  'deleted_all',
  'disabled',
  'enabled',
  'sessions_ended',
  'throttle_cleared',
  'reloaded',
  'restored',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** One thing that somebody did. Never holds a secret. */
export interface AuditRecord {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** A user, or `cli`; null if not known. */
  readonly by: string | null;
  readonly user: User | null;
  /** One of AUDIT_ACTIONS, or of a newer Postern's. */
  readonly action: string;
  readonly from: string | null;
  readonly passwordId: string | null;
  readonly name: string | null;
  readonly detail: string | null;
}

const LONGEST_DETAIL = 200;

/** A record of what happened now, with an id of its own. */
export function auditRecord(
  event: Pick<AuditRecord, 'by' | 'user' | 'from'> & { readonly action: AuditAction } & Partial<
      Pick<AuditRecord, 'passwordId' | 'name' | 'detail'>
    >,
  at: number,
): AuditRecord {
  const { by, user, action, from, passwordId = null, name = null, detail = null } = event;
  const id = `au_${randomBytes(9).toString('base64url')}`;
  return {
    id,
    at,
    by,
    user,
    action,
    from,
    passwordId,
    name,
    detail: detail?.slice(0, LONGEST_DETAIL) ?? null,
  };
}

/** A user with records, or who was disabled. */
export interface UserSummary {
  readonly user: User;
  readonly isDisabled: boolean;
  /** Records that are not revoked. */
  readonly passwords: number;
}

/** Which audit records: all that fit what is given, at most `most`. */
export interface WhichAudit {
  /** By or for that user. */
  readonly user?: User;
  /** By or for users of that domain. */
  readonly domain?: string;
  /** Not before, milliseconds since the epoch. */
  readonly since?: number;
  /** Any of these. */
  readonly actions?: readonly AuditAction[];
  readonly most: number;
}

/** Every method rejects with StoreUnavailableError when the store does not answer. */
export interface PortalStore {
  /** Adds it, and deletes the user's oldest ones past `most`. Gives whether it did: not if the user is disabled. */
  addPortalSession(session: PortalSession, most: number): Promise<boolean>;
  /** Undefined if there is none, or its user is disabled. */
  portalSession(id: string): Promise<PortalSession | undefined>;
  touchPortalSession(id: string, seenAt: number): Promise<void>;
  /** Gives how many there were. */
  endPortalSessions(which: { readonly id: string } | { readonly user: User }): Promise<number>;
  addAudit(record: AuditRecord): Promise<void>;
  /** The newest first. */
  audit(which: WhichAudit): Promise<AuditRecord[]>;
  /** Deletes sessions last seen before `seenBefore` or made before `createdBefore`, and audit records before `auditBefore`. */
  purgePortal(bounds: {
    readonly seenBefore: number;
    readonly createdBefore: number;
    readonly auditBefore: number;
  }): Promise<number>;
  /** Users whose name contains the text, in order, at most `most`. */
  searchUsers(text: string, most: number): Promise<UserSummary[]>;
}
