/** How GraphQL comes by its connections: as a caller, and each statement in one exchange. */
import type { Pool } from "pg";
import {
  makePgAdaptorWithPgClient,
  makePgService,
  type NodePostgresPgClient,
} from "postgraphile/adaptors/pg";
import { statementName } from "../database/statement_name.ts";
import { callWithRole, type RoleSettings } from "../database/with_role.ts";
import { jointCallOf } from "./joint_call.ts";
import { type JointCalls, makeJointCalls } from "./joint_calls.ts";
import { type Connections, currentTurn } from "./turn.ts";

type WithPgClient = ReturnType<typeof makePgAdaptorWithPgClient>;
type Query = NodePostgresPgClient["query"];

// Compiling costs more than any of our statements takes.
const WITHOUT_COMPILING = { jit_optimize_above_cost: "-1" };

// What the schema has is what the login may take of it; its sessions are nobody (NobodyClient).
const AS_LOGIN = { role: "none" };

/**
 * Schema saldo, read and called through a pool. The library asks for a client and makes one statement
 * with it, be it a query or a mutation: that is a transaction of its own, sent at once (callWithRole),
 * or carried out with those of others (joint_calls.ts). What wants more (withTransaction), or has no
 * caller, goes the way of the library.
 */
export function makeService(pool: Pool) {
  const service = makePgService({ pool, schemas: ["saldo"], pubsub: false });
  const others = makePgAdaptorWithPgClient(pool);
  const jointCalls = makeJointCalls(pool);
  const withPgClient: WithPgClient = async (settings, callback) => {
    if (settings?.["role"] === undefined)
      return await others({ ...settings, ...AS_LOGIN }, callback);
    const client = oneStatementClient(settings as RoleSettings, { pool, others, jointCalls });
    return await callback(client as NodePostgresPgClient);
  };
  const createWithPgClient: typeof service.adaptor.createWithPgClient = (options, variant) =>
    variant === undefined ? withPgClient : service.adaptor.createWithPgClient(options, variant);
  return { ...service, adaptor: { ...service.adaptor, createWithPgClient } };
}

interface Ways {
  readonly pool: Pool;
  /** The library's. */
  readonly others: WithPgClient;
  readonly jointCalls: JointCalls;
}

function oneStatementClient(
  settings: RoleSettings,
  { pool, others, jointCalls }: Ways,
): Omit<NodePostgresPgClient, "rawClient"> {
  const query: Query = async (asked) => {
    const { text, values = [], arrayMode } = asked;
    if (arrayMode !== true) return await others(settings, (client) => client.query(asked));
    const alone = async () => {
      const { rows } = await callWithRole<unknown[]>(
        pool,
        { settings: { ...settings, ...WITHOUT_COMPILING } },
        // Queries come with a name, mutations without: with one a statement is planned once.
        { text, values, name: asked.name ?? statementName(text), rowMode: "array" },
      );
      return rows;
    };
    const rows = await inItsTurn(alone, (connections) => {
      const call = jointCallOf(settings, text, values);
      return call && jointCalls.join(call, connections, alone);
    });
    return { rows: rows as never[], rowCount: rows.length };
  };
  return {
    query,
    withTransaction: (callback) =>
      others(settings, (client) => client.withTransaction(callback as never)),
  };
}

/** Does something alone, when its request has a connection or is given one, or jointly if that can be. */
async function inItsTurn<Result>(
  alone: () => Promise<Result>,
  jointly: (connections: Connections) => Promise<Result> | undefined,
): Promise<Result> {
  const connections = currentTurn()?.connections;
  if (connections === undefined) return await alone();
  const joint = jointly(connections);
  if (joint !== undefined) return await joint;
  const end = await connections.own();
  try {
    return await alone();
  } finally {
    end();
  }
}
