/** How GraphQL comes by its connections: as a caller, and each statement in one exchange. */
import { createHash } from "node:crypto";
import type { Pool } from "pg";
import {
  makePgAdaptorWithPgClient,
  makePgService,
  type NodePostgresPgClient,
} from "postgraphile/adaptors/pg";
import { callWithRole, type RoleSettings } from "../database/with_role.ts";

type WithPgClient = ReturnType<typeof makePgAdaptorWithPgClient>;
type Query = NodePostgresPgClient["query"];

// Compiling costs more than any of our statements takes.
const WITHOUT_COMPILING = { jit_optimize_above_cost: "-1" };

/**
 * Schema saldo, read and called through a pool. The library asks for a client and makes one statement
 * with it, be it a query or a mutation: that is a transaction of its own, sent at once (callWithRole).
 * What wants more (withTransaction), or has no caller, goes the way of the library.
 */
export function makeService(pool: Pool) {
  const service = makePgService({ pool, schemas: ["saldo"], pubsub: false });
  const others = makePgAdaptorWithPgClient(pool);
  const withPgClient: WithPgClient = async (settings, callback) => {
    if (settings?.["role"] === undefined) return await others(settings, callback);
    const client = oneStatementClient(pool, settings as RoleSettings, others);
    return await callback(client as NodePostgresPgClient);
  };
  const createWithPgClient: typeof service.adaptor.createWithPgClient = (options, variant) =>
    variant === undefined ? withPgClient : service.adaptor.createWithPgClient(options, variant);
  return { ...service, adaptor: { ...service.adaptor, createWithPgClient } };
}

function oneStatementClient(
  pool: Pool,
  settings: RoleSettings,
  others: WithPgClient,
): Omit<NodePostgresPgClient, "rawClient"> {
  const query: Query = async (asked) => {
    const { text, values = [], arrayMode } = asked;
    if (arrayMode !== true) return await others(settings, (client) => client.query(asked));
    // Queries come with a name, mutations without: with one a statement is planned once.
    const name = asked.name ?? createHash("sha1").update(text).digest("base64url");
    const { rows, rowCount } = await callWithRole(
      pool,
      { settings: { ...settings, ...WITHOUT_COMPILING } },
      { text, values, name, rowMode: "array" },
    );
    return { rows: rows as never[], rowCount };
  };
  return {
    query,
    withTransaction: (callback) =>
      others(settings, (client) => client.withTransaction(callback as never)),
  };
}
