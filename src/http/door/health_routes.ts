/** The simple door to the health of balances: heal, report, maintenance. */
import { z } from "zod";
import {
  asTexts,
  row,
  rowsOf,
  shownAmount,
  shownId,
  shownInstant,
  shownTexts,
  uuid,
} from "./fields.ts";
import { type Described, type Route, route } from "./route.ts";

const shownAction = z.strictObject({
  rule: z.string(),
  key: z.string(),
  account_id: shownId.nullable(),
  outcome: z.string(),
  before: shownTexts,
  after: shownTexts,
  reason: z.string(),
});

const autoHeal = route({
  method: "post",
  path: "/admin/balance-health/auto-heal",
  name: "autoHeal",
  summary: "Checks all balances, and heals what is safe; tells what it would do unless told to.",
  roles: ["admin"],
  inBody: {
    dry_run: z.boolean().default(true).describe("false = heal"),
    plan_hash: z.string().max(200).optional().describe("heals only what a dry run has shown"),
  },
  data: z.strictObject({
    id: z.uuid(),
    check_run_id: z.uuid(),
    is_dry_run: z.boolean(),
    plan_hash: z.string(),
    started_at: shownInstant,
    finished_at: shownInstant,
    healed_count: z.int(),
    refused_count: z.int(),
    needs_approval_count: z.int(),
    escalated_count: z.int(),
    frozen_count: z.int(),
    actions: z.array(shownAction),
  }),
  answers: { 409: "a maintenance is running, or the plan is another one by now" },
  isReport: true,
  async ask(client, given) {
    const run = await row<{ id: string }>(
      client,
      `select id, check_run_id, is_dry_run, plan_hash, started_at, finished_at, healed_count,
        refused_count, needs_approval_count, escalated_count, frozen_count
      from saldo.auto_heal($1, $2)`,
      [given.dry_run, given.plan_hash ?? null],
    );
    const actions = await rowsOf(
      client,
      `select rule, key, account_id, outcome, ${asTexts("before")} as before,
        ${asTexts("after")} as after, reason
      from saldo.heal_action where heal_run_id = $1 order by rule, key limit 1000`,
      [run.id],
    );
    return { ...run, actions };
  },
});

const shownSummary = z.strictObject({
  check_run_id: z.uuid(),
  status: z.string(),
  scope: z.string(),
  checked_at: shownInstant,
  age_seconds: shownAmount,
  line_count: shownId,
  finding_count: z.int(),
  account_count: shownId,
  full_check_at: shownInstant.nullable(),
  unhealthy_since: shownInstant.nullable(),
  healed_count: shownId,
});

const shownRule = z.strictObject({
  rule: z.string(),
  title: z.string(),
  room: z.string(),
  finding_count: shownId,
  account_count: shownId,
  difference_sum: shownAmount,
  difference_max: shownAmount,
  cause: z.string().nullable(),
  can_heal: z.boolean(),
});

const shownAccount = z.strictObject({
  account_id: shownId,
  code: z.string(),
  currency: z.string(),
  finding_count: shownId,
  rules: z.array(z.string()),
  difference: shownAmount.nullable(),
  cause: z.string().nullable(),
  healed_count: shownId,
});

const shownCheck = z.strictObject({
  check_run_id: z.uuid(),
  kind: z.string(),
  scope: z.string(),
  status: z.string(),
  finished_at: shownInstant,
  seconds: shownAmount,
  line_count: shownId,
  finding_count: z.int(),
  finding_change: z.int().nullable(),
  difference_sum: shownAmount,
});

