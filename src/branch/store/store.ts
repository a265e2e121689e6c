/** The store of a till: one folder with one file, opened by one program at a time. */
import { chmodSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Category, FactView, Summary } from "../api_types.ts";
import { type Clock, dayOf } from "../clock.ts";
import { type Config, configSchema } from "../protocol/schema.ts";
import { describeStoreError, StoreRefused, TillError } from "../till_error.ts";
import { writeAnchor } from "./anchor.ts";
import {
  beginChain,
  type Chain,
  type ChainReason,
  headOf,
  type LastKnown,
  requireContinuity,
} from "./chain.ts";
import { inTransaction, openDatabase, requireWhole, StoreBusy } from "./database.ts";
import {
  type CountInput,
  type EntryInput,
  FactWriter,
  type Locality,
  type VoidInput,
} from "./facts.ts";
import { findFact, findFacts, type Search } from "./lookup.ts";
import { queueState } from "./queue.ts";
import { upgrade } from "./schema.ts";
import { makeSettings, type Settings } from "./settings.ts";
import { summarize, usedCategories } from "./summary.ts";

/** Where a store is, and what it shall be until the centre tells. */
export interface StoreOptions {
  folder: string;
  anchorFolder: string;
  clock: Clock;
  /** As `saldo-branch/0.1.0`. */
  program: string;
  /** Used until the centre has told what branch this is. */
  assumed: { name: string; currency: string; timeZone: string };
}

const FREE_BYTES_LOW = 200 * 1024 * 1024;

/** An open store. */
export class Store {
  readonly database: DatabaseSync;
  readonly settings: Settings;
  readonly folder: string;
  readonly #options: StoreOptions;
  readonly #facts: FactWriter;
  #chain: Chain;
  #anchorError: string | undefined;

