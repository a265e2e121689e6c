/** The account of a drill: it is opened, written to by several at once, counted, and closed again. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";

/** What a writer waits between two transactions. */
const PAUSE_MS = 50;
const SETTLE_EVERY_MS = 500;
// A credit of 1.25 and a debit of 0.50 in turn: what is there grows, and never lacks.
const AMOUNTS = [
  { direction: "credit", cents: 125 },
  { direction: "debit", cents: 50 },
] as const;

const amountOf = (cents: number): string => (cents / 100).toFixed(2);

/** Opens an account for a drill. */
export async function openDrill(client: Client, writers: readonly Client[]): Promise<Drill> {
  for (const each of [client, ...writers]) await each.query("set role saldo_admin");
  const code = `drill:${randomUUID()}`;
  const account = await one<{ id: string }>(
    client,
    "select id from saldo.open_account($1, 'Drill', 'liability', min_balance => 0, mode => 'hot')",
    [code],
  );
  const hasWorker = (
    await one<{ is_there: boolean }>(
      client,
      "select seen_at is not null and not is_silent as is_there from saldo_private.worker_state()",
    )
  ).is_there;
  return new Drill(client, writers, account.id, code, hasWorker);
}

async function one<Row>(client: Client, text: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query(text, values);
  return rows[0] as Row;
}

/** A drill on its account. */
export class Drill {
  readonly code: string;
  /** Who settles, in words. */
  readonly settler: string;
  readonly #client: Client;
  readonly #writers: readonly Client[];
  readonly #id: string;
  readonly #hasWorker: boolean;
  #isRunning = false;
  #running: Promise<unknown> = Promise.resolve();
  #count = 0;
  #cents = 0;
  #times: number[] = [];
  #refusals: string[] = [];
  #refusedSince = 0;
  #waiting: { since: number; left: number; done: () => void } | undefined;

  constructor(
    client: Client,
    writers: readonly Client[],
    id: string,
    code: string,
    hasWorker: boolean,
  ) {
    this.#client = client;
    this.#writers = writers;
    this.#id = id;
    this.code = code;
    this.#hasWorker = hasWorker;
    this.settler = hasWorker ? "settled by the worker" : "settled by the drill: no worker runs";
  }

  /** Lets the writers begin. */
  begin(): void {
    this.#isRunning = true;
    this.#running = Promise.all(this.#writers.map((writer) => this.#write(writer)));
  }

  async #write(writer: Client): Promise<void> {
    for (let number = 0; this.#isRunning; number += 1) {
      const { direction, cents } = AMOUNTS[number % 2] ?? AMOUNTS[0];
      const startedAt = performance.now();
      try {
        await writer.query("select from saldo.submit_transaction($1, $2, $3)", [
          this.#id,
          amountOf(cents),
          direction,
        ]);
        this.#count += 1;
        this.#cents += direction === "credit" ? cents : -cents;
      } catch (error) {
        this.#refusals.push((error as Error).message);
        this.#refusedSince += 1;
      }
      this.#times.push(performance.now() - startedAt);
      if (this.#waiting !== undefined && startedAt >= this.#waiting.since) {
        this.#waiting.left -= 1;
        if (this.#waiting.left <= 0) this.#waiting.done();
      }
      await sleep(PAUSE_MS);
    }
  }

  /** Lets them end what they are at. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#running;
  }

  /** How many transactions were acknowledged. */
  sent(): number {
    return this.#count;
  }

  /** What was seen since this was last asked. */
  figures() {
    const times = this.#times.toSorted((one, other) => one - other);
    const figures = {
      count: times.length,
      refusedCount: this.#refusedSince,
      medianMs: times[Math.floor(times.length / 2)] ?? Number.NaN,
      slowestMs: times.at(-1) ?? Number.NaN,
    };
    this.#times = [];
    this.#refusedSince = 0;
    return figures;
  }

  async rebuildCount(): Promise<number> {
    const found = await one<{ count: number }>(
      this.#client,
      "select count(*)::integer from saldo.slot_rebuild where account_id = $1",
      [this.#id],
    );
    return found.count;
  }

  /** Takes the slots away; how many there were. */
  async loseSlots(): Promise<number> {
    const lost = await one<{ count: number }>(
      this.#client,
      "select saldo_private.lose_slots($1) as count",
      [this.#id],
    );
    return lost.count;
  }

  /** Waits for this many answers that begin from now on. */
  answersAfter(count: number): Promise<void> {
    return new Promise((done) => {
      this.#waiting = { since: performance.now(), left: count, done };
    });
  }

  /** Waits until as many transactions are settled; false when that takes too long. */
  async settledUpTo(count: number, limitMs: number): Promise<boolean> {
    return await this.#within(limitMs, async () => {
      const found = await one<{ rows: number; pending: number }>(
        this.#client,
        `select (select count(*)::integer from saldo.sub_balance where account_id = $1) as rows,
          (saldo.balances($1)).pending_count::integer as pending`,
        [this.#id],
      );
      return found.rows - found.pending >= count;
    });
  }

  async #within(limitMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
    const until = performance.now() + limitMs;
    for (;;) {
      if (!this.#hasWorker) await this.#client.query("select saldo.settle_sub_balances()");
      if (await isSo()) return true;
      if (performance.now() > until) return false;
      await sleep(SETTLE_EVERY_MS);
    }
  }

  /** Waits for settlement, and compares what was acknowledged with what is there. */
  async verdict(limitMs: number) {
    const isSettled = await this.#within(limitMs, async () => {
      const { pending } = await one<{ pending: number }>(
        this.#client,
        "select pending_count::integer as pending from saldo.balances($1)",
        [this.#id],
      );
      return pending === 0;
    });
    const found = await one<{ rows: number; settled: string; available: string }>(
      this.#client,
      `select b.settled_balance::numeric(30, 2) as settled,
        b.available_balance::numeric(30, 2) as available,
        (select count(*)::integer from saldo.sub_balance where account_id = $1) as rows
      from saldo.balances($1) as b`,
      [this.#id],
    );
    const expected = amountOf(this.#cents);
    const faults = [
      ...(isSettled ? [] : ["not all is settled"]),
      ...(found.rows === this.#count ? [] : [`${found.rows} rows, not ${this.#count}`]),
      ...(found.settled === expected ? [] : [`settled ${found.settled}, not ${expected}`]),
      ...(found.available === expected ? [] : [`available ${found.available}, not ${expected}`]),
      ...(this.#refusals.length === 0
        ? []
        : [`${this.#refusals.length} refused, the first: ${this.#refusals[0]}`]),
    ];
    return {
      fault: faults.length === 0 ? undefined : faults.join("; "),
      words:
        faults.length === 0
          ? `${this.#count} transactions acknowledged and there once, ${expected} settled and available`
          : faults.join("; "),
    };
  }

  /** Takes back what was put there, and closes the account. */
  async close(): Promise<void> {
    await this.stop();
    const { available } = await one<{ available: string }>(
      this.#client,
      "select available_balance as available from saldo.balances($1)",
      [this.#id],
    );
    if (Number(available) > 0) {
      await this.#client.query("select saldo.submit_transaction($1, $2, 'debit')", [
        this.#id,
        available,
      ]);
    }
    await this.#client.query("select saldo.make_account_immediate($1)", [this.#id]);
    await this.#client.query("select saldo.close_account($1)", [this.#id]);
  }
}
