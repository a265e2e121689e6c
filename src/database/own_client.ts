import { Client } from "pg";

/**
 * What Saldo's own sessions go by, whatever the database, the login or the server was given for the
 * others: functions that wait for locks and then look need read committed, limits of time are for
 * people's sessions, and the driver and the comparisons of what is built know one way of writing.
 * Names and time zone stay as they are: nothing here depends on them, and rules over own tables may.
 */
const settings: Readonly<Record<string, string>> = {
  default_transaction_isolation: "read committed",
  default_transaction_deferrable: "off",
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  transaction_timeout: "0", // from PostgreSQL 17
  row_security: "on",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  bytea_output: "hex",
  extra_float_digits: "1",
  standard_conforming_strings: "on",
  quote_all_identifiers: "off",
  array_nulls: "on",
  transform_null_equals: "off",
};

// What the address says itself (its options) is meant for Saldo. The view knows no role.
const settle = `
  select pg_catalog.set_config(ours.name, ours.value, false)
  from pg_catalog.json_each_text($1::json) as ours (name, value)
  join pg_catalog.pg_settings as theirs on theirs.name = ours.name
  where theirs.source not in ('default', 'client', 'session')
  and ($2::integer is null or pg_catalog.pg_backend_pid() = $2)
  union all
  select pg_catalog.set_config('role', 'none', false)
  where current_user <> session_user
  and ($2::integer is null or pg_catalog.pg_backend_pid() = $2)
  and exists (
    select from pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) as line
    where line like 'role=%'
    and setrole in (0, session_user::regrole)
    and setdatabase in (0, (select oid from pg_catalog.pg_database
      where datname = current_database()))
  )`;

type Connected = ((error: Error) => void) & ((error: null, client: Client) => void);

/** A session that goes by Saldo's settings from its first query on. */
export class OwnClient extends Client {
  override connect(): Promise<Client>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<Client> | undefined {
    const connected = this.#connectAndSettle();
    if (callback === undefined) return connected;
    // An error of the callback itself is nobody's here: it must not call it again.
    connected.then(
      () => process.nextTick(callback, null, this),
      (error: Error) => process.nextTick(callback, error),
    );
    return undefined;
  }

  async #connectAndSettle(): Promise<Client> {
    await super.connect();
    await super.query(settle, [JSON.stringify(settings), this.onlyIf()]);
    await this.settled();
    return this;
  }

  /** What a kind of session does besides. */
  protected async settled(): Promise<void> {}

  /** The process that must be the one to answer, where anybody else's session is left as it is. */
  protected onlyIf(): number | null {
    return null;
  }
}

/**
 * The same for callers' calls: outside of a transaction that takes a role it is nobody, whatever its
 * login may do. A begin that fails as a whole, cancelled before it begins say, lets what was sent
 * behind it run outside of a transaction (callWithRole).
 */
export class NobodyClient extends OwnClient {
  protected override async settled(): Promise<void> {
    await super.query("set role saldo_anonymous");
  }
}

/**
 * The same where a pooler may be in between: the session is then not ours, and what it goes by is
 * left to whoever lends it.
 */
export class GuestClient extends OwnClient {
  protected override onlyIf(): number | null {
    // The process id given for cancelling, which is not in the types; a pooler gives one of its own.
    return (this as unknown as { processID: number | null }).processID;
  }
}
