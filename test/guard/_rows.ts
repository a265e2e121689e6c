import { type Hot, openHot } from "../hot/_hot.ts";
import type { Row } from "../wallet/_wallet.ts";

/** Books with a row of everything that heals derive from, all of it sealed. */
export interface Books {
  hot: Hot;
  /** Hot accounts: one with pending rows, one that has settled. */
  pending: string;
  settled: string;
  /** An immediate account with a hold. */
  held: string;
  wallet: string;
  customer: string;
}

async function openCustomer(hot: Hot, code = "c1"): Promise<string> {
  const call = (name: string, args: Row) => hot.call("admin", name, args);
  const customer = await call("create_customer", { code, name: "C" });
  const customer_id = customer.id;
  const from = { customer_id, effective_from: "2025-01-01" };
  await call("add_tariff_version", { ...from, price: 10 });
  await call("add_correction_factor", { ...from, formula: "fixed", factor: 2 });
  const meter = await call("install_meter", {
    customer_id,
    code: "m1",
    installed_at: "2025-01-01T00:00:00+07",
  });
  await call("add_deposit", { customer_id, amount: 1000 });
  await call("add_reading", {
    meter_id: meter.id,
    read_at: "2025-02-01T12:00:00+07",
    index_value: 5,
  });
  return String(customer.account_id);
}

/** What there is an account of: those of the books, and a wallet to which a part was paid back. */
export type Made = Exclude<keyof Books, "hot"> | "refunded";

/** An account of each kind, with something on it that heals derive from. */
export const makers: Record<Made, (hot: Hot, name: string) => Promise<string>> = {
  settled: async (hot) => {
    const account = await hot.account({ funds: 50_000, slots: 1 });
    await hot.submit(account, 30, "debit");
    await hot.settle();
    return account;
  },
  pending: async (hot) => {
    const account = await hot.account({ funds: 50_000, slots: 1 });
    await hot.submit(account, 100, "debit", { idempotency_key: "k" });
    await hot.submit(account, 7, "debit");
    await hot.call("admin", "place_hold", { account_id: account, amount: 40 });
    return account;
  },
  held: async (hot) => {
    const account = await hot.account({ funds: 50_000 });
    await hot.call("admin", "place_hold", { account_id: account, amount: 500 });
    return account;
  },
  wallet: async (hot) => {
    const member = await hot.member(1000);
    await hot.buy(member, await hot.product(10, 3));
    return member.account_id;
  },
  refunded: async (hot) => {
    const member = await hot.member(1000);
    const { id } = await hot.buy(member, await hot.product(10, 3));
    await hot.call("admin", "refund_purchase", { purchase_id: id, reason: "late", amount: 4 });
    return member.account_id;
  },
  customer: openCustomer,
};

export async function openBooks(): Promise<Books> {
  const hot = await openHot();
  const settled = await makers.settled(hot, "s");
  const pending = await makers.pending(hot, "p");
  const held = await makers.held(hot, "h");
  const wallet = await makers.wallet(hot, "w");
  const customer = await makers.customer(hot, "c1");
  await hot.call("admin", "seal_rows", {});
  return { hot, pending, settled, held, wallet, customer };
}

/** What heals write: it must be the same after a heal that derives from nothing proven. */
export const caches = (hot: Hot) =>
  hot.root(
    `select a.id, a.debit_total, a.credit_total, a.held_total,
      (select jsonb_agg(to_jsonb(m) - 'last_calculated_at' order by m.month)
        from saldo.customer_month_total as m where m.account_id = a.id) as months,
      (select count(*) from saldo.slot_rebuild as r where r.account_id = a.id) as rebuilds
    from saldo.account as a where a.code not like '%:%' order by a.id`,
  );

export const freezes = async (hot: Hot) =>
  (await hot.root("select account_id from saldo.account_freeze where unfrozen_at is null")).map(
    (each) => each.account_id,
  );

export const plantUnseen = async (
  hot: Hot,
  table: string,
  statement: string,
  values: unknown[],
) => {
  const always = await hot.root(
    "select tgname as name from pg_trigger where tgrelid = $1::regclass and tgenabled = 'A'",
    [table],
  );
  await hot.root(`alter table ${table} disable trigger all`);
  await hot.root(statement, values);
  await hot.root(`alter table ${table} enable trigger all`);
  for (const { name } of always) {
    await hot.root(`alter table ${table} enable always trigger ${name}`);
  }
};
