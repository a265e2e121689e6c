import assert from "node:assert/strict";
import type { PoolClient } from "pg";
import { errorCode } from "../_support/database.ts";
import { check, type Finding } from "../_support/faults.ts";
import type { Row } from "../wallet/_wallet.ts";
import { type Hot, many } from "./_hot.ts";
import {
  ModelAccount,
  type ModelHold,
  type ModelRow,
  type Operation,
  type Plan,
} from "./_model.ts";

type Step<K extends Operation["kind"]> = Extract<Operation, { kind: K }>;
type Movement = { account: number; isOut: boolean; cents: number };

const money = (cents: number) => (cents / 100).toFixed(2);
const toCents = (amount: unknown) => Math.round(Number(amount) * 100);

/** A history under way: the database, and plain arithmetic beside it. */
export class History {
  readonly accounts: ModelAccount[];
  readonly rows: ModelRow[] = [];
  readonly holds: ModelHold[] = [];
  private readonly hot: Hot;
  private ids: string[] = [];
  private source = "";
  private clients: PoolClient[] = [];
  private turn = 0;

  private constructor(hot: Hot, plans: Plan[]) {
    this.hot = hot;
    this.accounts = plans.map((plan) => new ModelAccount(plan));
  }

  static async begin(hot: Hot, plans: Plan[]): Promise<History> {
    const history = new History(hot, plans);
    // What a history that failed has left, so that a shorter one fails for its own reason.
    await hot.settle();
    await hot.rows("admin", "expire_holds", {});
    history.source = await hot.account({ type: "equity", minBalance: null });
    for (const plan of plans) {
      const id = await hot.account({
        type: plan.type,
        minBalance: plan.limit === null ? null : plan.limit / 100,
        ...(plan.funds > 0 && { funds: money(plan.funds) }),
        // Once hot, so that it has its say on pending money.
        slots: plan.slots ?? 1,
        isPendingAvailable: plan.isPendingAvailable,
      });
      if (plan.slots === undefined) {
        await hot.call("admin", "make_account_immediate", { account_id: id });
      }
      history.ids.push(id);
    }
    // Neighbouring connections: each begins with another slot.
    history.clients = await Promise.all(many(5, () => hot.pool.connect()));
    for (const client of history.clients) await client.query("set role saldo_admin");
    return history;
  }

  async end(): Promise<void> {
    for (const client of this.clients) {
      await client.query("reset role");
      client.release();
    }
  }

  /** Does a step in both worlds; throws where they differ. */
  async step(operation: Operation): Promise<void> {
    this.turn += 1;
    switch (operation.kind) {
      case "submit":
        return this.submit(operation);
      case "transfer":
        return this.transfer(operation);
      case "abandon":
        return this.abandon(operation);
      case "batch":
        return this.batch(operation);
      case "burst":
        return this.burst(operation);
      case "retry":
        return this.retry(operation);
      case "hold":
        return this.hold(operation);
      case "capture":
        return this.capture(operation);
      case "void":
        return this.void(operation);
      case "expire":
        return this.expire();
      case "truncate":
        await this.hot.truncateSlots();
        return;
      case "settle":
        await this.settle(operation.limit);
        return;
      case "hot":
        return this.makeHot(operation);
      case "immediate":
        return this.makeImmediate(operation);
    }
  }

  private async call(name: string, args: Row, client?: PoolClient): Promise<Row[]> {
    const named = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
    const via = client ?? (this.clients[this.turn % this.clients.length] as PoolClient);
    const text = `select * from saldo.${name}(${named.join(", ")})`;
    return (await via.query(text, Object.values(args))).rows;
  }

  private of(account: number): ModelAccount {
    return this.accounts[account] as ModelAccount;
  }

  /** Arguments of a submission; each has a key, so that it can be sent again. */
  private request({ account, isOut, cents }: Movement, key: string): Row {
    const isDebit = isOut === (this.of(account).plan.type === "liability");
    return {
      account_id: this.ids[account],
      amount: money(cents),
      direction: isDebit ? "debit" : "credit",
      // Every third goes to an account of its own, so that settlements have several entries.
      counter_account_id: cents % 3 === 0 ? this.source : null,
      idempotency_key: key,
    };
  }

  private async submit(step: Movement): Promise<void> {
    const account = this.of(step.account);
    const expected = account.submitCode(step.isOut, step.cents);
    const key = `key-${this.turn}`;
    const answer = this.call("submit_transaction", this.request(step, key));
    assert.equal(await errorCode(answer), expected);
    if (expected !== "none") return;
    account.submit(step.isOut, step.cents);
    this.rows.push({ ...step, id: String((await answer)[0]?.id), key });
  }

  private async transfer({ account, isOut, cents }: Movement): Promise<void> {
    const target = this.of(account);
    const expected = isOut && !target.canTake(cents) ? "SB001" : "none";
    const isDebit = isOut === (target.plan.type === "liability");
    const answer = this.call("transfer", {
      debit_account_id: isDebit ? this.ids[account] : this.source,
      credit_account_id: isDebit ? this.source : this.ids[account],
      amount: money(cents),
    });
    assert.equal(await errorCode(answer), expected);
    if (expected === "none") target.settled += isOut ? -cents : cents;
  }

