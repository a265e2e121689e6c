import { randomBytes, randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { Client } from "pg";

/** What a client knows of a transaction that it has sent. */
interface Sent {
  account: string;
  /** In cents; a debit is negative. */
  cents: number;
  fate: "accepted" | "refused" | "unknown";
  code: string | undefined;
}

/** Writers that submit to hot accounts, and what they were told. */
export interface Load {
  sent: Map<string, Sent>;
  count(fate: Sent["fate"]): number;
  /** How often each refusal was heard. */
  codes(): Record<string, number>;
  /** Lets the writers finish what they are at. */
  stop(): Promise<void>;
  /** Sends again, under their keys, what nobody knows the fate of. */
  resend(client: Client): Promise<number>;
}

export interface LoadOptions {
  connectionString: string;
  accounts: string[];
  writers: number;
  /** Largest amount, in cents. */
  centsMax: number;
  /** Share of debits, of 100. */
  debitPercent: number;
  /** Refusals that say that nothing was done and that it may be sent again. */
  passing?: string[];
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? "";
const isRefusal = (code: string) => /^SB\d{3}$/.test(code) || code === "40P01";

/**
 * Starts the writers; each has a connection, and ends its part when that is lost. They end with the
 * test, also with one that fails.
 */
export function startLoad(t: ExecutionContext, options: LoadOptions): Load {
  const sent: Load["sent"] = new Map();
  const run = randomBytes(4).toString("hex");
  let isRunning = true;

  async function write(index: number): Promise<void> {
    const client = new Client({ connectionString: options.connectionString });
    client.on("error", () => {});
    await client.connect();
    for (let number = 0; isRunning; number += 1) {
      const key = `${run}-${index}-${number}`;
      const isDebit = randomInt(100) < options.debitPercent;
      const cents = randomInt(1, options.centsMax + 1) * (isDebit ? -1 : 1);
      const account = options.accounts[randomInt(options.accounts.length)] as string;
      const note: Sent = { account, cents, fate: "unknown", code: undefined };
      sent.set(key, note);
      await submit(client, key, note);
      // Without an answer the connection is gone.
      if (note.fate === "unknown") return;
    }
    await client.end();
  }

  async function submit(client: Client, key: string, note: Sent): Promise<void> {
    try {
      await client.query("select from saldo.submit_transaction($1, $2, $3, null, $4)", [
        note.account,
        (Math.abs(note.cents) / 100).toFixed(2),
        note.cents < 0 ? "debit" : "credit",
        key,
      ]);
      note.fate = "accepted";
    } catch (error) {
      if (!isRefusal(codeOf(error))) return;
      note.fate = "refused";
      note.code = codeOf(error);
    }
  }

  const writers = Array.from({ length: options.writers }, (_, index) =>
    write(index).catch(() => {}),
  );
  const stop = async () => {
    isRunning = false;
    await Promise.all(writers);
  };
  t.teardown(stop);
  return {
    sent,
    stop,
    count: (fate) => [...sent.values()].filter((each) => each.fate === fate).length,
    codes() {
      const counts: Record<string, number> = {};
      for (const { code } of sent.values()) if (code) counts[code] = (counts[code] ?? 0) + 1;
      return counts;
    },
    async resend(client) {
      const open = [...sent].filter(([, { fate }]) => fate === "unknown");
      for (const [key, note] of open) await submit(client, key, note);
      return open.length;
    },
  };
}

/** A hot account with funds. */
export async function openHot(client: Client, code: string, funds: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "select id from saldo.open_account($1, $1, 'liability', min_balance => 0)",
    [code],
  );
  const id = rows[0]?.id ?? "";
  await client.query("select saldo.make_account_hot($1, 8)", [id]);
  await client.query("select saldo.submit_transaction($1, $2, 'credit', null, 'funds')", [
    id,
    funds,
  ]);
  return id;
}

/** Settles until nothing is pending. */
export async function settleAll(client: Client): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query("select from saldo.settle_sub_balances(5000)");
    if (rowCount === 0) return;
  }
}

/** What is wrong with the books after a load: nothing, or sentences. */
export async function faultsOf(
  client: Client,
  loads: Load[],
  funds: Record<string, number>,
): Promise<string[]> {
  const faults: string[] = [];
  await settleAll(client);
  const counts = new Map<string, number>();
  const { rows } = await client.query<{ key: string; count: string }>(
    "select idempotency_key as key, count(*) from saldo.sub_balance group by 1",
  );
  for (const { key, count } of rows) counts.set(key, Number(count));
  const expected: Record<string, number> = { ...funds };
  for (const [key, { account, cents, fate }] of loads.flatMap(({ sent }) => [...sent])) {
    const count = counts.get(key) ?? 0;
    if (fate === "accepted" && count !== 1) faults.push(`${key} was accepted, and is ${count}`);
    if (fate === "refused" && count !== 0) faults.push(`${key} was refused, and is ${count}`);
    if (fate === "unknown") faults.push(`the fate of ${key} is open`);
    if (fate === "accepted") expected[account] = (expected[account] ?? 0) + cents;
  }
  for (const [account, cents] of Object.entries(expected)) {
    const balances = await client.query<{ settled: string; available: string }>(
      "select settled_balance as settled, available_balance as available from saldo.balances($1)",
      [account],
    );
    const { settled, available } = balances.rows[0] ?? {};
    const shown = `settled ${settled}, available ${available}, should be ${cents / 100}`;
    if (Math.round(Number(settled) * 100) !== cents) faults.push(shown);
    if (Number(settled) !== Number(available) || cents < 0) faults.push(shown);
  }
  const findings = await client.query(
    `select f.rule, f.key, f.stored, f.derived
    from saldo.check_balance_health() as c
    join saldo.finding as f on f.check_run_id = c.id`,
  );
  return [...faults, ...findings.rows.map((row) => JSON.stringify(row))];
}

/** Waits for what a process does by itself; how long it took. */
export async function until(isSo: () => Promise<boolean>, withinMs: number): Promise<number> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > withinMs) throw new Error("it did not happen in time");
    await sleep(5);
  }
  return performance.now() - startedAt;
}
