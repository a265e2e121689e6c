import pg from "pg";
import { asAdmin, openTestDatabase } from "../_support/database.ts";
import { check, type Finding, forced } from "../_support/faults.ts";

/** A row as it comes back. */
export type Row = Record<string, unknown>;

/** The books of one test database. */
export interface Books {
  pool: Awaited<ReturnType<typeof openTestDatabase>>["pool"];
  /** Runs a statement as the superuser. */
  root: (text: string, values?: unknown[]) => Promise<Row[]>;
  /** Calls saldo.<name> as an administrator; all rows. */
  rows: (name: string, args?: Row) => Promise<Row[]>;
  call: (name: string, args?: Row) => Promise<Row>;
  account: (type: string, args?: Row) => Promise<string>;
  /** Posts at noon of the day, in the business time zone. */
  post: (day: string, debit: string, credit: string, amount: number | string) => Promise<Row>;
  /** Trial balance as text, without accounts that are zero. */
  trial: (args?: Row) => Promise<Row[]>;
  findings: () => Promise<Finding[]>;
  force: (text: string, values?: unknown[]) => Promise<unknown>;
  close: () => Promise<void>;
}

const DATE_OID = 1082;
/** Dates as they are written: a Date would be one in the time zone of the test. */
const types = {
  getTypeParser: ((oid: number, format: never) =>
    oid === DATE_OID ? String : pg.types.getTypeParser(oid, format)) as never,
};

/** Opens a fresh database. */
export async function openBooks(): Promise<Books> {
  const database = await openTestDatabase(20);
  const { pool } = database;
  let opened = 0;
  const rows: Books["rows"] = (name, args = {}) =>
    asAdmin(pool, async (client) => {
      const named = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
      const text = `select * from saldo.${name}(${named.join(", ")})`;
      return (await client.query({ text, values: Object.values(args), types })).rows;
    });
  const call: Books["call"] = async (name, args) => (await rows(name, args))[0] as Row;
  return {
    pool,
    rows,
    call,
    root: async (text, values = []) => (await pool.query({ text, values, types })).rows,
    account: async (type, args = {}) => {
      const code = `${type}-${++opened}`;
      return String((await call("open_account", { code, name: code, type, ...args })).id);
    },
    post: (day, debit_account_id, credit_account_id, amount) =>
      call("transfer", {
        debit_account_id,
        credit_account_id,
        amount,
        occurred_at: `${day}T12:00:00+07:00`,
      }),
    trial: async (args = {}) =>
      (await rows("trial_balance", args)).filter(
        (line) => Number(line.debit_total) !== 0 || Number(line.credit_total) !== 0,
      ),
    findings: async () => (await check(pool)).findings,
    force: (text, values = []) => forced(pool, (client) => client.query(text, values)),
    close: () => database.close(),
  };
}

/** The figures of a month, as numbers. */
export const figures = (line: Row | undefined) =>
  ["opening", "debit", "credit", "year_end", "closing"].map((name) => Number(line?.[name]));
