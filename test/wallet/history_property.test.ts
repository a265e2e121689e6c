import test from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

type Purchase = {
  id: unknown;
  member: number;
  product: number;
  quantity: number;
  state: string;
  paidBack?: number;
  restocked?: number;
};
type Operation =
  | { kind: "top_up"; member: number; amount: number }
  | { kind: "buy"; member: number; product: number; quantity: number; hold: boolean }
  | { kind: "complete" | "fail" | "refund"; pick: number }
  | { kind: "part"; pick: number; amount: number; restock: number }
  | { kind: "charge_back"; pick: number; shortfall: "refuse" | "debt" | "loss" }
  | { kind: "retry"; pick: number };

const prices = [10, 25.5, 40];
const stocks = [undefined, 4, 7];

const member = fc.integer({ min: 0, max: 1 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant("top_up" as const),
    member,
    amount: fc.integer({ min: 1, max: 20_000 }).map((cents) => cents / 100),
  }),
  fc.record({
    kind: fc.constant("buy" as const),
    member,
    product: fc.integer({ min: 0, max: 2 }),
    quantity: fc.integer({ min: 1, max: 3 }),
    hold: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom("complete" as const, "fail" as const, "refund" as const),
    pick: fc.nat(50),
  }),
  fc.record({
    kind: fc.constant("part" as const),
    pick: fc.nat(50),
    amount: fc.integer({ min: 1, max: 6_000 }).map((cents) => cents / 100),
    restock: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({
    kind: fc.constant("charge_back" as const),
    pick: fc.nat(50),
    shortfall: fc.constantFrom("refuse" as const, "debt" as const, "loss" as const),
  }),
  fc.record({ kind: fc.constant("retry" as const), pick: fc.nat(50) }),
);

/** What a few lines of arithmetic say; cents, so that sums are exact. */
class Model {
  balance: number[] = [0, 0];
  held: number[] = [0, 0];
  debt: number[] = [0, 0];
  lost = 0;
  stock: number[] = stocks.map((count) => count ?? Number.POSITIVE_INFINITY);
  purchases: Purchase[] = [];
  topUps: { id: unknown; member: number; cents: number; isBack?: boolean }[] = [];

  cost(purchase: Pick<Purchase, "product" | "quantity">) {
    return Math.round((prices[purchase.product] ?? 0) * 100) * purchase.quantity;
  }

  topUp(of: number, cents: number) {
    this.balance[of] = (this.balance[of] ?? 0) + cents;
  }

  payDebt(of: number, cents: number) {
    const paid = Math.min(cents, this.debt[of] ?? 0);
    this.debt[of] = (this.debt[of] ?? 0) - paid;
    this.topUp(of, cents - paid);
  }

  chargeBack(topUp: Model["topUps"][number], shortfall: string) {
    if (topUp.isBack) return "SB309";
    const { member, cents } = topUp;
    const had = Math.min(cents, (this.balance[member] ?? 0) - (this.held[member] ?? 0));
    if (had < cents && shortfall === "refuse") return "SB001";
    this.topUp(member, -had);
    if (shortfall === "debt") this.debt[member] = (this.debt[member] ?? 0) + cents - had;
    if (shortfall === "loss") this.lost += cents - had;
    topUp.isBack = true;
    return "none";
  }

  hold(of: number, cents: number) {
    this.held[of] = (this.held[of] ?? 0) + cents;
  }

  keep(product: number, quantity: number) {
    this.stock[product] = (this.stock[product] ?? 0) - quantity;
  }

  buyCode(of: number, product: number, quantity: number) {
    if ((this.stock[product] ?? 0) < quantity) return "SB302";
    const available = (this.balance[of] ?? 0) - (this.held[of] ?? 0);
    return available < this.cost({ product, quantity }) ? "SB001" : "none";
  }

  buy(purchase: Purchase) {
    this.keep(purchase.product, purchase.quantity);
    if (purchase.state === "pending") this.hold(purchase.member, this.cost(purchase));
    else this.topUp(purchase.member, -this.cost(purchase));
    this.purchases.push(purchase);
  }

  step(kind: "complete" | "fail" | "refund", purchase: Purchase) {
    const wanted = kind === "refund" ? ["completed", "part"] : ["pending"];
    if (!wanted.includes(purchase.state)) return "SB305";
    const cost = this.cost(purchase) - (purchase.paidBack ?? 0);
    if (kind !== "refund") this.hold(purchase.member, -cost);
    if (kind !== "fail") this.topUp(purchase.member, kind === "refund" ? cost : -cost);
    const items = purchase.quantity - (purchase.restocked ?? 0);
    if (kind !== "complete") this.keep(purchase.product, -items);
    purchase.state = { complete: "completed", fail: "failed", refund: "refunded" }[kind];
    return "none";
  }

  payBack(purchase: Purchase, cents: number, restock: number) {
    if (!["completed", "part"].includes(purchase.state)) return "SB305";
    const left = this.cost(purchase) - (purchase.paidBack ?? 0);
    if (cents > left) return "SB307";
    const items = stocks[purchase.product] === undefined ? 0 : purchase.quantity;
    if (restock > items - (purchase.restocked ?? 0)) return "SB010";
    this.topUp(purchase.member, cents);
    this.keep(purchase.product, -restock);
    purchase.paidBack = (purchase.paidBack ?? 0) + cents;
    purchase.restocked = (purchase.restocked ?? 0) + restock;
    purchase.state = cents === left ? "refunded" : "part";
    return "none";
  }
}

async function chargeBack(model: Model, pick: number, shortfall: string, loss: Row) {
  const topUp = model.topUps[pick % Math.max(model.topUps.length, 1)];
  if (topUp === undefined) return ["none", "none"] as const;
  const args = { entry_id: topUp.id, reason: "x", shortfall };
  const account = shortfall === "loss" ? { loss_account_id: loss.id } : {};
  const expected = model.chargeBack(topUp, shortfall);
  return [
    expected,
    await errorCode(wallet.call("admin", "reverse_top_up", { ...args, ...account })),
  ] as const;
}

let runs = 0;

async function run(operations: Operation[]) {
  const model = new Model();
  const code = `loss:${++runs}`;
  const loss = await wallet.call("admin", "open_account", { code, name: code, type: "expense" });
  const members = [await wallet.member(), await wallet.member()];
  const products: Row[] = [];
  for (const [index, price] of prices.entries()) {
    products.push(await wallet.product(price, stocks[index]));
  }
  const buy = (purchase: Omit<Purchase, "id" | "state">, hold_only: boolean, key: string) =>
    wallet.buy(members[purchase.member] as Row, products[purchase.product] as Row, {
      quantity: purchase.quantity,
      hold_only,
      idempotency_key: key,
    });

  const answers: [expected: string, got: string][] = [];
  const keys: [
    purchase: Omit<Purchase, "id" | "state">,
    hold: boolean,
    key: string,
    id: unknown,
  ][] = [];
  for (const [index, step] of operations.entries()) {
    if (step.kind === "top_up") {
      const args = { member_id: members[step.member]?.id, amount: step.amount };
      const cents = Math.round(step.amount * 100);
      const { id } = await wallet.call("admin", "top_up", args);
      model.topUps.push({ id, member: step.member, cents });
      model.payDebt(step.member, cents);
    } else if (step.kind === "charge_back") {
      answers.push([...(await chargeBack(model, step.pick, step.shortfall, loss))]);
    } else if (step.kind === "buy") {
      const expected = model.buyCode(step.member, step.product, step.quantity);
      const bought = buy(step, step.hold, `key-${index}`);
      answers.push([expected, await errorCode(bought)]);
      if (expected !== "none") continue;
      const { id } = await bought;
      model.buy({ ...step, id, state: step.hold ? "pending" : "completed" });
      keys.push([step, step.hold, `key-${index}`, id]);
    } else if (step.kind === "retry") {
      const [purchase, hold, key, id] = keys[step.pick % Math.max(keys.length, 1)] ?? [];
      if (purchase === undefined) continue;
      const again = await buy(purchase, hold ?? false, key ?? "");
      answers.push([String(id), String(again.id)]);
    } else {
      const purchase = model.purchases[step.pick % Math.max(model.purchases.length, 1)];
      if (purchase === undefined) continue;
      if (step.kind === "part") {
        const { amount, restock } = step;
        const expected = model.payBack(purchase, Math.round(amount * 100), restock);
        const args = { purchase_id: purchase.id, reason: "x", amount, restock };
        answers.push([expected, await errorCode(wallet.call("admin", "refund_purchase", args))]);
        continue;
      }
      const args = { purchase_id: purchase.id, ...(step.kind !== "complete" && { reason: "x" }) };
      const expected = model.step(step.kind, purchase);
      answers.push([
        expected,
        await errorCode(wallet.call("admin", `${step.kind}_purchase`, args)),
      ]);
    }
  }
  return { model, members, products, answers, loss };
}

test("any history of a wallet agrees with plain arithmetic, and every rule is clean", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (operations) => {
      const { model, members, products, answers, loss } = await run(operations);
      for (const [expected, got] of answers) t.is(got, expected);
      for (const [index, who] of members.entries()) {
        const balance = await wallet.balance(who);
        t.is(Math.round(Number(balance.balance) * 100), model.balance[index] ?? -1);
        t.is(Math.round(Number(balance.held) * 100), model.held[index] ?? -1);
        t.is(Math.round(Number(balance.debt) * 100), model.debt[index] ?? -1);
        const history = await wallet.rows("admin", "wallet_history", { member_id: who.id });
        t.is(history.at(-1)?.balance ?? "0", balance.balance);
      }
      const [lost] = await wallet.root("select balance from saldo.account where id = $1", [
        loss.id,
      ]);
      t.is(Math.round(Number(lost?.balance) * 100), model.lost);
      for (const [index, product] of products.entries()) {
        if (stocks[index] === undefined) continue;
        const free = await wallet.root(
          "select from saldo.stock_item where product_id = $1 and purchase_id is null",
          [product.id],
        );
        t.is(free.length, model.stock[index] ?? -1);
      }
      t.deepEqual(await wallet.findings(), []);
    }),
    { numRuns: Number(process.env["WALLET_RUNS"] ?? 30) },
  );
});
