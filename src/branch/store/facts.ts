/** Adding facts: each gets its number, its hash and its place in the queue in one transaction. */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { dayOf } from "../clock.ts";
import { decimalText } from "../money.ts";
import { rowHash } from "../protocol/canonical.ts";
import type { Row } from "../protocol/schema.ts";
import { TillError } from "../till_error.ts";
import { type Chain, headOf } from "./chain.ts";

/** Where a branch is, as far as it concerns a fact. */
export interface Locality {
  currency: string;
  timeZone: string;
}

/** What somebody enters. */
export interface EntryInput {
  /** Made by the page for each form, so that a form that is sent twice makes one fact. */
  id?: string | undefined;
  type: "IN" | "OUT";
  /** In the smallest unit. */
  amount: bigint;
  category: string;
  description?: string | undefined;
  cashier?: string | undefined;
  /** The fact that this one is entered in place of; it is voided in the same transaction. */
  corrects?: string | undefined;
  reason?: string | undefined;
}

/** A void of an entry, whole. */
export interface VoidInput {
  id?: string | undefined;
  voids: string;
  reason: string;
  cashier?: string | undefined;
}

/** A count of the drawer at the opening or closing of a shift. */
export interface CountInput {
  id?: string | undefined;
  at: "open" | "close";
  counted: bigint;
  note?: string | undefined;
  cashier?: string | undefined;
}

type Draft = Omit<Row, "seq" | "prev" | "hash" | "payload_version" | "currency"> & {
  units: bigint;
  effect: bigint;
};

type Original = {
  id: string;
  kind: string;
  type: "IN" | "OUT";
  category: string;
  amount: bigint;
  effect: bigint;
};

// Sums go out as JSON numbers, which are exact up to here.
const SUM_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Writes facts of one chain. Its functions belong into a transaction. */
export class FactWriter {
  readonly #database: DatabaseSync;
  readonly #locality: () => Locality;
  readonly #chain: () => Chain;

  constructor(database: DatabaseSync, chain: () => Chain, locality: () => Locality) {
    this.#database = database;
    this.#chain = chain;
    this.#locality = locality;
  }