  /** A client that goes away before its commit. */
  private async abandon(step: Movement): Promise<void> {
    const client = this.clients[0] as PoolClient;
    await client.query("begin");
    const args = this.request(step, `gone-${this.turn}`);
    const answer = this.call("submit_transaction", args, client);
    assert.equal(await errorCode(answer), this.of(step.account).submitCode(step.isOut, step.cents));
    await client.query("rollback");
  }

  private async batch({ rows }: Step<"batch">): Promise<void> {
    const key = (index: number) => `key-${this.turn}-${index}`;
    const answers = await this.hot.submitMany(
      rows.map((row, index) => this.request(row, key(index))),
    );
    const expected = rows.map((row) => {
      const account = this.of(row.account);
      const code = account.submitCode(row.isOut, row.cents);
      if (code === "none") account.submit(row.isOut, row.cents);
      return code;
    });
    assert.deepEqual(
      answers.map((answer) => answer.error_code ?? "none"),
      expected,
    );
    for (const [index, row] of rows.entries()) {
      if (expected[index] !== "none") continue;
      this.rows.push({ ...row, id: String(answers[index]?.id), key: key(index) });
    }
  }

  /** Debits at the same time: which are accepted is open, but not whether that was right. */
  private async burst({ account, cents }: Step<"burst">): Promise<void> {
    const target = this.of(account);
    const before = target.available;
    const isHot = target.isHot;
    const results = await Promise.all(
      cents.map(async (amount, index) => {
        const row = { account, isOut: true, cents: amount };
        const key = `key-${this.turn}-${index}`;
        const client = this.clients[index % this.clients.length] as PoolClient;
        const answer = this.call("submit_transaction", this.request(row, key), client);
        const code = await errorCode(answer);
        return { row, key, code, id: code === "none" ? String((await answer)[0]?.id) : "" };
      }),
    );
    for (const { row, key, code, id } of results) {
      if (!isHot) assert.equal(code, "SB201");
      if (code !== "none") continue;
      target.submit(true, row.cents);
      this.rows.push({ ...row, id, key });
    }
    for (const { row, code } of results) {
      // Funds only went down: what was refused at its moment is refused now.
      if (isHot && code !== "none")
        assert.deepEqual([code, target.canTake(row.cents)], ["SB001", false]);
    }
    assert.ok(
      target.plan.limit === null ||
        !isHot ||
        target.available >= Math.min(before, target.plan.limit),
    );
  }

  private async retry({ pick, isBatch }: Step<"retry">): Promise<void> {
    const keyed = this.rows.filter((row) => row.key !== undefined);
    const row = keyed[pick % Math.max(keyed.length, 1)];
    if (row === undefined) return;
    const request = this.request(row, String(row.key));
    if (isBatch) {
      const [answer] = await this.hot.submitMany([request]);
      assert.deepEqual([answer?.id, answer?.is_new], [row.id, false]);
    } else {
      const [again] = await this.call("submit_transaction", request);
      assert.equal(again?.id, row.id);
    }
  }

  private async hold({ account, cents, isShort }: Step<"hold">): Promise<void> {
    const target = this.of(account);
    const expected = target.canTake(cents) ? "none" : "SB001";
    const answer = this.call("place_hold", {
      account_id: this.ids[account],
      amount: money(cents),
      expires_in: isShort ? "1 microsecond" : "1 day",
    });
    assert.equal(await errorCode(answer), expected);
    if (expected !== "none") return;
    target.held += cents;
    const id = String((await answer)[0]?.id);
    this.holds.push({ id, account, open: cents, state: "HELD", isShort });
  }

  private pickHold(pick: number): ModelHold | undefined {
    return this.holds[pick % Math.max(this.holds.length, 1)];
  }

  private async capture({ pick, percent, keepRest }: Step<"capture">): Promise<void> {
    const hold = this.pickHold(pick);
    if (hold === undefined) return;
    const amount = percent === null ? hold.open : Math.ceil((hold.open * percent) / 100);
    if (percent !== null && amount === 0) return; // it has ended, and 0 is no amount
    const expected = hold.state !== "HELD" ? "SB205" : amount > hold.open ? "SB206" : "none";
    const answer = this.call("capture_hold", {
      hold_id: hold.id,
      amount: percent === null ? null : money(amount),
      keep_rest: keepRest,
    });
    assert.equal(await errorCode(answer), expected);
    if (expected !== "none") return;
    const isKept = keepRest && amount < hold.open;
    const account = this.of(hold.account);
    account.held -= isKept ? amount : hold.open;
    hold.open = isKept ? hold.open - amount : 0;
    if (!isKept) hold.state = "CAPTURED";
    if (!account.isHot) {
      account.settled -= amount;
      return;
    }
    account.submit(true, amount);
    this.rows.push({ account: hold.account, isOut: true, cents: amount, hold: hold.id });
  }

