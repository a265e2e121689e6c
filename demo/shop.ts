import type { Client, Pool } from "pg";
import { bookings } from "./incident.ts";

/**
 * A schema that knows nothing of Saldo: users with a balance, and the transactions that should make
 * it. member1's are those of the incident, where the balance says 1,500,000 and they 1,900,000.
 */
export async function createShop(client: Client | Pool): Promise<void> {
  await client.query(`
    create table public.users (
      id bigint primary key,
      name text not null,
      balance numeric(15, 2) not null default 0
    );
    create table public.transactions (
      id bigint generated always as identity primary key,
      user_id bigint not null references public.users (id),
      amount numeric(15, 2) not null,
      type text not null,
      status text not null,
      reference text,
      created_at timestamptz not null
    );
    create index on public.transactions (user_id);
    insert into public.users values
      (1, 'member1', 1500000), (2, 'ayu', 350000), (3, 'budi', 0), (4, 'citra', 75000);
    insert into public.transactions (user_id, amount, type, status, reference, created_at) values
      (2, 500000, 'topup', 'completed', 'TOP-2-1', '2025-11-16 09:00+07'),
      (2, -150000, 'purchase', 'completed', 'BUY-2-1', '2025-11-16 10:00+07'),
      (2, -50000, 'purchase', 'failed', 'BUY-2-2', '2025-11-16 11:00+07'),
      (4, 75000, 'topup', 'completed', 'TOP-4-1', '2025-11-16 12:00+07');
  `);
  for (const [index, { at, amount, kind }] of bookings.entries()) {
    const isTopUp = kind === "top_up";
    await client.query(
      `insert into public.transactions (user_id, amount, type, status, reference, created_at)
      values (1, $1, $2, $3, $4, $5)`,
      [
        isTopUp ? amount : -amount,
        isTopUp ? "topup" : "purchase",
        kind === "pending" ? "pending" : "completed",
        `${isTopUp ? "TOP" : "BUY"}-1-${index + 1}`,
        at,
      ],
    );
  }
}

/** More users, whose balances are right: what is wrong then is a small part of the table. */
export async function addCustomers(client: Client | Pool, count = 40): Promise<void> {
  await client.query(
    `insert into public.users
    select 100 + g, 'customer' || g, 1000 * g from generate_series(1, $1::int) as g`,
    [count],
  );
  await client.query(
    `insert into public.transactions (user_id, amount, type, status, reference, created_at)
    select 100 + g, 1000 * g, 'topup', 'completed', 'TOP-' || 100 + g || '-1',
      '2025-11-16 13:00+07'
    from generate_series(1, $1::int) as g`,
    [count],
  );
}

/** What the owner of the tables grants, so that a rule over them can be checked, healed, guarded. */
export const shopGrants = `
  grant select on public.users, public.transactions to saldo_rule_reader;
  grant update (balance) on public.users to saldo_rule_reader;
  grant trigger on public.users to saldo_owner;
`;

/** The rule over the shop's balances, as the arguments of register_balance_rule. */
export const shopRule = {
  name: "user_balance",
  stored_table: "public.users",
  key_column: "id",
  balance_column: "balance",
  derived: `select user_id as key, sum(amount) as derived
    from public.transactions
    where status = 'completed'
    group by user_id`,
  items: `select user_id as key, id as item, amount, status = 'completed' as is_counted,
      status, reference, created_at as occurred_at
    from public.transactions`,
};