  private constructor(database: DatabaseSync, chain: Chain, options: StoreOptions) {
    this.database = database;
    this.settings = makeSettings(database);
    this.folder = options.folder;
    this.#options = options;
    this.#chain = chain;
    this.#facts = new FactWriter(
      database,
      () => this.#chain,
      () => this.locality(),
    );
    this.#keepAnchor();
  }

  /** Opens the store, making it when there is none. */
  static open(given: StoreOptions): Store {
    const options = { ...given, folder: resolve(given.folder) };
    mkdirSync(join(options.folder, "backups"), { recursive: true, mode: 0o700 });
    chmodSync(options.folder, 0o700);
    const file = join(options.folder, "till.db");
    const database = take(options.folder, file);
    try {
      upgrade(database, file);
      requireWhole(database);
      const { anchorFolder, folder, clock } = options;
      const chain = requireContinuity(database, anchorFolder, folder, clock());
      return new Store(database, chain, options);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Name and version of this program, as the centre is told. */
  get program(): string {
    return this.#options.program;
  }

  /** The present moment by this till's clock. */
  now(): Date {
    return this.#options.clock();
  }

  /** The chain that facts are added to. */
  get chain(): Chain {
    return this.#chain;
  }

  /** Says in the folder who has the store, for the message to a second program. */
  announce(port: number): void {
    writeFileSync(holderFile(this.folder), JSON.stringify({ pid: process.pid, port }));
  }

  /** What the centre has told of this branch, if it has. */
  config(): Config | undefined {
    const text = this.settings.get("config");
    return text === undefined ? undefined : configSchema.parse(JSON.parse(text));
  }

  /** Currency and time zone of the branch. */
  locality(): Locality {
    const branch = this.config()?.branch;
    const { assumed } = this.#options;
    return {
      currency: branch?.currency ?? assumed.currency,
      timeZone: branch?.time_zone ?? assumed.timeZone,
    };
  }

  /** What the branch is called. */
  branchName(): string {
    return this.config()?.branch.name ?? this.#options.assumed.name;
  }

  addEntry(input: EntryInput): FactView {
    return this.#write((now) => this.#facts.addEntry(input, now));
  }

  addVoid(input: VoidInput): FactView {
    return this.#write((now) => this.#facts.addVoid(input, now));
  }

  addCount(input: CountInput): FactView {
    return this.#write((now) => this.#facts.addCount(input, now));
  }

  find(search: Search): { total: number; facts: FactView[] } {
    return findFacts(this.database, search);
  }

  findOne(id: string): FactView {
    const fact = findFact(this.database, id);
    if (fact === undefined) throw new TillError("not_found", "There is no such row here.");
    return fact;
  }

  summary(): Summary & { currency: string } {
    const { currency, timeZone } = this.locality();
    return { ...summarize(this.database, dayOf(this.#options.clock(), timeZone)), currency };
  }

  /** Categories that the centre knows first, then those in use here. */
  categories(): Category[] {
    const all = [...(this.config()?.categories ?? []), ...usedCategories(this.database)];
    const seen = new Map(
      all.map(({ type, category }) => [`${type} ${category}`, { type, category }]),
    );
    return [...seen.values()];
  }

  /** Runs writes about the centre in one transaction. */
  transaction<T>(work: () => T): T {
    return inTransaction(this.database, work);
  }

  /** Begins a new chain, as a till has to whose store proved to be a copy. */
  beginChain(device: string, reason: ChainReason, known?: LastKnown): void {
    const now = this.#options.clock();
    this.#chain = inTransaction(this.database, () =>
      beginChain(this.database, device, reason, now, known),
    );
    this.#keepAnchor();
  }

  /** What a person should know of the store itself. */
  warnings(): string[] {
    const warnings: string[] = [];
    const { bavail, bsize } = statfsSync(this.folder);
    if (bavail * bsize < FREE_BYTES_LOW) warnings.push("disk_low");
    if (this.#anchorError !== undefined) warnings.push("anchor_not_written");
    if (this.#isClockBack()) warnings.push("clock_went_back");
    if (this.#chain.reason === "restored") warnings.push("store_restored");
    return warnings;
  }

  queue() {
    return queueState(this.database);
  }

  close(): void {
    rmSync(holderFile(this.folder), { force: true });
    this.database.close();
  }

  #write(work: (now: Date) => string): FactView {
    const id = inTransaction(this.database, () => work(this.#options.clock()));
    this.#keepAnchor();
    return this.findOne(id);
  }

  /** The facts are committed already: an anchor that fails is told, and loses nothing. */
  #keepAnchor(): void {
    const { device, epoch, epoch_no } = this.#chain;
    const { seq, hash } = headOf(this.database, this.#chain);
    const { anchorFolder, folder } = this.#options;
    try {
      writeAnchor(anchorFolder, { device, epoch, epoch_no, seq, hash, folder });
      this.#anchorError = undefined;
    } catch (error) {
      this.#anchorError = describeStoreError(error).message;
    }
  }

  #isClockBack(): boolean {
    const last = this.database
      .prepare("select occurred_at from fact order by position desc limit 1")
      .get();
    if (last === undefined) return false;
    const slack = 5 * 60 * 1000;
    return Date.parse(last["occurred_at"] as string) - this.#options.clock().getTime() > slack;
  }
}

function take(folder: string, file: string): DatabaseSync {
  try {
    return openDatabase(file);
  } catch (error) {
    if (error instanceof StoreBusy) {
      throw new StoreRefused(`This store is in use${holderOf(folder)}. Use that one.`);
    }
    if (error instanceof StoreRefused) throw error;
    throw new StoreRefused(describeStoreError(error).message);
  }
}

function holderFile(folder: string): string {
  return join(folder, "in-use.json");
}

function holderOf(folder: string): string {
  try {
    const { pid, port } = JSON.parse(readFileSync(holderFile(folder), "utf8"));
    return ` by process ${pid}, at http://localhost:${port}`;
  } catch {
    return " by another program";
  }
}