  private async void({ pick }: Step<"void">): Promise<void> {
    const hold = this.pickHold(pick);
    if (hold === undefined) return;
    const answer = this.call("void_hold", { hold_id: hold.id });
    assert.equal(await errorCode(answer), hold.state === "HELD" ? "none" : "SB205");
    this.close(hold, "VOIDED");
  }

  private close(hold: ModelHold, state: ModelHold["state"]): void {
    if (hold.state !== "HELD") return;
    this.of(hold.account).held -= hold.open;
    hold.open = 0;
    hold.state = state;
  }

  private async expire(): Promise<void> {
    const due = this.holds.filter((hold) => hold.state === "HELD" && hold.isShort);
    const expired = (await this.call("expire_holds", {})).filter(({ account_id }) =>
      this.ids.includes(String(account_id)),
    );
    assert.deepEqual(expired.map(({ id }) => String(id)).sort(), due.map(({ id }) => id).sort());
    for (const hold of due) this.close(hold, "EXPIRED");
  }

  /** Settles once; how many rows that were. */
  async settle(limit: number): Promise<number> {
    const settlements = await this.call("settle_sub_balances", { row_limit: limit });
    const pending = this.accounts.reduce((sum, account) => sum + account.pendingCount, 0);
    let count = 0;
    for (const settlement of settlements) {
      const index = this.ids.indexOf(String(settlement.account_id));
      assert.notEqual(index, -1, "an account that had nothing pending was settled");
      const account = this.of(index);
      const [debit, credit] = [toCents(settlement.debit), toCents(settlement.credit)];
      const isAsset = account.plan.type === "asset";
      account.settle(
        isAsset ? debit : credit,
        isAsset ? credit : debit,
        Number(settlement.row_count),
      );
      count += Number(settlement.row_count);
    }
    assert.ok(count <= limit);
    assert.equal(count > 0, pending > 0);
    if (limit >= 50_000) assert.equal(count, pending);
    return count;
  }

  private async makeHot({ account, slots }: Step<"hot">): Promise<void> {
    await this.call("make_account_hot", { account_id: this.ids[account], slots });
    this.of(account).isHot = true;
  }

  private async makeImmediate({ account }: Step<"immediate">): Promise<void> {
    const target = this.of(account);
    const answer = this.call("make_account_immediate", { account_id: this.ids[account] });
    assert.equal(await errorCode(answer), target.isHot ? "none" : "SB201");
    if (!target.isHot) return;
    target.settleAll();
    target.isHot = false;
  }

  /** Every figure of both accounts, and the limit. */
  async compareBalances(): Promise<void> {
    for (const [index, account] of this.accounts.entries()) {
      const got = await this.hot.balances(this.ids[index] as string);
      const inCents = Object.entries(got).map(([name, value]) => [name, toCents(value)]);
      assert.deepEqual(Object.fromEntries(inCents), account.figures());
      const { limit } = account.plan;
      const [slots] = await this.hot.root(
        "select sum(available) as available from saldo_private.account_slot where account_id = $1",
        [this.ids[index]],
      );
      // What can really be taken is in the slots, as long as there are any.
      if (slots?.available != null) {
        assert.equal(toCents(slots.available), account.available - Number(limit));
      }
      assert.ok(limit === null || account.available >= limit, "available is below the limit");
    }
  }

  /** What the rules find, except what an earlier history that failed has left. */
  async findings(): Promise<Finding[]> {
    const { findings } = await check(this.hot.pool);
    return findings.filter(({ account_id, key }) => {
      const account = account_id ?? /^account:([0-9]+) /.exec(key)?.[1];
      return account === undefined || Number(account) >= Number(this.source);
    });
  }

  /** Every row once, settled once, and all in the journal. Settle all before. */
  async compareRows(): Promise<void> {
    const got = await this.hot.root(
      `select s.account_id, s.id, s.direction, s.amount, s.hold_id, (
        select count(*) from saldo.settlement_range as r
        where r.account_id = s.account_id and r.slot_no = s.slot_no
        and s.seq between r.first_seq and r.last_seq
      ) as settled_times, saldo.sub_balance_status(s) as status
      from saldo.sub_balance as s where s.account_id = any ($1)`,
      [this.ids],
    );
    const told = got.map((row) => {
      const account = this.ids.indexOf(String(row.account_id));
      const isOut = (row.direction === "debit") === (this.of(account).plan.type === "liability");
      const who = row.hold_id ?? row.id;
      assert.deepEqual([row.settled_times, row.status], ["1", "SETTLED"]);
      return [account, isOut, toCents(row.amount), who].join(" ");
    });
    const expected = this.rows.map((row) =>
      [row.account, row.isOut, row.cents, row.hold ?? row.id].join(" "),
    );
    assert.deepEqual(told.sort(), expected.sort());
    for (const [index, account] of this.accounts.entries()) {
      assert.equal(toCents(await this.hot.posted(this.ids[index] as string)), account.settled);
    }
  }
}
