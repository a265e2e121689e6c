/**
 * What `saldo test-system` tries: each room does its work once, with accounts of its own, in a
 * transaction that is rolled back.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";

/** A part that is tried; it tells what it has seen, or throws what is wrong. */
export interface Part {
  readonly name: string;
  readonly try: (client: Client) => Promise<string>;
}

/** What is not as it should be, in a sentence. */
export class Fault extends Error {}

/** The first value of the first row. */
export async function value(client: Client, text: string, values: unknown[] = []) {
  const { rows } = await client.query({ text, values, rowMode: "array" });
  return rows[0]?.[0] as string | undefined;
}

/** Refuses what is not equal, by the name of the figure. */
export function expectSame(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Fault(`${what} is ${found}, not ${expected}`);
}

/** Sees that a statement is refused with this code, and leaves the transaction usable. */
async function expectRefused(client: Client, code: string, text: string, values: unknown[]) {
  await client.query("savepoint refused");
  const found = await client.query(text, values).then(
    () => "not refused",
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
  await client.query("rollback to savepoint refused");
  expectSame("what should be refused", found, code);
}

const newCode = (name: string) => `test-system:${name}:${randomUUID()}`;

const balanceOf = (client: Client, id: unknown) =>
  value(client, "select settled_balance from saldo.balances($1)", [id]);

async function openAccount(client: Client, type: string, mode = "immediate") {
  const code = newCode(type);
  return await value(
    client,
    `select id from saldo.open_account($1, $1, $2::saldo.account_type, min_balance => $3,
      mode => $4::saldo.account_mode)`,
    [code, type, type === "asset" ? 0 : null, mode],
  );
}

const posting: Part = {
  name: "posting",
  async try(client) {
    const till = await openAccount(client, "asset");
    const owner = await openAccount(client, "equity");
    await client.query("select saldo.transfer($1, $2, 150000.25)", [till, owner]);
    expectSame("the balance", await balanceOf(client, till), "150000.25");
    const over = "select saldo.transfer($1, $2, 150000.26)";
    await expectRefused(client, "SB001", over, [owner, till]);
    const lines = [
      { account_id: Number(till), debit: "5" },
      { account_id: Number(owner), credit: "4" },
    ];
    await expectRefused(client, "SB103", "select saldo.post_entries($1)", [
      JSON.stringify([{ description: "test-system", lines }]),
    ]);
    await expectRefused(
      client,
      "42501",
      "update saldo.account set credit_total = 0 where id = $1",
      [till],
    );
    return "an entry moves its balances; overdrafts, unbalanced entries and other writes are refused";
  },
};

const wallet: Part = {
  name: "wallet",
  async try(client) {
    const member = (
      await client.query("select id, account_id from saldo.create_member($1, 'Test')", [
        newCode("member"),
      ])
    ).rows[0];
    await client.query("select saldo.top_up($1, 100000)", [member.id]);
    const product = await value(client, "select id from saldo.create_product($1, 'Test', 40000)", [
      newCode("product"),
    ]);
    const buy = "select id from saldo.purchase_with_balance_deduction($1, $2, 40000)";
    const purchase = await value(client, buy, [member.id, product]);
    expectSame("the wallet", await balanceOf(client, member.account_id), "60000");
    await client.query(buy, [member.id, product]);
    await expectRefused(client, "SB001", buy, [member.id, product]);
    await client.query("select saldo.refund_purchase($1, 'test-system')", [purchase]);
    expectSame("the wallet", await balanceOf(client, member.account_id), "60000");
    return "top-up, purchase and refund; one that the balance does not cover is refused";
  },
};

const hot: Part = {
  name: "hot accounts",
  async try(client) {
    const account = await openAccount(client, "asset", "hot");
    const submit = "select id from saldo.submit_transaction($1, $2, $3, idempotency_key => $4)";
    const first = await value(client, submit, [account, "500.50", "debit", "key"]);
    expectSame(
      "the retry",
      await value(client, submit, [account, "500.50", "debit", "key"]),
      first,
    );
    await client.query(submit, [account, "100", "credit", null]);
    await expectRefused(client, "SB001", submit, [account, "400.51", "credit", null]);
    const seen = await value(
      client,
      "select format('%s %s', available_balance, pending_count) from saldo.balances($1)",
      [account],
    );
    expectSame("what is available and pending", seen, "400.5 2");
    return "transactions take their funds at once, a retry once; too much is refused";
  },
};

const metering: Part = {
  name: "metering",
  async try(client) {
    const customer = await value(client, "select id from saldo.create_customer($1, 'Test')", [
      newCode("customer"),
    ]);
    const meter = await value(
      client,
      `select id from saldo.install_meter($1, $2, installed_at => now() - interval '2 hours')`,
      [customer, newCode("meter")],
    );
    // Prices and factors of this customer only: those of all would rate others again.
    await client.query("select saldo.add_tariff_version(1000, '1999-01-01', customer_id => $1)", [
      customer,
    ]);
    await client.query(
      "select saldo.add_correction_factor('1999-01-01', 'fixed', factor => 2, customer_id => $1)",
      [customer],
    );
    await client.query("select saldo.add_deposit($1, 50000)", [customer]);
    await client.query(
      "select saldo.add_reading($1, now() - interval '1 hour', index_value => 10)",
      [meter],
    );
    const balance = await value(
      client,
      `select b.settled_balance from saldo.customer as c
      cross join lateral saldo.balances(c.account_id) as b where c.id = $1`,
      [customer],
    );
    expectSame("the balance", balance, "30000");
    const differing = await value(
      client,
      "select difference_count from saldo.compare_monthly_balances($1)",
      [customer],
    );
    expectSame("the number of stored months that differ", differing, "0");
    return "a deposit and a reading make balance and month";
  },
};

/** The rooms, each tried once. */
export const rooms: readonly Part[] = [posting, wallet, hot, metering];
