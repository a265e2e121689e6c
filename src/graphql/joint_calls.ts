/**
 * Carries out together what several callers ask at the same moment. Nothing is waited for but a
 * connection: the first call asks for one, and whatever has come until it is had goes in one
 * statement. Who is the only one to call goes at once, and alone as it always did.
 */
import { setImmediate } from "node:timers/promises";
import type { Pool } from "pg";
import { statementName } from "../database/statement_name.ts";
import { callWithRole, isUndone, type RoleSettings } from "../database/with_role.ts";
import type { JointCall } from "./joint_call.ts";
import type { Connections } from "./turn.ts";

/** Rows of an answer, each an array of its columns. */
export type Rows = readonly unknown[][];

/** One of those that wait. */
interface Waiting {
  readonly call: JointCall;
  readonly connections: Connections;
  /** The same, carried out by itself. */
  alone(): Promise<Rows>;
  done(rows: Rows): void;
  refuse(error: unknown): void;
}

interface Group {
  readonly waiting: Waiting[];
  isAsking: boolean;
}

const CALL_COUNT_MAX = 128;

// What somebody holds for long is for those to wait for who want it, not for all beside them.
const LOCK_TIMEOUT = "500ms";

/** Joins calls over one pool. */
export interface JointCalls {
  /** The rows that the call's own statement would have answered. */
  join(call: JointCall, connections: Connections, alone: () => Promise<Rows>): Promise<Rows>;
}

/** The calls of a pool. */
export function makeJointCalls(pool: Pool): JointCalls {
  const groups = new Map<string, Group>();
  let runningCount = 0;
  /** Whether the last statement was of several calls. */
  let wereSeveral = false;

  async function ask(name: string, group: Group): Promise<void> {
    const [first] = group.waiting;
    if (first === undefined) return;
    group.isAsking = true;
    let end: () => void;
    try {
      end = await first.connections.joint();
    } catch (error) {
      groups.delete(name);
      for (const each of group.waiting) each.refuse(error);
      return;
    }
    // Where others are about, what they have sent already is read first. Otherwise the first call that is
    // read goes alone, which costs as much as four more in a statement.
    if (runningCount > 0 || wereSeveral) await setImmediate();
    group.isAsking = false;
    const calls = group.waiting.splice(0, CALL_COUNT_MAX);
    wereSeveral = calls.length > 1;
    if (group.waiting.length > 0) void ask(name, group);
    else groups.delete(name);
    let left: readonly Waiting[] = [];
    runningCount += 1;
    try {
      left = await carryOut(calls);
    } finally {
      runningCount -= 1;
      end();
    }
    for (const each of left) void byItself(each, () => each.connections.own());
  }

  /** Carries out calls; those that are left over are for a statement of their own each. */
  async function carryOut(calls: readonly Waiting[]): Promise<readonly Waiting[]> {
    const [first, ...more] = calls;
    if (first === undefined) return [];
    if (more.length === 0) {
      await byItself(first, async () => () => {});
      return [];
    }
    try {
      const made = await together(pool, calls);
      for (const [place, row] of made) calls[place - 1]?.done([row]);
      return calls.filter((_, index) => !made.has(index + 1));
    } catch (error) {
      // What the database refused is not there. Of what was cut off nobody knows.
      if (isUndone(error)) return calls;
      for (const each of calls) each.refuse(error);
      return [];
    }
  }

  return {
    join: (call, connections, alone) =>
      new Promise((done, refuse) => {
        const group = groups.get(call.group) ?? { waiting: [], isAsking: false };
        groups.set(call.group, group);
        group.waiting.push({ call, connections, alone, done, refuse });
        if (!group.isAsking) void ask(call.group, group);
      }),
  };
}

async function byItself(waiting: Waiting, connect: () => Promise<() => void>): Promise<void> {
  try {
    const end = await connect();
    try {
      waiting.done(await waiting.alone());
    } finally {
      end();
    }
  } catch (error) {
    waiting.refuse(error);
  }
}

/** The rows of those that were carried out, by their places. */
async function together(pool: Pool, calls: readonly Waiting[]): Promise<Map<number, unknown[]>> {
  const [first] = calls;
  const { together: text = "", values = [], timeout = "0" } = first?.call ?? {};
  const settings: RoleSettings = {
    role: "saldo_server",
    statement_timeout: timeout,
    lock_timeout: LOCK_TIMEOUT,
    jit_optimize_above_cost: "-1",
  };
  const { rows } = await callWithRole<unknown[]>(
    pool,
    { settings },
    {
      text,
      values: [JSON.stringify(calls.map(({ call }) => call.row)), ...values],
      name: statementName(text),
      rowMode: "array",
    },
  );
  return new Map(rows.map(([place, ...row]) => [Number(place), row]));
}
