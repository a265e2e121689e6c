/** The simple door to metering: a customer's balance, months and purchases; deposits and readings. */
import type { ClientBase } from "pg";
import { z } from "zod";
import { Refusal } from "../../errors/refusal.ts";
import {
  amount,
  by,
  idempotencyKey,
  idOf,
  instant,
  limit,
  month,
  offset,
  pathReference,
  reference,
  row,
  rowsOf,
  shownAmount,
  shownId,
  shownInstant,
  shownMonth,
  volume,
} from "./fields.ts";
import { type Route, route } from "./route.ts";

const inPath = { customer: pathReference };
const unknownCustomer = { 404: "there is no such customer" };
const readers = ["admin", "accountant", "operator", "auditor", "biller"] as const;

const shownFigures = {
  month: shownMonth,
  opening_balance: shownAmount,
  deposits: shownAmount,
  purchases: shownAmount,
  deposit_adjustments: shownAmount,
  purchase_adjustments: shownAmount,
  others: shownAmount,
  closing_balance: shownAmount,
  volume_m3: shownAmount,
  volume_sm3: shownAmount,
  volume_adjustments: shownAmount,
  last_calculated_at: shownInstant.nullable(),
};

const figures = `to_char(m.month, 'YYYY-MM') as month, m.opening_balance, m.deposits, m.purchases,
  m.deposit_adjustments, m.purchase_adjustments, m.others, m.closing_balance, m.volume_m3,
  m.volume_sm3, m.volume_adjustments, m.last_calculated_at`;

// By what all of these roles may read.
const thisMonth = `date_trunc('month', now() at time zone (
  select z.value from saldo.setting as z where z.name = 'business_time_zone'))::date`;

/** Of all that is posted until the end of this month, by the journal: stored months may be behind. */
const balanceOf = async (client: ClientBase, customerId: string) =>
  await row<{ balance: string }>(
    client,
    `select m.closing_balance as balance
    from saldo.customer_month($1, ${thisMonth}, basis => 'restated') as m`,
    [customerId],
  );

const customerBalance = route({
  method: "get",
  path: "/api/realtime-balance/{customer}",
  name: "customerBalance",
  summary: "The balance of a customer now, and the figures of this month.",
  roles: readers,
  inPath,
  inQuery: { by },
  data: z.strictObject({
    customer_id: shownId,
    code: z.string(),
    name: z.string(),
    account_id: shownId,
    currency: z.string(),
    balance: shownAmount,
    this_month: z.strictObject(shownFigures),
  }),
  answers: unknownCustomer,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const customer = await row(
      client,
      `select c.id as customer_id, c.code, c.name, c.account_id, c.currency
      from saldo.customer as c
      where c.id = $1`,
      [id],
    );
    const now = await row(
      client,
      `select ${figures} from saldo.customer_month($1, ${thisMonth}) as m`,
      [id],
    );
    return { ...customer, ...(await balanceOf(client, id)), this_month: now };
  },
});

const customerMonths = route({
  method: "get",
  path: "/api/realtime-balance/{customer}/months",
  name: "customerMonths",
  summary: "The figures of a customer month by month; default this year until now.",
  roles: readers,
  inPath,
  inQuery: {
    by,
    from: month.optional(),
    to: month.optional(),
    basis: z
      .enum(["reported", "restated"])
      .default("reported")
      .describe("by the month of posting, or by the month that it is about"),
  },
  data: z.strictObject({ customer_id: shownId, months: z.array(z.strictObject(shownFigures)) }),
  answers: unknownCustomer,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const months = await rowsOf(
      client,
      `select ${figures}
      from saldo.customer_month(
        $1, coalesce($2::date, date_trunc('year', ${thisMonth}::timestamp)::date),
        coalesce($3::date, ${thisMonth}), $4
      ) as m`,
      [id, given.from ?? null, given.to ?? null, given.basis],
    );
    return { customer_id: id, months };
  },
});

const rating = `trim_scale(l.volume_m3) as volume_m3, trim_scale(l.factor) as factor,
  trim_scale(l.volume_sm3) as volume_sm3, trim_scale(l.price) as price,
  trim_scale(l.amount) as amount`;

const shownPurchase = z.strictObject({
  reading_id: z.uuid(),
  meter: z.string(),
  read_at: shownInstant,
  volume_m3: shownAmount,
  factor: shownAmount.nullable(),
  volume_sm3: shownAmount,
  price: shownAmount.nullable(),
  amount: shownAmount,
  is_provisional: z.boolean(),
});

const customerPurchases = route({
  method: "get",
  path: "/api/realtime-balance/{customer}/purchases",
  name: "customerPurchases",
  summary: "What the readings of a month cost, as they count today; default this month.",
  roles: readers,
  inPath,
  inQuery: { by, month: month.optional(), limit, offset },
  data: z.strictObject({
    customer_id: shownId,
    month: shownMonth,
    row_count: shownId,
    volume_sm3: shownAmount,
    amount: shownAmount,
    purchases: z.array(shownPurchase),
  }),
  answers: unknownCustomer,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const counting = `from saldo.customer as c
      join saldo.rated_line as l on l.account_id = c.account_id
        and l.month = coalesce($2::date, ${thisMonth}) and l.superseded_at is null and not l.is_withdrawn`;
    const sums = await row(
      client,
      `select to_char(coalesce($2::date, ${thisMonth}), 'YYYY-MM') as month, count(*) as row_count, trim_scale(coalesce(sum(l.volume_sm3), 0)) as volume_sm3,
        trim_scale(coalesce(sum(l.amount), 0)) as amount ${counting} where c.id = $1`,
      [id, given.month ?? null],
    );
    const purchases = await rowsOf(
      client,
      `select l.reading_id, m.code as meter, l.read_at, ${rating}, l.is_provisional
      ${counting}
      join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
      join saldo.meter as m on m.account_id = r.account_id and m.id = r.meter_id
      where c.id = $1
      order by l.read_at, l.id
      limit $3 offset $4`,
      [id, given.month ?? null, given.limit, given.offset],
    );
    return { customer_id: id, ...sums, purchases };
  },
});

