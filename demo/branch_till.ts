import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { enrol } from "../src/branch/push/enrol.ts";
import { Pusher } from "../src/branch/push/pusher.ts";
import { Store } from "../src/branch/store/store.ts";

// The demo says itself when a till pushes, so that it can be told in order.
const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 60_000 };

/** A till of the demo: the real store and the real pusher, without a page. */
export class DemoTill {
  readonly name: string;
  readonly #root: string;
  store: Store;

  constructor(root: string, name: string) {
    this.name = name;
    this.#root = join(root, name);
    this.store = this.#open();
  }

  #open(): Store {
    return Store.open({
      folder: join(this.#root, "store"),
      anchorFolder: join(this.#root, "anchors"),
      clock: () => new Date(),
      program: "saldo-branch/demo",
      assumed: { name: this.name, currency: "IDR", timeZone: "Asia/Jakarta" },
    });
  }

  async enrol(centre: string, code: string): Promise<void> {
    await enrol(this.store, { centre, code });
  }

  sell(amount: number, category = "Sales", id?: string): string {
    return this.store.addEntry({ type: "IN", amount: BigInt(amount), category, id }).id;
  }

  spend(amount: number, category = "Supplies"): void {
    this.store.addEntry({ type: "OUT", amount: BigInt(amount), category });
  }

  /** Pushes all that waits; gives what went wrong. */
  async push(): Promise<string | null> {
    const pusher = new Pusher(this.store, { pace });
    await pusher.pushAgain();
    const { last_error } = pusher.state();
    await pusher.stop();
    return last_error;
  }

  /** Copies the store as it is at this moment, as a backup of the night does. */
  backUp(): void {
    this.store.close();
    cpSync(join(this.#root, "store"), join(this.#root, "copy"), { recursive: true });
    this.store = this.#open();
  }

  /** The disk is lost, and the copy is put in its place. */
  restore(): void {
    this.store.close();
    rmSync(join(this.#root, "store"), { recursive: true });
    cpSync(join(this.#root, "copy"), join(this.#root, "store"), { recursive: true });
    this.store = this.#open();
  }
}
