import type { GraphQLSchema } from "graphql";

declare module "graphql" {
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** Whether the field reads more than a page: a report, such as a balance sheet. */
    isReport?: boolean;
  }
}

/** Mutations that go through tables, where others write a few rows. */
export const LONG_MUTATIONS: ReadonlySet<string> = new Set([
  "applyBalanceRules",
  "approveBalanceRule",
  "autoHeal",
  "beginClosing",
  "chargeCustomers",
  "checkBalanceHealth",
  "closePeriod",
  "closeYear",
  "continueCheck",
  "continueMaintenance",
  "continueMonthlySync",
  "continueRerating",
  "continueRetention",
  "importCustomers",
  "importDeposits",
  "importMeters",
  "importReadings",
  "initializeMonthlyBalances",
  "lockPeriod",
  "reconcile",
  "registerBalanceRule",
  "rerateReadings",
  "scheduledMaintenance",
  "sealJournal",
  "sealRows",
  "syncMonthlyBalances",
]);

/** Names of the fields of the top level that are reports or take as long. */
export function reportNamesOf(schema: GraphQLSchema): ReadonlySet<string> {
  const fields = Object.values(schema.getQueryType()?.getFields() ?? {});
  const reports = fields.filter(({ extensions }) => extensions.isReport === true);
  return new Set([...LONG_MUTATIONS, ...reports.map(({ name }) => name)]);
}
