import { randomUUID } from "node:crypto";
import { rowHash } from "../../src/branch/protocol/canonical.ts";
import { keyProof } from "../../src/branch/protocol/key.ts";
import type { Push, PushAnswer, Row } from "../../src/branch/protocol/schema.ts";
import { asAdmin, openTestDatabase, type TestDatabase } from "../_support/database.ts";

/** What a test says of a row; the rest is made up. */
export type RowDraft = Partial<Omit<Row, "seq" | "prev" | "hash">>;

const noon = "2026-03-10T05:00:00.000Z";

/** A till as the protocol describes it, in memory: rows in a chain, and pushes of any of them. */
export interface Till {
  device: string;
  key: string;
  epoch: string;
  epochNo: number;
  previous: Push["previous"];
  rows: Row[];
  have: Push["have"];
  /** Commits a row. */
  add(draft?: RowDraft): Row;
  /** Takes an entry back. */
  void(original: Row, draft?: RowDraft): Row;
  /** The body of a push of these rows, of all where none are given. */
  body(rows?: unknown[], change?: Partial<Push>): Push;
  /** Begins another epoch after the row with this number. */
  beginEpoch(afterSeq: number): void;
  /** Another program on a copy of this store. */
  clone(): Till;
}

/** The sums that a till tells. */
export function totalsOf(rows: Row[]): Push["totals"] {
  const cents = (type: "IN" | "OUT") =>
    rows
      .filter((row) => row.type === type)
      .reduce((sum, { amount }) => {
        const [whole = "0", part = ""] = amount.split(".");
        return sum + BigInt(whole) * 100n + BigInt(part.padEnd(2, "0"));
      }, 0n);
  const text = (value: bigint) => {
    const part = String(value % 100n)
      .padStart(2, "0")
      .replace(/0+$/, "");
    return `${value / 100n}${part && `.${part}`}`;
  };
  return { count: rows.length, in: text(cents("IN")), out: text(cents("OUT")) };
}

function makeTill(state: Omit<Till, "add" | "void" | "body" | "beginEpoch" | "clone">): Till {
  const till: Till = {
    ...state,
    add(draft = {}) {
      const { device, epoch, rows } = till;
      const unhashed = {
        id: randomUUID(),
        payload_version: 1 as const,
        kind: "entry" as const,
        type: "IN" as const,
        category: "penjualan",
        amount: "1000",
        expected: null,
        currency: "IDR",
        description: null,
        occurred_at: noon,
        business_date: "2026-03-10",
        cashier: null,
        voids: null,
        corrects: null,
        reason: null,
        ...draft,
        seq: rows.length + 1,
        prev: rows.at(-1)?.hash ?? till.previous?.hash ?? null,
      };
      const row: Row = { ...unhashed, hash: rowHash({ device, epoch }, unhashed) };
      rows.push(row);
      return row;
    },
    void(original, draft = {}) {
      return till.add({
        kind: "void",
        type: original.type === "IN" ? "OUT" : "IN",
        amount: original.amount,
        category: original.category,
        voids: original.id,
        reason: "salah",
        ...draft,
      });
    },
    body(rows = till.rows, change = {}) {
      return {
        protocol: 1,
        program: "test/1",
        device: till.device,
        epoch: till.epoch,
        epoch_no: till.epochNo,
        previous: till.previous,
        clock: { now: new Date().toISOString(), boot: "boot" },
        head: {
          seq: till.rows.length,
          hash: till.rows.at(-1)?.hash ?? till.previous?.hash ?? null,
        },
        totals: totalsOf(till.rows),
        have: till.have,
        rows,
        ...change,
      };
    },
    beginEpoch(afterSeq) {
      const hash = till.rows[afterSeq - 1]?.hash ?? till.previous?.hash ?? null;
      till.previous = { epoch: till.epoch, seq: afterSeq, hash };
      till.epoch = randomUUID();
      till.epochNo += 1;
      till.rows = [];
    },
    clone() {
      const { device, key, epoch, epochNo, previous, have, rows } = till;
      return makeTill({ device, key, epoch, epochNo, previous, have, rows: [...rows] });
    },
  };
  return till;
}

/** A till of what an enrolment answered. */
export function tillOf({ device, key }: { device: string; key: string }): Till {
  return makeTill({
    device,
    key,
    epoch: randomUUID(),
    epochNo: 1,
    previous: null,
    rows: [],
    have: { centre_epoch: null, verdict_no: 0 },
  });
}

type Row_ = Record<string, unknown>;

/** A database with what the branch tests do in it. */
export interface Centre extends TestDatabase {
  /** One value of a query, as the superuser. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
  value(text: string, values?: unknown[]): Promise<any>;
  rows(text: string, values?: unknown[]): Promise<Row_[]>;
  /** Calls a public function as an administrator, arguments by name. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
  call(name: string, args?: Record<string, unknown>): Promise<any>;
  /** A branch with a rule for sales and one for purchases. */
  branch(code: string): Promise<{ id: string; cash: string; suspense: string }>;
  till(branchId: string): Promise<Till>;
  /** Pushes as the role of tills does. */
  push(till: Pick<Till, "key">, body: unknown): Promise<PushAnswer>;
  balance(accountId: string): Promise<string>;
  /** Findings of a rule. */
  findings(rule: string): Promise<Row_[]>;
}

/** Opens a centre on a database of its own. */
export async function openCentre(): Promise<Centre> {
  const database = await openTestDatabase(12);
  const { pool } = database;
  const rows: Centre["rows"] = async (text, values) => (await pool.query(text, values)).rows;
  const value: Centre["value"] = async (text, values) =>
    Object.values((await rows(text, values))[0] ?? {})[0];
  const call: Centre["call"] = (name, args = {}) => {
    const names = Object.keys(args).map((arg, index) => `${arg} => $${index + 1}`);
    return asAdmin(pool, async (client) => {
      const result = await client.query(
        `select to_jsonb(r) as result from saldo.${name}(${names.join(", ")}) as r`,
        Object.values(args),
      );
      return result.rows.length > 1 ? result.rows.map((row) => row.result) : result.rows[0]?.result;
    });
  };
  return {
    ...database,
    rows,
    value,
    call,
    async branch(code) {
      const made = await call("create_branch", { code, name: `Toko ${code}` });
      for (const [flow, category, type] of [
        ["IN", "penjualan", "revenue"],
        ["OUT", "belanja", "expense"],
      ]) {
        const account = `${category}:${code}`;
        const { id } = await call("open_account", { code: account, name: account, type });
        await call("set_posting_rule", { flow, category, account_id: id, branch_id: made.id });
      }
      return {
        id: String(made.id),
        cash: String(made.cash_account_id),
        suspense: String(made.suspense_account_id),
      };
    },
    async till(branchId) {
      const { code } = await call("issue_enrolment_code", { branch_id: branchId });
      return tillOf(
        await value("select saldo_private.enrol_branch_device($1, 'kasir', 't')", [code]),
      );
    },
    async push({ key }, body) {
      const proof = keyProof(key);
      const client = await pool.connect();
      try {
        await client.query("begin");
        await client.query("set local role saldo_branch");
        const result = await client.query(
          "select saldo_private.push_branch_rows($1, $2, $3) as a",
          [proof?.id, proof?.secretHash, JSON.stringify(body)],
        );
        await client.query("commit");
        return result.rows[0].a;
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    },
    balance: (accountId) =>
      value("select balance::text from saldo.account where id = $1", [accountId]),
    findings: (rule) => rows(`select * from saldo_private.rule_${rule}()`),
  };
}
