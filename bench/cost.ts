/** What a scenario costs beside its rate: processor time, and what it writes into the log. */
import type { Client } from "pg";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver, Scenario } from "./driver.ts";

/** One turn of a scenario: how much was done, and what that took. */
export interface Turn {
  /** Units of work in the counted seconds. */
  done: number;
  seconds: number;
  /** Seconds of processor time: of PostgreSQL with all that it does in the background. */
  postgres: number;
  /** Of the driver, so of the clients. */
  client: number;
  walBytes: number;
}

/** Runs scenarios and says what each turn took. */
export interface CostMeter {
  turn(scenario: Scenario, connections: number, seconds: number): Promise<Turn>;
}

/** How far the log is written, in bytes. */
async function logPosition(client: Client): Promise<bigint> {
  const { rows } = await client.query<{ at: string }>(
    "select (pg_current_wal_flush_lsn() - '0/0')::text as at",
  );
  return BigInt(rows[0]?.at ?? 0);
}

/** A meter for the server that `client` is connected to; without processor time where it is elsewhere. */
export async function costMeter(client: Client, driver: Driver): Promise<CostMeter> {
  const clock = await cpuClock(client);
  return {
    async turn(scenario, connections, seconds) {
      let pid = 0;
      const read = () => ({ cpu: readClock(clock, pid), log: logPosition(client) });
      const readings: ReturnType<typeof read>[] = [];
      const perSecond = await driver.run(scenario, connections, seconds, {
        begin(driverPid) {
          pid = driverPid;
          readings.push(read());
        },
        end: () => readings.push(read()),
      });
      const [before, after] = readings;
      if (before === undefined || after === undefined) {
        throw new Error(`The driver did not tell the counted seconds of "${scenario.name}".`);
      }
      return {
        done: perSecond * seconds,
        seconds,
        postgres: after.cpu.postgres - before.cpu.postgres,
        client: after.cpu.client - before.cpu.client,
        walBytes: Number((await after.log) - (await before.log)),
      };
    },
  };
}

function readClock(clock: CpuClock | undefined, pid: number) {
  return {
    postgres: clock?.ofPostgres() ?? Number.NaN,
    client: clock?.ofProcess(pid) ?? Number.NaN,
  };
}

/**
 * How many entries one call makes in indexes, from the log itself; undefined where the server does
 * not let us read it.
 */
export async function indexEntries(
  client: Client,
  scenario: Scenario,
): Promise<number | undefined> {
  const extension = "pg_walinspect";
  const { rows: found } = await client.query(
    "select from pg_available_extensions where name = $1 and pg_has_role('pg_read_server_files', 'usage')",
    [extension],
  );
  if (found.length === 0) return undefined;
  await client.query(`create extension if not exists ${extension}`);
  const calls = 50;
  const from = await logPosition(client);
  for (let call = 0; call < calls; call += 1) await client.query(drawn(scenario, call));
  const { rows } = await client.query<{ entries: string }>(
    `select coalesce(sum(count), 0) as entries
    from pg_get_wal_stats('0/0'::pg_lsn + $1, '0/0'::pg_lsn + $2, true)
    where "resource_manager/record_type" ~ '^Btree/(INSERT_LEAF|INSERT_POST|SPLIT)'`,
    [from, await logPosition(client)],
  );
  return Number(rows[0]?.entries) / (calls * scenario.unitsPerCall);
}

/** The statement with values of the `call`-th draw; each call has others. */
function drawn(scenario: Scenario, call: number): string {
  return Object.entries(scenario.variables).reduce(
    (sql, [name, [from, to]]) =>
      sql.replaceAll(new RegExp(`(?<!:):${name}\\b`, "g"), `${from + (call % (to - from + 1))}`),
    scenario.sql,
  );
}
