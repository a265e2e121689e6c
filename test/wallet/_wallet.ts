import type pg from "pg";
import {
  asAdmin,
  asAnonymous,
  asMember,
  asOperator,
  errorCode,
  openTestDatabase,
} from "../_support/database.ts";

/** Who calls: staff, or a member for the member's own wallet. */
export type Actor = "admin" | "operator" | "anonymous" | { memberId: string };

/** A row as the driver gives it: numeric and bigint as text. */
export type Row = Record<string, unknown>;

/** The wallet room of one test database, spoken to through its public functions. */
export interface Wallet {
  pool: pg.Pool;
  connectionString: string;
  /** Calls saldo.<name> with named arguments in a transaction of its own; all rows. */
  rows: (actor: Actor, name: string, args: Row) => Promise<Row[]>;
  /** The one row of such a call. */
  call: (actor: Actor, name: string, args: Row) => Promise<Row>;
  /** Runs a statement as the actor, in a transaction of its own. */
  query: (actor: Actor, text: string, values?: unknown[]) => Promise<Row[]>;
  /** Runs a statement as the superuser. */
  root: (text: string, values?: unknown[]) => Promise<Row[]>;
  /** A new member with an opening top-up. */
  member: (topUp?: number) => Promise<Row & { id: string; account_id: string }>;
  /** A new product; with stock, it is tracked and has that many items. */
  product: (price: number, stock?: number) => Promise<Row & { id: string }>;
  /** Buys at the right price. */
  buy: (member: Row, product: Row, extra?: Row) => Promise<Row>;
  balance: (member: Row) => Promise<{
    balance: string;
    held: string;
    available: string;
    debt: string;
  }>;
  /** What the rules of all rooms find, and one look of our own: nothing when all is well. */
  findings: () => Promise<Row[]>;
  /** Does something in a transaction that stays open until it is ended. */
  open: (
    text: string,
    values?: unknown[],
  ) => Promise<(end: "commit" | "rollback") => Promise<void>>;
  /** Resolves once that many sessions wait for a lock. */
  waitForWaiters: (count: number) => Promise<void>;
  close: () => Promise<void>;
}

async function queryAs(pool: pg.Pool, actor: Actor, text: string, values: unknown[]) {
  const work = async (client: pg.PoolClient) => (await client.query<Row>(text, values)).rows;
  if (typeof actor === "object") return asMember(pool, actor.memberId, work);
  return { admin: asAdmin, operator: asOperator, anonymous: asAnonymous }[actor](pool, work);
}

function callText(name: string, args: Row) {
  const named = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
  return `select * from saldo.${name}(${named.join(", ")})`;
}

// A function, because it keeps its plans from test to test, and as one statement the rules are
// compiled for half a minute where PostgreSQL compiles what looks large (jit).
const makeFindings = `do $do$
begin
  execute 'create function public.findings() returns setof jsonb language plpgsql set jit = off '
    'as $$ begin ' || (
      select string_agg(
        format(
          'return query select to_jsonb(r) || %L from saldo_private.%I() as r;',
          jsonb_build_object('rule', p.proname), p.proname
        ),
        ' '
      )
      from pg_catalog.pg_proc as p
      where p.pronamespace = 'saldo_private'::regnamespace
      and p.proname ~ '^rule_' and p.proname !~ '__' and p.pronargs = p.pronargdefaults
    ) || ' end $$';
end
$do$`;

async function findings(root: Wallet["root"]) {
  const found = (await root("select * from public.findings() as finding")).map(
    ({ finding }) => finding as Row,
  );
  // Tests close months by their date alone, which is a finding of its own.
  const isClosedByHand = ({ rule, key }: Row) =>
    rule === "rule_engine_configuration" && /^books (closed|locked)_through$/.test(String(key));
  const own = await root(
    `select 'balance is not that of the lines' as rule, a.account_id
    from saldo_private.account_total as a
    left join saldo.journal_line as l on l.account_id = a.account_id
    group by a.account_id, a.type, a.balance
    having a.balance <> coalesce(sum(l.credit - l.debit), 0)
      * case when a.type in ('asset', 'expense') then -1 else 1 end`,
  );
  return [...found.filter((row) => !isClosedByHand(row)), ...own];
}

async function waitForWaiters(root: Wallet["root"], count: number) {
  for (let attempt = 0; attempt < 300; attempt++) {
    const waiting = await root(
      `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (waiting.length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`fewer than ${count} sessions wait for a lock`);
}

/** Opens a fresh database with the schema and gives its wallet room. */
export async function openWallet(): Promise<Wallet> {
  const database = await openTestDatabase();
  const { pool } = database;
  let created = 0;
  let findingsMade: Promise<unknown> | undefined;
  const query: Wallet["query"] = (actor, text, values = []) => queryAs(pool, actor, text, values);
  const rows: Wallet["rows"] = (actor, name, args) =>
    query(actor, callText(name, args), Object.values(args));
  const call: Wallet["call"] = async (actor, name, args) => {
    const [row] = await rows(actor, name, args);
    if (row === undefined) throw new Error(`${name} returned no row`);
    return row;
  };
  const root: Wallet["root"] = async (text, values = []) => (await pool.query(text, values)).rows;

  return {
    pool,
    connectionString: database.connectionString,
    query,
    rows,
    call,
    root,
    member: async (topUp = 0) => {
      const code = `m${++created}`;
      const member = await call("admin", "create_member", { code, name: `Member ${code}` });
      if (topUp > 0) await call("admin", "top_up", { member_id: member.id, amount: topUp });
      return member as Row & { id: string; account_id: string };
    },
    product: async (price, stock) => {
      const code = `p${++created}`;
      const product = await call("admin", "create_product", {
        code,
        name: `Product ${code}`,
        price,
        is_stock_tracked: stock !== undefined,
      });
      if (stock !== undefined && stock > 0) {
        const codes = Array.from({ length: stock }, (_, index) => `${code}-${index + 1}`);
        await rows("admin", "add_stock_items", { product_id: product.id, codes });
      }
      return product as Row & { id: string };
    },
    buy: (member, product, extra = {}) =>
      call("admin", "purchase_with_balance_deduction", {
        member_id: member.id,
        product_id: product.id,
        amount: Number(product.price) * Number(extra.quantity ?? 1),
        ...extra,
      }),
    balance: async (member) =>
      (await call("admin", "wallet_balance", { member_id: member.id })) as {
        balance: string;
        held: string;
        available: string;
        debt: string;
      },
    findings: async () => {
      findingsMade ??= root(makeFindings);
      await findingsMade;
      return findings(root);
    },
    open: async (text, values = []) => {
      const client = await pool.connect();
      await client.query("begin");
      await client.query(text, values);
      return async (end) => {
        await client.query(end);
        client.release();
      };
    },
    waitForWaiters: (count) => waitForWaiters(root, count),
    close: () => database.close(),
  };
}

/** How often each outcome of many calls came up, by SQLSTATE. */
export async function outcomes(promises: Promise<unknown>[]): Promise<Record<string, number>> {
  const count: Record<string, number> = {};
  for (const code of await Promise.all(promises.map(errorCode)))
    count[code] = (count[code] ?? 0) + 1;
  return count;
}
