import type { Client } from "pg";

/** A booking of the incident: what member1 did, and when (Asia/Jakarta). */
interface Booking {
  at: string;
  amount: number;
  kind: "top_up" | "purchase" | "pending";
  product?: string;
}

/**
 * The incident that Saldo was built for, booking by booking: 3,500,000 topped up, 1,600,000 spent,
 * 150,000 still pending.
 */
export const bookings: readonly Booking[] = [
  { at: "2025-11-16 05:44:21+07", amount: 500_000, kind: "top_up" },
  { at: "2025-11-17 05:44:21+07", amount: 150_000, kind: "purchase" },
  { at: "2025-11-17 12:01:41+07", amount: 1_000_000, kind: "top_up" },
  { at: "2025-11-17 12:01:41+07", amount: 500_000, kind: "top_up" },
  { at: "2025-11-17 12:01:41+07", amount: 250_000, kind: "purchase" },
  { at: "2025-11-17 12:01:41+07", amount: 150_000, kind: "pending" },
  { at: "2025-11-18 05:44:21+07", amount: 250_000, kind: "purchase" },
  { at: "2025-11-19 00:08:06+07", amount: 250_000, kind: "purchase" },
  { at: "2025-11-19 02:08:06+07", amount: 1_000_000, kind: "top_up" },
  { at: "2025-11-19 03:54:18+07", amount: 450_000, kind: "purchase" },
  { at: "2025-11-19 05:24:18+07", amount: 500_000, kind: "top_up" },
  { at: "2025-11-19 05:49:18+07", amount: 150_000, kind: "purchase" },
  { at: "2025-11-19 16:19:29+07", amount: 100_000, kind: "purchase", product: "BM50 - Standard" },
];

/** The member that the incident happened to. */
export interface Victim {
  memberId: string;
  accountId: string;
}

/** Books the incident's history through the public functions. */
export async function replayIncident(client: Client): Promise<Victim> {
  const member = await one<{ id: string; account_id: string }>(
    client,
    "select id, account_id from saldo.create_member('member1', 'Member 1')",
  );
  const products = new Map<string, string>();
  for (const booking of bookings) {
    if (booking.kind === "top_up") {
      await client.query("select saldo.top_up($1, $2, occurred_at => $3)", [
        member.id,
        booking.amount,
        booking.at,
      ]);
      continue;
    }
    const name = booking.product ?? `Voucher ${booking.amount}`;
    if (!products.has(name)) {
      const product = await one<{ id: string }>(
        client,
        "select id from saldo.create_product($1, $1, $2)",
        [name, booking.amount],
      );
      products.set(name, product.id);
    }
    await client.query(
      `select saldo.purchase_with_balance_deduction($1, $2, $3, occurred_at => $4,
        hold_only => $5)`,
      [member.id, products.get(name), booking.amount, booking.at, booking.kind === "pending"],
    );
  }
  return { memberId: member.id, accountId: member.account_id };
}

/**
 * What went wrong: a superuser, past the guard, writes 1,500,000 where 1,900,000 is right.
 * `session_replication_role = replica` is how one gets past every ordinary trigger.
 */
export async function forceBalance(superuser: Client, victim: Victim): Promise<void> {
  await superuser.query("begin");
  await superuser.query("set local session_replication_role = replica");
  await superuser.query(
    `update saldo.account
    set credit_total = debit_total + 1500000
    where id = $1`,
    [victim.accountId],
  );
  await superuser.query("commit");
}

/** The one row of a query. */
export async function one<Row extends object>(
  client: Client,
  sql: string,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await client.query<Row>(sql, values);
  if (rows[0] === undefined || rows.length > 1) {
    throw new Error(`expected one row, not ${rows.length}, of: ${sql}`);
  }
  return rows[0];
}
