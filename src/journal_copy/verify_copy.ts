/**
 * Verifies an exported copy without a database: hashes, chain, control totals, accounts, months and
 * sealed periods are computed again from the entries alone. docs/reference/tamper-evidence.md has the form.
 */
import {
  type EntryRow,
  entryText,
  formatDecimal,
  linesText,
  parseDecimal,
  type SealRow,
  sealText,
  sha256,
} from "./canonical.ts";
import { readManifest, readRows } from "./read_copy.ts";

/** Something that differs, in the words of saldo.journal_difference. */
export interface Difference {
  kind: string;
  key: string;
  stored: string | null;
  derived: string | null;
}

/** What a verification of a copy saw. */
export interface CopyResult {
  differences: Difference[];
  entryCount: number;
  unsealedCount: number;
  seals: SealRow[];
}

interface SealedEntry {
  seal_number: string;
  entry_id: string;
  entry_part: string;
  hash: string;
}

interface Sum {
  debit: bigint;
  credit: bigint;
  count: bigint;
}

/** Sums by key. */
class Sums extends Map<string, Sum> {
  add(key: string, debit: bigint, credit: bigint, count = 1n): void {
    const sum = this.get(key) ?? { debit: 0n, credit: 0n, count: 0n };
    sum.debit += debit;
    sum.credit += credit;
    sum.count += count;
    this.set(key, sum);
  }

  text(key: string): string {
    return sumText(this.get(key));
  }
}

const sumText = (sum: Sum = { debit: 0n, credit: 0n, count: 0n }) =>
  `${sum.count} lines, debit ${formatDecimal(sum.debit)}, credit ${formatDecimal(sum.credit)}`;

const amountOf = (text: string) => parseDecimal(text) ?? 0n;
const periodKey = (year: number | string, number: number | string) =>
  `${String(year).padStart(4, "0")}/${String(number).padStart(2, "0")}`;

/** Verifies the copy in a folder. Throws when it cannot be read. */
export async function verifyCopy(folder: string): Promise<CopyResult> {
  return await new CopyVerification(folder).run();
}