  /** Adds an entry, and with `corrects` the void of what it corrects before it. */
  addEntry(input: EntryInput, now: Date): string {
    const request = requestText({ ...input, id: undefined });
    const known = this.#repeated(input.id, request);
    if (known !== undefined) return known;
    if (input.corrects !== undefined) {
      const reason = input.reason ?? "";
      this.addVoid({ voids: input.corrects, reason, cashier: input.cashier }, now);
    }
    const effect = input.type === "IN" ? input.amount : -input.amount;
    return this.#add(
      {
        ...this.#common(input.id, now, input.cashier),
        kind: "entry",
        type: input.type,
        category: input.category,
        amount: this.#decimal(input.amount),
        expected: null,
        description: input.description || null,
        voids: null,
        corrects: input.corrects ?? null,
        reason: input.reason || null,
        units: input.amount,
        effect,
      },
      request,
    );
  }

  /** Adds the void of an entry, which takes its whole effect back. */
  addVoid(input: VoidInput, now: Date): string {
    const request = requestText({ ...input, id: undefined });
    const known = this.#repeated(input.id, request);
    if (known !== undefined) return known;
    const original = this.#voidable(input.voids);
    return this.#add(
      {
        ...this.#common(input.id, now, input.cashier),
        kind: "void",
        // The opposite movement: cash is always what came in less what went out.
        type: original.type === "IN" ? "OUT" : "IN",
        category: original.category,
        amount: this.#decimal(original.amount),
        expected: null,
        description: null,
        voids: original.id,
        corrects: null,
        reason: input.reason,
        units: original.amount,
        effect: -original.effect,
      },
      request,
    );
  }

  /** Adds a count of the drawer, beside what the facts say that it should hold. */
  addCount(input: CountInput, now: Date): string {
    const request = requestText({ ...input, id: undefined });
    const known = this.#repeated(input.id, request);
    if (known !== undefined) return known;
    return this.#add(
      {
        ...this.#common(input.id, now, input.cashier),
        kind: "count",
        type: null,
        category: input.at,
        amount: this.#decimal(input.counted),
        expected: this.#decimal(cashNow(this.#database)),
        description: input.note || null,
        voids: null,
        corrects: null,
        reason: null,
        units: input.counted,
        effect: 0n,
      },
      request,
    );
  }

  #decimal(amount: bigint): string {
    return decimalText(amount, this.#locality().currency);
  }

  #common(id: string | undefined, now: Date, cashier: string | undefined) {
    return {
      id: id ?? randomUUID(),
      occurred_at: now.toISOString(),
      business_date: dayOf(now, this.#locality().timeZone),
      cashier: cashier || null,
    };
  }

  /** The fact that the same request has made before; the same id for another request is refused. */
  #repeated(id: string | undefined, request: string): string | undefined {
    if (id === undefined) return undefined;
    const row = this.#database.prepare("select request from fact where id = ?").get(id);
    if (row === undefined) return undefined;
    if (row["request"] === request) return id;
    throw new TillError("id_taken", "Another row has this id already; nothing was saved.");
  }

  #voidable(id: string): Original {
    const select = this.#database.prepare(
      "select id, kind, type, category, amount, effect from fact where id = ?",
    );
    select.setReadBigInts(true);
    const original = select.get(id) as Original | undefined;
    if (original === undefined) throw new TillError("not_found", "There is no such row here.");
    if (original.kind !== "entry") {
      throw new TillError("not_allowed", "Only an entry can be voided or corrected.");
    }
    const taken = this.#database.prepare("select 1 from fact where voids = ?").get(id);
    if (taken !== undefined) {
      throw new TillError("already_voided", "This row is voided already; nothing was saved.");
    }
    return original;
  }

  #add(draft: Draft, request: string): string {
    const { units, effect, ...fields } = draft;
    const chain = this.#chain();
    const head = headOf(this.#database, chain);
    const unhashed = {
      ...fields,
      seq: head.seq + 1,
      payload_version: 1 as const,
      currency: this.#locality().currency,
      prev: head.hash,
    };
    const row: Row = { ...unhashed, hash: rowHash(chain, unhashed) };
    const totals = totalsAfter(epochTotals(this.#database, chain.epoch), row.type, units);
    const cash = cashNow(this.#database) + effect;
    if ([cash, -cash, totals.in, totals.out].some((sum) => sum > SUM_MAX)) {
      throw new TillError("not_allowed", "NOT saved: the sums of this till would be too large.");
    }
    insertFact(this.#database, { row, epoch: chain.epoch, units, effect, request, cash, totals });
    return row.id;
  }
}

/** A row with what the store keeps beside it. */
export interface Fact {
  row: Row;
  epoch: string;
  units: bigint;
  effect: bigint;
  /** What asked for it, by which it is known again; null of a row that came back from the centre. */
  request: string | null;
  /** Cash, and the sums of the epoch, after it. */
  cash: bigint;
  totals: EpochTotals;
}

/** Adds a fact, which waits for the centre. `refers`: where it refers to others than its row does. */
export function insertFact(
  database: DatabaseSync,
  fact: Fact,
  refers: Pick<Row, "voids" | "corrects"> = fact.row,
): void {
  const { row, epoch, units, effect, request, cash, totals } = fact;
  const { lastInsertRowid: position } = database.prepare(insertion).run({
    id: row.id,
    epoch,
    seq: row.seq,
    kind: row.kind,
    type: row.type,
    category: row.category,
    amount: units,
    effect,
    description: row.description ?? "",
    occurred_at: row.occurred_at,
    business_date: row.business_date,
    cashier: row.cashier ?? "",
    voids: refers.voids,
    corrects: refers.corrects,
    reason: row.reason ?? "",
    hash: row.hash,
    body: JSON.stringify(row),
    request,
    cash_after: cash,
    in_after: totals.in,
    out_after: totals.out,
  });
  database
    .prepare("insert into fact_state (position, state, changed_at) values (?, 'waiting', ?)")
    .run(position, row.occurred_at);
}

const factColumns = [
  "id",
  "epoch",
  "seq",
  "kind",
  "type",
  "category",
  "amount",
  "effect",
  "description",
  "occurred_at",
  "business_date",
  "cashier",
  "voids",
  "corrects",
  "reason",
  "hash",
  "body",
  "request",
  "cash_after",
  "in_after",
  "out_after",
];
const insertion = `insert into fact (${factColumns.join(", ")})
  values (${factColumns.map((name) => `:${name}`).join(", ")})`;

/** The same text for the same request, whatever the order of its fields. */
function requestText(request: object): string {
  const fields = Object.entries(request).filter(([, value]) => value !== undefined);
  return JSON.stringify(
    fields.sort(([a], [b]) => (a < b ? -1 : 1)),
    (_, value) => (typeof value === "bigint" ? value.toString() : value),
  );
}

/** Cash in the drawer after all facts of the store. */
export function cashNow(database: DatabaseSync): bigint {
  const select = database.prepare("select cash_after from fact order by position desc limit 1");
  select.setReadBigInts(true);
  return (select.get() as { cash_after: bigint } | undefined)?.cash_after ?? 0n;
}

/** Sums of an epoch over entries and voids: what came in, and what went out. */
export interface EpochTotals {
  in: bigint;
  out: bigint;
}

/** What each push of an epoch tells of its sums. */
export function epochTotals(database: DatabaseSync, epoch: string): EpochTotals {
  const select = database.prepare(
    "select in_after, out_after from fact where epoch = ? order by seq desc limit 1",
  );
  select.setReadBigInts(true);
  const row = select.get(epoch) as { in_after: bigint; out_after: bigint } | undefined;
  return { in: row?.in_after ?? 0n, out: row?.out_after ?? 0n };
}

/** The sums after one more row. */
export function totalsAfter(before: EpochTotals, type: string | null, amount: bigint): EpochTotals {
  return {
    in: before.in + (type === "IN" ? amount : 0n),
    out: before.out + (type === "OUT" ? amount : 0n),
  };
}
