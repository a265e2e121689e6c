import type { Client, PoolClient } from "pg";
import pg from "pg";
import { urlOf } from "../_support/database.ts";
import { type Actor, openWallet, type Row, type Wallet } from "../wallet/_wallet.ts";

/** What is asked of a new account; without `slots` it is immediate. */
export interface AccountPlan {
  type?: "asset" | "expense" | "liability" | "equity" | "revenue";
  /** Balance to begin with. */
  funds?: number | string;
  minBalance?: number | null;
  slots?: number;
  isPendingAvailable?: boolean;
  currency?: string;
}

/** The figures of saldo.balances, but for account, currency and when they last changed. */
export interface Balances {
  settled_balance: string;
  pending_debit: string;
  pending_credit: string;
  held: string;
  available_balance: string;
  pending_count: string;
}

/** What became of a row of submit_transactions. */
export interface Answer {
  id: string | null;
  is_accepted: boolean;
  is_new: boolean;
  error_code: string | null;
  error_condition: string | null;
}

/** A session of its own, which may keep a transaction open. */
export interface Session {
  client: PoolClient;
  /** Calls saldo.<name> as an administrator in the session's transaction. */
  call: (name: string, args: Row) => Promise<Row>;
  end: (how: "commit" | "rollback") => Promise<void>;
}

/** The hot room of one test database, spoken to through its public functions. */
export interface Hot extends Wallet {
  /** Opens an account as planned, its funds transferred from an account without a limit. */
  account: (plan?: AccountPlan) => Promise<string>;
  submit: (
    accountId: string,
    amount: unknown,
    direction: unknown,
    extra?: Row,
  ) => Promise<Row & { id: string }>;
  submitMany: (requests: Row[], actor?: Actor) => Promise<Answer[]>;
  balances: (accountId: string) => Promise<Balances>;
  /** Settles until nothing is left; all settlements. */
  settle: (rowLimit?: number) => Promise<Row[]>;
  /** Opens a transaction in a session of its own. */
  session: (isolation?: string) => Promise<Session>;
  /** Rolls back what a test that failed has left open: the next one must not wait for it. */
  rollbackSessions: () => Promise<void>;
  /** What the rows of the journal sum up to, on the normal side of the account. */
  posted: (accountId: string) => Promise<string>;
  /** Takes the slots away, as a crash does. */
  truncateSlots: () => Promise<unknown>;
  slots: (accountId: string) => Promise<{ slot_no: number; available: string | null }[]>;
}

async function openSession(hot: Wallet, isolation: string, open: Set<Session>): Promise<Session> {
  const client = await hot.pool.connect();
  await client.query(`begin isolation level ${isolation}`);
  await client.query("select set_config('role', 'saldo_admin', true)");
  const session: Session = {
    client,
    call: async (name, args) => {
      const named = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
      const text = `select * from saldo.${name}(${named.join(", ")})`;
      return (await client.query(text, Object.values(args))).rows[0];
    },
    end: async (how) => {
      open.delete(session);
      await client.query(how);
      client.release();
    },
  };
  open.add(session);
  return session;
}

/** Listens on a channel until it is closed; `heard` is what came so far. */
export async function listen(
  hot: Hot,
  channel: string,
): Promise<{ heard: string[]; client: Client; close: () => Promise<void> }> {
  const [database] = await hot.root("select current_database() as name");
  const client = new pg.Client({ connectionString: urlOf(String(database?.name)) });
  await client.connect();
  const heard: string[] = [];
  client.on("notification", (message) => {
    if (message.channel === channel) heard.push(message.payload ?? "");
  });
  await client.query(`listen ${pg.escapeIdentifier(channel)}`);
  return { heard, client, close: () => client.end() };
}

async function settleAll(hot: Wallet, rowLimit?: number): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const args = rowLimit === undefined ? {} : { row_limit: rowLimit };
    const settlements = await hot.rows("admin", "settle_sub_balances", args);
    if (settlements.length === 0) return all;
    all.push(...settlements);
  }
}