const addDeposit = route({
  method: "post",
  path: "/api/realtime-balance/{customer}/deposit",
  name: "addDeposit",
  summary: "Records a deposit, and tells the balance with it.",
  roles: ["admin", "biller"],
  inPath,
  inBody: {
    by,
    amount,
    occurred_at: instant.nullish(),
    description: z.string().nullish(),
    idempotency_key: idempotencyKey,
  },
  data: z.strictObject({
    id: z.uuid(),
    account_id: shownId,
    amount: shownAmount,
    occurred_at: shownInstant,
    description: z.string(),
    entry_id: z.uuid(),
    balance: shownAmount,
  }),
  answers: { ...unknownCustomer, 409: "the key was used for something else" },
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const deposit = await row(
      client,
      `select id, account_id, trim_scale(amount) as amount, occurred_at, description, entry_id
      from saldo.add_deposit($1, $2, $3, $4, $5)`,
      [
        id,
        given.amount,
        given.occurred_at ?? null,
        given.description ?? null,
        given.idempotency_key ?? null,
      ],
    );
    return { ...deposit, ...(await balanceOf(client, id)) };
  },
});

const addReading = route({
  method: "post",
  path: "/api/realtime-balance/{customer}/reading",
  name: "addReading",
  summary: "Records a reading, rates it, and tells what it cost and the balance with it.",
  roles: ["admin", "biller"],
  inPath,
  inBody: {
    by,
    meter: reference.describe("code of a meter that is installed at the customer, or its id"),
    read_at: instant,
    index_value: volume.nullish().describe("what a meter of indexes shows"),
    volume: volume.nullish().describe("volume since the last reading, of a flow meter"),
    quality: z.enum(["actual", "estimated"]).default("actual"),
    is_rollover: z.boolean().default(false).describe("the register began again at zero"),
    idempotency_key: idempotencyKey,
  },
  data: z.strictObject({
    id: z.uuid(),
    account_id: shownId,
    meter_id: shownId,
    read_at: shownInstant,
    index_value: shownAmount.nullable(),
    volume: shownAmount.nullable(),
    quality: z.enum(["actual", "estimated"]),
    purchase: z
      .strictObject({
        volume_m3: shownAmount,
        factor: shownAmount.nullable(),
        volume_sm3: shownAmount,
        price: shownAmount.nullable(),
        amount: shownAmount,
        is_provisional: z.boolean(),
      })
      .nullable()
      .describe("null where it is the first, or is not rated yet"),
    balance: shownAmount,
  }),
  answers: {
    404: "there is no such customer, or no such meter there",
    409: "it does not fit the readings that are there; the key was used for something else",
  },
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const reading = await row<{ id: string; account_id: string }>(
      client,
      `select id, account_id, meter_id, read_at, trim_scale(index_value) as index_value,
        trim_scale(volume) as volume, quality
      from saldo.add_reading($1, $2, $3, $4, $5, $6, $7)`,
      [
        await meterAt(client, id, given.meter, given.by),
        given.read_at,
        given.index_value ?? null,
        given.volume ?? null,
        given.quality,
        given.is_rollover,
        given.idempotency_key ?? null,
      ],
    );
    const [purchase = null] = await rowsOf(
      client,
      `select ${rating}, l.is_provisional
      from saldo.rated_line as l
      where l.account_id = $1 and l.reading_id = $2 and l.superseded_at is null
        and not l.is_withdrawn`,
      [reading.account_id, reading.id],
    );
    return { ...reading, purchase, ...(await balanceOf(client, id)) };
  },
});

/** A code may have been that of a meter before: the one that is installed comes first. */
async function meterAt(
  client: ClientBase,
  customerId: string,
  named: string,
  meant: "id" | "code" | undefined,
): Promise<string> {
  const isId = /^\d{1,18}$/.test(named) && meant !== "code";
  const rows = await rowsOf<{ id: string; is_code: boolean }>(
    client,
    `select m.id, m.code = $3 as is_code
    from saldo.meter as m
    join saldo.customer as c on c.account_id = m.account_id
    where c.id = $1 and (m.id = $2 or m.code = $3)
    order by m.removed_at desc nulls first, m.id desc`,
    [customerId, isId ? named : null, meant === "id" ? null : named],
  );
  const [found] = rows;
  if (found === undefined) throw new Refusal("not_found", `meter ${named}`);
  if (rows.some((each) => (each.is_code ?? false) !== (found.is_code ?? false))) {
    throw new Refusal("input_invalid", `meter ${named}: the id of one, the code of another`, {
      hint: "Say by=id or by=code.",
    });
  }
  return found.id;
}

/** The routes of customers. */
export const meteringRoutes: readonly Route[] = [
  customerBalance,
  customerMonths,
  customerPurchases,
  addDeposit,
  addReading,
];
