import fc from "fast-check";

/** What a history can do; amounts are cents, so that sums are exact. */
export type Operation =
  | { kind: "submit" | "transfer"; account: number; isOut: boolean; cents: number }
  | { kind: "abandon"; account: number; isOut: boolean; cents: number }
  | { kind: "batch"; rows: { account: number; isOut: boolean; cents: number }[] }
  | { kind: "burst"; account: number; cents: number[] }
  | { kind: "retry"; pick: number; isBatch: boolean }
  | { kind: "hold"; account: number; cents: number; isShort: boolean }
  | { kind: "capture"; pick: number; percent: number | null; keepRest: boolean }
  | { kind: "void"; pick: number }
  | { kind: "expire" | "truncate" }
  | { kind: "settle"; limit: number }
  | { kind: "hot"; account: number; slots: number }
  | { kind: "immediate"; account: number };

/** An account that a history begins with. */
export interface Plan {
  type: "asset" | "liability";
  funds: number;
  limit: number | null;
  slots: number | undefined;
  isPendingAvailable: boolean;
}

const account = fc.nat(1);
const cents = fc.oneof(
  fc.integer({ min: 1, max: 15_000 }),
  fc.integer({ min: 1, max: 30 }).map((amount) => amount * 100),
);
const slots = fc.constantFrom(1, 2, 3, 8);
const movement = { account, isOut: fc.boolean(), cents };

/** One step; weights make short histories reach deep states. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("submit" as const), ...movement }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("transfer" as const), ...movement }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abandon" as const), ...movement }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      rows: fc.array(fc.record(movement), { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      account,
      cents: fc.array(cents, { minLength: 2, maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("retry" as const),
      pick: fc.nat(50),
      isBatch: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      account,
      cents,
      isShort: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("capture" as const),
      pick: fc.nat(50),
      percent: fc.option(fc.integer({ min: 1, max: 110 })),
      keepRest: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("void" as const), pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("expire", "truncate") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      limit: fc.constantFrom(1, 2, 5, 50_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("hot" as const), account, slots }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("immediate" as const), account }) },
);

/** The two accounts of a history. */
export const plans: fc.Arbitrary<Plan[]> = fc.array(
  fc.record({
    type: fc.constantFrom("asset" as const, "liability" as const),
    funds: fc.integer({ min: 0, max: 20_000 }),
    limit: fc.option(fc.integer({ min: -5000, max: 0 }), { freq: 6 }),
    slots: fc.option(slots, { nil: undefined, freq: 4 }),
    isPendingAvailable: fc.boolean(),
  }),
  { minLength: 2, maxLength: 2 },
);

/** A hold as plain arithmetic sees it. */
export interface ModelHold {
  id: string;
  account: number;
  open: number;
  state: "HELD" | "CAPTURED" | "VOIDED" | "EXPIRED";
  isShort: boolean;
}

/** A row that was accepted: what the database must have, once. */
export interface ModelRow {
  account: number;
  isOut: boolean;
  cents: number;
  /** Where the client knows it; the row of a capture has a hold instead. */
  id?: string;
  key?: string;
  hold?: string;
}

/** An account in a few lines of arithmetic. */
export class ModelAccount {
  settled: number;
  pendingOut = 0;
  pendingIn = 0;
  pendingCount = 0;
  held = 0;
  isHot: boolean;
  readonly plan: Plan;

  constructor(plan: Plan) {
    this.plan = plan;
    this.settled = plan.funds;
    this.isHot = plan.slots !== undefined;
  }

  get available(): number {
    const incoming = this.plan.isPendingAvailable ? this.pendingIn : 0;
    return this.settled - this.held - this.pendingOut + incoming;
  }

  canTake(amount: number): boolean {
    return this.plan.limit === null || this.available - amount >= this.plan.limit;
  }

  /** Why a transaction is refused; "none" when it is not. */
  submitCode(isOut: boolean, amount: number): string {
    if (!this.isHot) return "SB201";
    return isOut && !this.canTake(amount) ? "SB001" : "none";
  }

  submit(isOut: boolean, amount: number): void {
    if (isOut) this.pendingOut += amount;
    else this.pendingIn += amount;
    this.pendingCount += 1;
  }

  settle(incoming: number, outgoing: number, count: number): void {
    this.settled += incoming - outgoing;
    this.pendingIn -= incoming;
    this.pendingOut -= outgoing;
    this.pendingCount -= count;
  }

  settleAll(): void {
    this.settle(this.pendingIn, this.pendingOut, this.pendingCount);
  }

  /** What saldo.balances must say. */
  figures(): Record<string, number> {
    const isAsset = this.plan.type === "asset";
    return {
      settled_balance: this.settled,
      pending_debit: isAsset ? this.pendingIn : this.pendingOut,
      pending_credit: isAsset ? this.pendingOut : this.pendingIn,
      held: this.held,
      available_balance: this.available,
      pending_count: this.pendingCount * 100,
    };
  }
}