/** Opens a fresh database with the schema and gives its hot room. */
export async function openHot(): Promise<Hot> {
  const wallet = await openWallet();
  const { root, call, rows, query } = wallet;
  // Nobody settles but the tests themselves, and a slow machine is no fault of the engine's.
  await root("select saldo.set_setting('settlement_lag_max_seconds', '3600')");
  const open = new Set<Session>();
  let opened = 0;

  const plain = async (plan: AccountPlan) => {
    const code = `hot-${++opened}`;
    const { id } = await call("admin", "open_account", {
      code,
      name: code,
      type: plan.type ?? "liability",
      currency: plan.currency ?? "IDR",
      min_balance: plan.minBalance === undefined ? 0 : plan.minBalance,
    });
    return String(id);
  };
  return {
    ...wallet,
    account: async (plan = {}) => {
      const id = await plain(plan);
      if (plan.funds !== undefined) {
        const source = await plain({ type: "equity", minBalance: null, currency: plan.currency });
        const isDebit = plan.type === "asset" || plan.type === "expense";
        await call("admin", "transfer", {
          debit_account_id: isDebit ? id : source,
          credit_account_id: isDebit ? source : id,
          amount: plan.funds,
        });
      }
      if (plan.slots !== undefined) {
        await call("admin", "make_account_hot", {
          account_id: id,
          slots: plan.slots,
          is_pending_available: plan.isPendingAvailable ?? null,
        });
      }
      return id;
    },
    submit: async (account_id, amount, direction, extra = {}) =>
      (await call("admin", "submit_transaction", {
        account_id,
        amount,
        direction,
        ...extra,
      })) as Row & { id: string },
    submitMany: async (requests, actor = "admin") =>
      (await query(
        actor,
        `select * from saldo.submit_transactions(
          array(select r from jsonb_populate_recordset(null::saldo.submit_request, $1) as r)
        )`,
        [JSON.stringify(requests)],
      )) as unknown as Answer[],
    balances: async (account_id) => {
      const {
        account_id: _,
        currency: __,
        last_updated_at: ___,
        version: ____,
        ...figures
      } = await call("admin", "balances", {
        account_id,
      });
      return figures as unknown as Balances;
    },
    settle: (rowLimit) => settleAll({ ...wallet, rows }, rowLimit),
    session: (isolation = "read committed") => openSession(wallet, isolation, open),
    rollbackSessions: async () => {
      for (const session of open) await session.end("rollback");
    },
    posted: async (accountId) => {
      const [row] = await root(
        `select trim_scale(coalesce(sum(l.debit - l.credit), 0)
          * case when a.type in ('asset', 'expense') then 1 else -1 end) as net
        from saldo.account as a
        left join saldo.journal_line as l on l.account_id = a.id
        where a.id = $1
        group by a.type`,
        [accountId],
      );
      return String(row?.net);
    },
    truncateSlots: () => root("truncate saldo_private.account_slot"),
    slots: async (accountId) =>
      (await root(
        `select slot_no, trim_scale(available) as available
        from saldo_private.account_slot where account_id = $1 order by slot_no`,
        [accountId],
      )) as unknown as { slot_no: number; available: string | null }[],
  };
}

/** So many things, made one after the other from their index. */
export const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** The functions of holds, as an administrator calls them. */
export function holdsOf(hot: Hot) {
  return {
    place: (account_id: string, amount: unknown, extra: Row = {}) =>
      hot.call("admin", "place_hold", { account_id, amount, ...extra }),
    capture: (hold: Row, extra: Row = {}) =>
      hot.call("admin", "capture_hold", { hold_id: hold.id, ...extra }),
    cancel: (hold: Row, extra: Row = {}) =>
      hot.call("admin", "void_hold", { hold_id: hold.id, ...extra }),
    expire: (args: Row = {}) => hot.rows("admin", "expire_holds", args),
    stored: async (hold: Row) =>
      (await hot.root("select * from saldo.hold where id = $1", [hold.id]))[0] as Row,
    /** Settled, held and available once all is settled. */
    figures: async (account: string) => {
      await hot.settle();
      const { settled_balance, held, available_balance } = await hot.balances(account);
      return [settled_balance, held, available_balance].map(Number);
    },
  };
}