class CopyVerification {
  readonly #folder: string;
  readonly #differences: Difference[] = [];
  readonly #currencies = new Map<string, string>();
  readonly #accounts = new Sums();
  readonly #months = new Sums();
  readonly #periods = new Sums();
  readonly #sealTotals = new Sums();
  readonly #sealCounts = new Map<string, number>();
  readonly #listHashes = new Map<string, string>();
  #listNumber: string | undefined;
  #list: string[] = [];
  #manifest: Awaited<ReturnType<typeof readManifest>> | undefined;
  #entryCount = 0;
  #unsealedCount = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async run(): Promise<CopyResult> {
    this.#manifest = await readManifest(this.#folder);
    for await (const { id, currency } of this.#rows<{ id: string; currency: string }>("account")) {
      this.#currencies.set(id, currency);
    }
    await this.#entries();
    const seals = await this.#seals();
    await this.#caches();
    await this.#snapshots();
    return {
      differences: this.#differences,
      entryCount: this.#entryCount,
      unsealedCount: this.#unsealedCount,
      seals,
    };
  }

  #rows<Row>(name: string): AsyncGenerator<Row> {
    if (this.#manifest === undefined) throw new Error("the manifest comes first");
    return readRows<Row>(this.#folder, this.#manifest, name, (detail) =>
      this.#report("file_changed", name, "as in manifest.json", detail),
    );
  }

  #report(kind: string, key: string, stored: string | null, derived: string | null): void {
    this.#differences.push({ kind, key, stored, derived });
  }

  #compare(kind: string, key: string, stored: string | null, derived: string | null): void {
    if (stored !== derived) this.#report(kind, key, stored, derived);
  }

  /** Goes through entries and the lists of the seals side by side: both are in the same order. */
  async #entries(): Promise<void> {
    const listed = this.#rows<SealedEntry>("journal_seal_entry");
    let next = await this.#nextListed(listed);
    let last = "";
    for await (const entry of this.#rows<EntryRow>("journal")) {
      if (entry.id === last) {
        this.#report("entry_doubled", entry.id, null, "it is there twice");
        continue;
      }
      last = entry.id;
      this.#entryCount += 1;
      this.#addUp(entry);
      if (entry.seal_number === null) {
        this.#unsealedCount += 1;
        if (entry.is_missing) this.#report("line_inserted", entry.id, null, "lines without entry");
        continue;
      }
      const place = { seal_number: entry.seal_number, entry_id: entry.id };
      while (next !== undefined && isBefore(next, place)) {
        this.#report("entry_missing", next.entry_id, next.hash, null);
        next = await this.#nextListed(listed);
      }
      if (next?.entry_id === entry.id) {
        this.#examine(entry, next);
        next = await this.#nextListed(listed);
      } else {
        this.#report("entry_inserted", entry.id, null, `not in seal ${entry.seal_number}`);
      }
    }
    for (; next !== undefined; next = await this.#nextListed(listed)) {
      this.#report("entry_missing", next.entry_id, next.hash, null);
    }
  }

  async #nextListed(listed: AsyncGenerator<SealedEntry>): Promise<SealedEntry | undefined> {
    const { value, done } = await listed.next();
    if (done) return undefined;
    if (value.seal_number !== this.#listNumber) this.#foldList(value.seal_number);
    this.#list.push(`${value.entry_id}\t${value.hash}\n`);
    return value;
  }

  /** Hashes the list of entries that is over, so that one of them is held at a time. */
  #foldList(next: string | undefined): void {
    const number = this.#listNumber;
    if (number !== undefined) {
      this.#sealCounts.set(number, (this.#sealCounts.get(number) ?? 0) + this.#list.length);
      this.#listHashes.set(number, sha256(this.#list.join("")));
    }
    this.#listNumber = next;
    this.#list = [];
  }

  #examine(entry: EntryRow, sealed: SealedEntry): void {
    const own = entryText(entry);
    const hash = sha256(own + linesText(entry));
    if (hash === sealed.hash && entry.status !== "draft") return;
    const kind = entry.is_missing
      ? "entry_missing"
      : sha256(own).slice(0, 16) !== sealed.entry_part || entry.status === "draft"
        ? "entry_changed"
        : entry.lines.length < (entry.line_count ?? 0)
          ? "line_missing"
          : entry.lines.length > (entry.line_count ?? 0)
            ? "line_inserted"
            : "line_changed";
    this.#report(kind, entry.id, sealed.hash, entry.status === "draft" ? "a draft" : hash);
  }

  #addUp(entry: EntryRow): void {
    const balance = new Sums();
    for (const line of entry.lines) {
      const [debit, credit] = [amountOf(line.debit), amountOf(line.credit)];
      const currency = this.#currencies.get(line.account_id) ?? "unknown";
      const isYearEnd = entry.source === "close_year" && line.posting_date.endsWith("-12-31");
      const [year = "", month = ""] = line.posting_date.split("-");
      balance.add(currency, debit, credit);
      this.#accounts.add(line.account_id, debit, credit);
      this.#months.add(`${line.account_id} ${year}-${month}-01`, debit, credit);
      const period = periodKey(year, isYearEnd ? 13 : month);
      this.#periods.add(`${period} ${line.account_id}`, debit, credit);
      if (entry.seal_number !== null) {
        this.#sealTotals.add(`${entry.seal_number} ${currency}`, debit, credit);
      }
    }
    for (const [currency, { debit, credit }] of balance) {
      const key = `${entry.id} ${currency}`;
      this.#compare("entry_unbalanced", key, formatDecimal(debit), formatDecimal(credit));
    }
  }

  async #seals(): Promise<SealRow[]> {
    this.#foldList(undefined);
    const seals: SealRow[] = [];
    let before: SealRow | undefined;
    for await (const seal of this.#rows<SealRow>("journal_seal")) {
      const key = `seal ${seal.number}`;
      const expected = BigInt(before?.number ?? 0) + 1n;
      if (BigInt(seal.number) !== expected) {
        this.#report("seal_missing", `seal ${expected}`, null, `${seal.number} follows`);
      } else {
        this.#compare("chain_broken", key, seal.previous_hash, before?.hash ?? null);
      }
      this.#compare("seal_changed", key, seal.hash, sha256(sealText(seal)));
      this.#compare(
        "seal_changed",
        key,
        seal.entries_hash,
        this.#listHashes.get(seal.number) ?? null,
      );
      const count = String(this.#sealCounts.get(seal.number) ?? 0);
      this.#compare("seal_changed", key, seal.entry_count, count);
      for (const { currency, line_count, debit, credit } of seal.totals) {
        const total = `${seal.number} ${currency}`;
        const sum = { debit: amountOf(debit), credit: amountOf(credit), count: BigInt(line_count) };
        const derived = this.#sealTotals.text(total);
        this.#compare("total_differs", `seal ${total}`, sumText(sum), derived);
        this.#sealTotals.delete(total);
      }
      this.#listHashes.delete(seal.number);
      seals.push(seal);
      before = seal;
    }
    for (const number of this.#listHashes.keys()) {
      this.#report("seal_missing", `seal ${number}`, null, "entries of it are there");
    }
    for (const [key, sum] of this.#sealTotals) {
      this.#report("total_differs", `seal ${key}`, null, sumText(sum));
    }
    const { head_number, head_hash } = this.#manifest ?? {};
    const stored = `${head_number} ${head_hash}`;
    this.#compare("seal_missing", "head", stored, `${before?.number ?? 0} ${before?.hash ?? null}`);
    return seals;
  }

  async #caches(): Promise<void> {
    interface AccountRow {
      id: string;
      code: string;
      debit_total: string;
      credit_total: string;
    }
    for await (const account of this.#rows<AccountRow>("account")) {
      const { debit, credit } = this.#accounts.get(account.id) ?? { debit: 0n, credit: 0n };
      this.#compare(
        "account_differs",
        `${account.id} ${account.code}`,
        `debit ${account.debit_total}, credit ${account.credit_total}`,
        `debit ${formatDecimal(debit)}, credit ${formatDecimal(credit)}`,
      );
      this.#accounts.delete(account.id);
    }
    for (const id of this.#accounts.keys()) {
      this.#report("account_differs", id, null, "lines of an account that is not there");
    }
    interface MonthRow {
      account_id: string;
      month: string;
      debit: string;
      credit: string;
      line_count: string;
    }
    for await (const row of this.#rows<MonthRow>("month_movement")) {
      const key = `${row.account_id} ${row.month}`;
      const stored = {
        debit: amountOf(row.debit),
        credit: amountOf(row.credit),
        count: BigInt(row.line_count),
      };
      this.#compare("month_differs", key, sumText(stored), this.#months.text(key));
      this.#months.delete(key);
    }
    for (const [key, sum] of this.#months) {
      this.#report("month_differs", key, null, sumText(sum));
    }
  }

  async #snapshots(): Promise<void> {
    const totals = new Sums();
    const movements = [...this.#periods].sort(([a], [b]) => (a < b ? -1 : 1));
    let at = 0;
    let hashBefore = "first";
    const snapshots = this.#rows<SnapshotRow>("closing_snapshot");
    let next = (await snapshots.next()).value as SnapshotRow | undefined;
    for await (const period of this.#rows<PeriodRow>("period")) {
      const key = periodKey(period.fiscal_year, period.number);
      for (; at < movements.length && (movements[at]?.[0] ?? "").slice(0, 7) <= key; at += 1) {
        const [place = "", sum] = movements[at] ?? [];
        if (sum) totals.add(place.slice(8), sum.debit, sum.credit);
      }
      const rows: SnapshotRow[] = [];
      while (next !== undefined && periodKey(next.fiscal_year, next.number) <= key) {
        rows.push(next);
        next = (await snapshots.next()).value as SnapshotRow | undefined;
      }
      this.#examineSnapshot(key, period, rows, totals, hashBefore);
      hashBefore = period.snapshot_hash;
    }
    if (next !== undefined) {
      const key = periodKey(next.fiscal_year, next.number);
      this.#report("snapshot_differs", key, "a snapshot", "no closed period");
    }
  }

  #examineSnapshot(
    key: string,
    period: PeriodRow,
    rows: SnapshotRow[],
    totals: Sums,
    hashBefore: string,
  ): void {
    const text = rows.map(
      (row) =>
        `\n${row.account_id} ${row.debit} ${row.credit} ${row.debit_total} ${row.credit_total}`,
    );
    const name = `${period.fiscal_year}/${period.number}`;
    const hash = sha256(`${hashBefore} ${name}${text.join("")}`);
    this.#compare("snapshot_differs", key, period.snapshot_hash, hash);
    const stored = new Map(
      rows.map((row) => [row.account_id, `debit ${row.debit_total}, credit ${row.credit_total}`]),
    );
    for (const id of new Set([...stored.keys(), ...totals.keys()])) {
      const { debit, credit } = totals.get(id) ?? { debit: 0n, credit: 0n };
      const derived = `debit ${formatDecimal(debit)}, credit ${formatDecimal(credit)}`;
      this.#compare("snapshot_differs", `${key} ${id}`, stored.get(id) ?? null, derived);
    }
  }
}

interface PeriodRow {
  fiscal_year: number;
  number: number;
  snapshot_hash: string;
}

interface SnapshotRow {
  fiscal_year: number;
  number: number;
  account_id: string;
  debit: string;
  credit: string;
  debit_total: string;
  credit_total: string;
}

/** Whether a place in the order of seals and entries is before another. */
function isBefore(
  a: { seal_number: string; entry_id: string },
  b: { seal_number: string; entry_id: string },
): boolean {
  const order = BigInt(a.seal_number) - BigInt(b.seal_number);
  return order < 0n || (order === 0n && a.entry_id < b.entry_id);
}
