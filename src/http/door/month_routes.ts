/** The simple door to customers' stored months: how metering is, initialize, sync, compare. */
import { z } from "zod";
import {
  asTexts,
  by,
  idOf,
  pathReference,
  row,
  rowsOf,
  shownId,
  shownInstant,
  shownMonth,
  shownTexts,
} from "./fields.ts";
import { type Route, route } from "./route.ts";

const ROOT = "/api/realtime-balance";
const inPath = { customer: pathReference };
const unknownCustomer = { 404: "there is no such customer" };
const changedPlan = { 409: "the plan is another one by now" };

const shownChange = z.strictObject({
  customer_id: shownId,
  month: shownMonth,
  action: z.enum(["missing", "differs", "surplus", "same"]),
  stored: shownTexts,
  derived: shownTexts,
});

const status = route({
  method: "get",
  path: ROOT,
  name: "meteringStatus",
  summary: "How much there is in metering, and what waits.",
  roles: ["admin", "accountant", "operator", "auditor", "biller"],
  data: z.strictObject({
    customer_count: shownId,
    meter_count: shownId,
    reading_count: shownId,
    unrated_count: shownId,
    provisional_count: shownId,
    month_count: shownId,
    open_rerating_count: shownId,
    rerating_left_count: shownId,
    last_calculated_at: shownInstant.nullable(),
    last_sync_at: shownInstant.nullable(),
    last_recalculation_at: shownInstant.nullable(),
  }),
  isReport: true,
  ask: async (client) =>
    await row(
      client,
      `select customer_count, meter_count, reading_count, unrated_count, provisional_count,
        month_count, open_rerating_count, rerating_left_count, last_calculated_at, last_sync_at,
        last_recalculation_at
      from saldo.metering_status()`,
    ),
});

const planFields = {
  dry_run: z.boolean().default(true).describe("false = write"),
  plan_hash: z
    .string()
    .nullish()
    .describe("of a dry run: nothing is written when it would be something else by now"),
};

const shownPlan = z.strictObject({
  is_dry_run: z.boolean(),
  plan_hash: z.string().nullable().describe("null where there is nothing to do"),
  change_count: z.int(),
  changes: z.array(shownChange).describe("up to 1,000"),
});

interface Change {
  readonly plan_hash: string;
}

const changeColumns = `c.customer_id, to_char(c.month, 'YYYY-MM') as month, c.action,
  ${asTexts("c.stored")} as stored, ${asTexts("c.derived")} as derived, c.plan_hash`;

function shown(rows: readonly Change[], isDryRun: boolean): object {
  return {
    is_dry_run: isDryRun,
    plan_hash: rows[0]?.plan_hash ?? null,
    change_count: rows.length,
    changes: rows.slice(0, 1000).map(({ plan_hash: _, ...change }) => change),
  };
}

const INITIALIZE = `select ${changeColumns} from saldo.initialize_monthly_balances(
  customer_id => $1, dry_run => $2, plan_hash => $3) as c`;
const SYNC = `select ${changeColumns} from saldo.sync_monthly_balances(
  customer_id => $1, force => $2, dry_run => $3, plan_hash => $4) as c`;

const initializeAll = route({
  method: "post",
  path: `${ROOT}/initialize`,
  name: "initializeAllMonths",
  summary: "Makes the stored months of all customers that have none.",
  roles: ["admin"],
  inBody: planFields,
  data: shownPlan,
  answers: changedPlan,
  isReport: true,
  ask: async (client, given) =>
    shown(
      await rowsOf(client, INITIALIZE, [null, given.dry_run, given.plan_hash ?? null]),
      given.dry_run,
    ),
});

const initializeOne = route({
  method: "post",
  path: `${ROOT}/{customer}/initialize`,
  name: "initializeMonths",
  summary: "Makes the stored months of a customer that has none.",
  roles: ["admin"],
  inPath,
  inBody: { by, ...planFields },
  data: shownPlan,
  answers: { ...unknownCustomer, ...changedPlan },
  isReport: true,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const rows = await rowsOf<Change>(client, INITIALIZE, [
      id,
      given.dry_run,
      given.plan_hash ?? null,
    ]);
    return shown(rows, given.dry_run);
  },
});

const syncFields = {
  ...planFields,
  force: z.boolean().default(false).describe("writes months that look right as well"),
};

const syncAll = route({
  method: "post",
  path: `${ROOT}/sync`,
  name: "syncAllMonths",
  summary: "Puts the stored months of all customers in step with what they are derived from.",
  roles: ["admin"],
  inBody: syncFields,
  data: shownPlan,
  answers: changedPlan,
  isReport: true,
  ask: async (client, given) =>
    shown(
      await rowsOf(client, SYNC, [null, given.force, given.dry_run, given.plan_hash ?? null]),
      given.dry_run,
    ),
});

const syncOne = route({
  method: "post",
  path: `${ROOT}/{customer}/sync`,
  name: "syncMonths",
  summary: "Puts the stored months of a customer in step with what they are derived from.",
  roles: ["admin"],
  inPath,
  inBody: { by, ...syncFields },
  data: shownPlan,
  answers: { ...unknownCustomer, ...changedPlan },
  isReport: true,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    const rows = await rowsOf<Change>(client, SYNC, [
      id,
      given.force,
      given.dry_run,
      given.plan_hash ?? null,
    ]);
    return shown(rows, given.dry_run);
  },
});

const compare = route({
  method: "get",
  path: `${ROOT}/{customer}/compare`,
  name: "compareMonths",
  summary: "Where the stored months of a customer differ from what they are derived from.",
  roles: ["admin", "accountant", "operator", "auditor", "biller"],
  inPath,
  inQuery: { by },
  data: z.strictObject({
    month_count: shownId,
    difference_count: shownId,
    differences: z.array(shownChange).describe("up to 1,000"),
  }),
  answers: unknownCustomer,
  isReport: true,
  async ask(client, given) {
    const id = await idOf(client, "customer", given.customer, given.by);
    return await row(
      client,
      `select x.month_count, x.difference_count, array(
        select jsonb_build_object('customer_id', c.customer_id::text,
          'month', to_char(c.month, 'YYYY-MM'), 'action', c.action,
          'stored', ${asTexts("c.stored")}, 'derived', ${asTexts("c.derived")})
        from unnest(x.differences) as c
        limit 1000
      ) as differences
      from saldo.compare_monthly_balances($1) as x`,
      [id],
    );
  },
});

/** The routes of stored months. */
export const monthRoutes: readonly Route[] = [
  status,
  initializeAll,
  syncAll,
  initializeOne,
  syncOne,
  compare,
];
