// The tables as the queries see them. Times are milliseconds since the epoch. `migrations/` makes them.

export interface RecordsTable {
  id: string;
  user_name: string;
  name: string;
  key_id: string;
  selector: number;
  hash: string;
  /** Protocols joined by commas; null: all. */
  scope: string | null;
  /** CIDR networks joined by commas; empty: anywhere. */
  networks: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  used_at: number | null;
  used_from: string | null;
  used_protocol: string | null;
  used_client: string | null;
  refused_at: number | null;
  refused_from: string | null;
  refused_protocol: string | null;
  refused_client: string | null;
}

/** A row for each user that ever had a record or was disabled. It is also what creations for one user lock. */
export interface UsersTable {
  name: string;
  disabled_at: number | null;
}

/** One row: a number that goes up whenever a live session may have to end. */
export interface RevisionTable {
  id: number;
  revision: number;
}

export interface PortalSessionsTable {
  id: string;
  user_name: string;
  /** 0 or 1. */
  is_admin: number;
  signed_in_at: number;
  created_at: number;
  seen_at: number;
}

export interface AuditTable {
  id: string;
  at: number;
  by_name: string | null;
  user_name: string | null;
  action: string;
  from_address: string | null;
  password_id: string | null;
  password_name: string | null;
  detail: string | null;
}

/** By the id of a selector key: the check value of the bytes that records were made with. */
export interface KeyChecksTable {
  key_id: string;
  check_value: string;
}

export interface MigrationsTable {
  name: string;
  applied_at: number;
}

export interface Schema {
  records: RecordsTable;
  users: UsersTable;
  revision: RevisionTable;
  portal_sessions: PortalSessionsTable;
  audit: AuditTable;
  key_checks: KeyChecksTable;
  migrations: MigrationsTable;
}
