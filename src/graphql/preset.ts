/**
 * The GraphQL side: schema saldo as PostGraphile derives it. Tables and reports are queries,
 * functions are mutations, and nothing else writes.
 */
import "./graphile_env.ts";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import type { Pool } from "pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";
import { currentCaller, settingsFor } from "../auth/caller.ts";
import type { Log } from "../log.ts";
import { accountEventsFor } from "./account_events.ts";
import { CodesPlugin } from "./codes.ts";
import { GraphiqlPagePlugin, graphiqlPage } from "./graphiql_page.ts";
import { makeMaskError } from "./mask_error.ts";
import type { Notifications } from "./notifications.ts";
import { makePageLimitsPlugin } from "./page_limits.ts";
import { makeService } from "./pg_service.ts";
import { DEFAULT_QUERY_LIMITS, type QueryLimits } from "./query_cost.ts";
import { ScalarDescriptionsPlugin } from "./scalar_descriptions.ts";
import { StrictScalarsPlugin } from "./strict_scalars.ts";
import { SubscriptionsPlugin } from "./subscriptions.ts";
import { SurfacePlugin } from "./surface.ts";
import { KeepTurnPlugin } from "./turn.ts";
import { makeValidationPlugin } from "./validation.ts";

/** The settings that GraphQL goes by. */
export interface GraphqlConfig {
  /** GraphiQL in the browser; by default in development only. */
  readonly isGraphiqlEnabled: boolean;
  /** Introspection of the schema and suggestions of names; by default in development only. */
  readonly isIntrospectionEnabled: boolean;
  readonly statementTimeoutMs: number;
  readonly bodyByteCountMax: number;
  readonly pageSizeDefault: number;
  readonly pageSizeMax: number;
}

/** What GraphQL needs of a running server. */
export interface GraphqlContext {
  readonly config: GraphqlConfig;
  /** Logs in as saldo_server, which is nobody until it takes a role for a transaction. */
  readonly serverPool: Pool;
  readonly log: Log;
}

/** Where GraphiQL is served when it is on. */
export const GRAPHIQL_PATH = "/graphiql";

// Comparisons only: patterns (like, regular expressions) would scan whole tables.
const FILTER_OPERATORS = [
  "isNull",
  "equalTo",
  "notEqualTo",
  "in",
  "lessThan",
  "lessThanOrEqualTo",
  "greaterThan",
  "greaterThanOrEqualTo",
];

/** The part of the preset that decides what the schema looks like. */
export function makeSchemaPreset(pool: Pool, limits: QueryLimits): GraphileConfig.Preset {
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PostGraphileConnectionFilterPreset,
    ],
    plugins: [
      SurfacePlugin,
      StrictScalarsPlugin,
      ScalarDescriptionsPlugin,
      CodesPlugin,
      SubscriptionsPlugin,
      makePageLimitsPlugin(limits),
    ],
    disablePlugins: [
      "NodePlugin",
      "QueryQueryPlugin",
      // These payload fields would read in another transaction than the mutation's.
      "MutationPayloadQueryPlugin",
      "PgMutationPayloadEdgePlugin",
      // One way to filter is enough, and not across relations.
      "PgConnectionArgFilterBackwardRelationsPlugin",
      "PgConnectionArgFilterForwardRelationsPlugin",
      "PgConditionArgumentPlugin",
      "PgConditionCustomFieldsPlugin",
    ],
    pgServices: [makeService(pool)],
    gather: { pgStrictFunctions: true },
    schema: {
      defaultBehavior: "-resource:insert -resource:update -resource:delete",
      connectionFilterAllowedOperators: FILTER_OPERATORS,
      connectionFilterComputedColumns: false,
      connectionFilterSetofFunctions: false,
      connectionFilterArrays: false,
      connectionFilterRelations: false,
    },
  };
}

/** The limits of one request, with the page sizes of the settings. */
export function queryLimitsOf(config: GraphqlConfig): QueryLimits {
  return {
    ...DEFAULT_QUERY_LIMITS,
    pageSizeDefault: config.pageSizeDefault,
    pageSizeMax: config.pageSizeMax,
  };
}

/** The whole preset: schema, callers, errors, and what is open to whom. */
export function makePreset(
  context: GraphqlContext,
  notifications: Notifications,
): GraphileConfig.Preset {
  const { config, serverPool: pool } = context;
  const timeoutMs = config.statementTimeoutMs;
  const maskError = makeMaskError(context.log, {
    suggestions: config.isIntrospectionEnabled,
    isAnonymous: () => currentCaller().role === "saldo_anonymous",
  });
  return {
    extends: [makeSchemaPreset(context.serverPool, queryLimitsOf(config))],
    plugins: [
      KeepTurnPlugin,
      GraphiqlPagePlugin,
      makeValidationPlugin({ isIntrospectionAllowed: config.isIntrospectionEnabled, maskError }),
    ],
    grafast: {
      // Execution has no limit here: statement_timeout stops the SQL itself, this would not.
      timeouts: { planning: 5000 },
      context: () => ({
        pgSettings: settingsFor(currentCaller(), timeoutMs),
        accountEvents: accountEventsFor(currentCaller(), { pool, notifications, timeoutMs }),
      }),
    },
    ruru: graphiqlPage,
    grafserv: {
      graphqlPath: "/graphql",
      graphqlOverGET: false,
      graphiql: config.isGraphiqlEnabled,
      graphiqlPath: GRAPHIQL_PATH,
      graphiqlOnGraphQLGET: false,
      websockets: true,
      watch: false,
      maxRequestLength: config.bodyByteCountMax,
      maskError,
    },
  };
}