const detailedReport = route({
  method: "get",
  path: "/admin/balance-health/detailed-report",
  name: "detailedReport",
  summary: "The last check, or another: in all, by rule, by account; and what checks found lately.",
  roles: ["admin", "accountant", "operator", "auditor"],
  inQuery: { check_run_id: uuid.optional().describe("the check; default the last one") },
  data: z.strictObject({
    summary: shownSummary.nullable().describe("the last check; null before the first"),
    by_rule: z.array(shownRule),
    by_account: z.array(shownAccount).describe("the largest difference first, up to 1,000"),
    trend: z.array(shownCheck).describe("the last 30 checks, newest first"),
  }),
  isReport: true,
  async ask(client, given) {
    const summary = await row<{ check_run_id: string | null }>(
      client,
      `select check_run_id, status, scope, checked_at, age_seconds, line_count, finding_count,
        account_count, full_check_at, unhealthy_since, healed_count
      from saldo.health_summary()`,
    );
    const check = [given.check_run_id ?? null];
    return {
      summary: summary.check_run_id === null ? null : summary,
      by_rule: await rowsOf(
        client,
        `select rule, title, room, finding_count, account_count, difference_sum, difference_max,
          cause, can_heal
        from saldo.health_by_rule($1)`,
        check,
      ),
      by_account: await rowsOf(
        client,
        `select account_id, code, currency, finding_count, rules, difference, cause, healed_count
        from saldo.health_by_account($1) limit 1000`,
        check,
      ),
      trend: await rowsOf(
        client,
        `select check_run_id, kind, scope, status, finished_at, seconds, line_count, finding_count,
          finding_change, difference_sum
        from saldo.health_trend(30)`,
      ),
    };
  },
});

const maintenance = route({
  method: "post",
  path: "/admin/balance-health/scheduled-maintenance",
  name: "scheduledMaintenance",
  summary: "Checks, heals what is safe, and checks again: as the job does every night.",
  roles: ["admin"],
  data: z.strictObject({
    id: z.uuid(),
    status: z.string().describe("what the check at its end found: healthy or unhealthy"),
    started_at: shownInstant,
    finished_at: shownInstant,
    check_before_id: z.uuid(),
    heal_run_id: z.uuid(),
    check_after_id: z.uuid(),
    message: z.string().describe("what it came to, and over how many lines"),
  }),
  answers: { 409: "a maintenance is running" },
  isReport: true,
  ask: async (client) =>
    await row(
      client,
      `select id, status, started_at, finished_at, check_before_id, heal_run_id, check_after_id,
        message
      from saldo.scheduled_maintenance()`,
    ),
});

const checkAnswer = z.looseObject({
  status: z.enum(["success", "error"]).describe("error = the database did not answer"),
  balance_status: z.boolean().describe("whether the last check found the books in balance"),
  health: z.enum([
    "healthy",
    "unhealthy",
    "overdue",
    "unchecked",
    "jobs_stand_still",
    "unavailable",
  ]),
  balance: z.enum(["balanced", "unbalanced", "unknown"]),
  message: z.string(),
  data: z
    .looseObject({
      is_healthy: z.boolean(),
      is_valid: z.boolean().nullable().describe("null before the first check"),
      is_overdue: z.boolean(),
      last_check_at: shownInstant.nullable(),
    })
    .nullable()
    .describe("with totals and figures for those who may see them"),
});

const badToken = z.looseObject({
  errors: z.array(
    z.looseObject({ message: z.string(), extensions: z.looseObject({ code: z.string() }) }),
  ),
});

/** The health check as the document describes it; balance_health.ts answers it. */
export const describedCheck: Described = {
  method: "get",
  path: "/admin/balance-health/check",
  name: "balanceHealth",
  summary: "The record of the last check; totals for those who may see them. It scans nothing.",
  roles: [],
  fields: { path: {}, query: {}, body: {} },
  data: checkAnswer,
  answers: {},
  forms: {
    200: { words: "All is in order.", form: checkAnswer },
    401: { words: "the token is not good", form: badToken },
    503: {
      words: "not healthy, never checked, overdue, or no jobs are done",
      form: checkAnswer,
    },
  },
};

/** The routes below /admin/balance-health. */
export const healthRoutes: readonly Route[] = [autoHeal, detailedReport, maintenance];
