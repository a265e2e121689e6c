import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Logger, runMigrations } from "graphile-worker";
import { type Client, type DatabaseError, Pool } from "pg";
import { afterFolder, logicFolder, migrationsFolder } from "../paths.ts";
import { StartError } from "../start_error.ts";
import { afterNames, noteAfterMigrations, runAfterMigrations } from "./after_migrations.ts";
import { applyLogic } from "./apply_logic.ts";
import {
  committedNames,
  isTakenOver,
  readCurrent,
  refuseUnknown,
  runCommitted,
  runCurrent,
} from "./committed.ts";
import { explainEventTrigger } from "./event_triggers.ts";
import { locks } from "./locks.ts";
import { type Logic, readLogic } from "./logic_source.ts";
import { OwnClient } from "./own_client.ts";
import { inPatientTransaction, type Patience } from "./patience.ts";
import { refuseSettings } from "./refused_settings.ts";
import { isOwnedQuery, takeBackOwners } from "./restored.ts";
import { requirePrimary } from "./standby.ts";

const quietWorker = new Logger(() => () => {});
const versions = { min: 150_000, max: 190_000 };

/** Options of a migration. */
export interface MigrateOptions extends Partial<Patience> {
  /** Whether logic may come back that another one has replaced: see refuseReplaced. */
  mayGoBack?: boolean;
  /** Another sql/: for tests. */
  logicFolder?: string;
  /** Another migrations/after/: for tests. */
  afterFolder?: string;
}

/** What a start has changed; logic and roles are applied whenever anything is. */
export interface Done {
  /** Things that were given back to saldo_owner, as after a restore. */
  readonly ownerCount: number;
  /** Migrations and steps of data that were run, by name. */
  readonly migrations: readonly string[];
  readonly steps: readonly string[];
}

type Settled = Required<Pick<MigrateOptions, "patienceMs" | "logicFolder" | "afterFolder">> &
  MigrateOptions;

/**
 * Brings a database up to date: roles, the worker's schema, the committed migrations, the logic of
 * sql/, and the steps of data that need it. A database that is up to date costs one query. Servers
 * that start at the same time wait for each other; the second finds nothing to do. After a killed
 * start the next one goes on where that one ended. Returns what was done, and nothing when there was
 * nothing to do.
 */
export async function migrate(
  connectionString: string,
  options: MigrateOptions = {},
): Promise<Done | undefined> {
  const settled = { patienceMs: 600_000, logicFolder, afterFolder, ...options };
  const client = new OwnClient({ connectionString, application_name: "saldo migrate" });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    await refuseSettings(client, "DATABASE_URL");
    // A migration at hand is there in a checkout only; a package is not built with one.
    const logic = await readLogic(settled.logicFolder, await readCurrent());
    const standing = await standingOf(client, logic, settled);
    // Before anything is changed there: see note_cluster.
    if (standing.is_up_to_date && standing.is_moved) await noteCluster(client);
    if (standing.is_up_to_date) return undefined;
    await requireVersion(client);
    await requirePrimary(client);
    await takeMigrationLock(client, settled);
    try {
      if ((await standingOf(client, logic, settled)).is_up_to_date) return undefined;
      return await bringUpToDate(client, connectionString, logic, settled).catch(
        async (error: Error) => {
          throw await explainEventTrigger(client, error);
        },
      );
    } finally {
      await releaseMigrationLock(client);
    }
  } finally {
    await client.end();
  }
}

async function bringUpToDate(
  client: Client,
  connectionString: string,
  logic: Logic,
  options: Settled,
): Promise<Done> {
  if (!options.mayGoBack) await refuseReplaced(client, logic.hash);
  await makeRoles(client);
  const count = await takeBackOwners(client, functionNamesOf(logic));
  if (count > 0) options.log?.info("owners are put right, as after a restore", { objects: count });
  await noteDeviations(client);
  const migrations = await makeTables(client, connectionString, options);
  await runCurrent(client, options);
  const hasData = await isTakenOver(client);
  await inPatientTransaction(client, options, async () => {
    await client.query("set local role saldo_owner");
    const isFirst = await applyLogic(client, logic);
    if (isFirst && !hasData) await noteAfterMigrations(client, options.afterFolder);
  });
  await noteCluster(client);
  const steps = await runAfterMigrations(client, options, options.afterFolder);
  return { ownerCount: count, migrations, steps };
}

/** Roles of the cluster, which may be there already by the login of another database. */
async function makeRoles(client: Client): Promise<void> {
  try {
    await client.query(await readFile(`${migrationsFolder}roles.sql`, "utf8"));
  } catch (error) {
    const { code, message } = error as DatabaseError;
    if (code !== "42501") throw error;
    const { rows } = await client.query<{ login: string; exists: boolean; is_whole: boolean }>(
      `select quote_ident(session_user) as login, to_regrole('saldo_owner') is not null as exists,
        to_regrole('saldo_app') is not null as is_whole`,
    );
    const { login, exists, is_whole: isWhole } = rows[0] ?? {};
    // An older version has made some of them.
    const grants = `grant saldo_owner, saldo_admin, saldo_server, saldo_rule_reader${
      isWhole ? "" : ", saldo_operator"
    } to ${login} with admin option`;
    const remedy = [
      ...(isWhole ? [] : [`alter role ${login} createrole`]),
      ...(exists ? [grants] : []),
    ].join("; ");
    throw new StartError(
      `The login of DATABASE_URL may not do what Saldo's roles need (${message}): let a superuser ` +
        `say \`${remedy}\`, and start again.`,
    );
  }
}

/** Keeps in mind what is not as built: what migrations change is so from now on. */
async function noteDeviations(client: Client): Promise<void> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regprocedure('saldo_private.note_deviations()') is not null as exists",
  );
  if (rows[0]?.exists)
    await asRole(client, "saldo_owner", "select saldo_private.note_deviations()");
}

/** As the engine does it, and not as the owner: that would be a write past it. */
async function noteCluster(client: Client): Promise<void> {
  await asRole(client, "saldo_admin", "select saldo_private.note_cluster()");
}

async function asRole(client: Client, role: string, text: string): Promise<void> {
  await client.query("begin");
  try {
    await client.query(`set local role ${role}; ${text}`);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** Functions that the files make, within a block too. */
const functionNamesOf = ({ statements }: Logic) =>
  statements.flatMap(({ text }) =>
    [...text.matchAll(/create or replace function (saldo\w*\.\w+)\(/g)].map(
      ([, name = ""]) => name,
    ),
  );

/**
 * Roles, the worker's schema, and the committed migrations, whose names are returned; the logic may
 * need tables beyond them.
 */
export async function makeTables(
  client: Client,
  connectionString: string,
  options: Patience,
): Promise<string[]> {
  await refuseUnknown(client);
  await makeRoles(client);
  await migrateWorker(connectionString);
  await client.query("grant usage, create on schema graphile_worker to saldo_owner");
  return await runCommitted(client, options);
}

async function migrateWorker(connectionString: string): Promise<void> {
  const pgPool = new Pool({ Client: OwnClient, connectionString, max: 2 });
  // A lost connection fails the query that was under way.
  pgPool.on("error", () => {});
  pgPool.on("connect", (each) => each.on("error", () => {}));
  try {
    await runMigrations({ pgPool, logger: quietWorker });
  } finally {
    await pgPool.end();
  }
}

/**
 * Refuses a build whose logic another one has replaced here. In a rolling upgrade an old server that
 * is restarted would take the functions away that the new ones call.
 */
async function refuseReplaced(client: Client, hash: string): Promise<void> {
  const { rows: tables } = await client.query<{ exists: boolean }>(
    "select to_regclass('saldo_private.replaced_logic') is not null as exists",
  );
  if (!tables[0]?.exists) return;
  const { rows } = await client.query<{ at: string }>(
    `select to_char(replaced_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at
    from saldo_private.replaced_logic
    where hash = $1`,
    [hash],
  );
  if (rows[0] === undefined) return;
  throw new StartError(
    `Another version of Saldo has replaced the logic of this one at ${rows[0].at} UTC: start that ` +
      "one, or go back on purpose with npx saldo migrate --back.",
  );
}

interface Standing {
  readonly is_up_to_date: boolean;
  /** Whether it has come into another cluster since it was used last. */
  readonly is_moved: boolean;
}

const unknown: Standing = { is_up_to_date: false, is_moved: false };

/**
 * One query, whatever there is to know: committed migrations, logic, steps after it, and what the
 * roles may. It fails on a database without Saldo, which is an answer too.
 */
async function standingOf(client: Client, logic: Logic, options: Settled): Promise<Standing> {
  const values = [
    versions.min,
    versions.max,
    (await committedNames()).at(-1),
    logic.hash,
    await afterNames(options.afterFolder),
  ];
  try {
    const { rows } = await client.query<Standing>(standingQuery, values);
    return rows[0] ?? unknown;
  } catch (error) {
    // No such schema, table, function or role; or a login that only migrations make a member of the owner.
    if (
      ["3F000", "42P01", "42703", "42704", "42883", "42501"].includes(
        (error as DatabaseError).code ?? "",
      )
    ) {
      return unknown;
    }
    throw error;
  }
}

const standingQuery = `
  select current_setting('server_version_num')::integer between $1 and $2 - 1
    and (select max(filename) from graphile_migrate.migrations) = $3
    and (select hash from saldo_private.applied_logic) = $4
    and $5::text[] <@ array(select name from saldo_private.after_migration)
    and to_regclass('graphile_worker.migrations') is not null
    and (
      select bool_and(pg_has_role('saldo_server', role, 'member'))
      from unnest(array['saldo_admin', 'saldo_operator', 'saldo_accountant', 'saldo_auditor',
        'saldo_cashier', 'saldo_biller', 'saldo_app', 'saldo_member', 'saldo_branch',
        'saldo_anonymous']) as role
    )
    and pg_has_role('saldo_accountant', 'saldo_operator', 'usage')
    and pg_has_role('saldo_auditor', 'saldo_operator', 'usage')
    and pg_has_role('saldo_owner', 'saldo_rule_reader', 'member')
    and pg_has_role(session_user, 'saldo_owner', 'member')
    and pg_has_role(session_user, 'saldo_admin', 'member')
    and has_database_privilege('saldo_owner', current_database(), 'create')
    and has_database_privilege('saldo_rule_reader', current_database(), 'temporary')
    and ${isOwnedQuery}
    as is_up_to_date,
    not pg_is_in_recovery() and exists (
      select
      from saldo_private.row_seal_progress as p
      where p.cluster is distinct from saldo_private.current_cluster()
    ) as is_moved`;

/** Waits for another process that migrates; says so when that takes longer than a moment. */
async function takeMigrationLock(client: Client, options: Settled): Promise<void> {
  const startedAt = Date.now();
  let isAnnounced = false;
  for (;;) {
    const { rows } = await client.query("select pg_try_advisory_lock($1) as is_ours", [
      locks.migration,
    ]);
    if (rows[0].is_ours) return;
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > options.patienceMs) {
      throw new StartError(
        `Another Saldo has been migrating the database for ${Math.round(waitedMs / 1000)} s ` +
          `(${await holders(client)}): look at it, end it, and start again.`,
      );
    }
    if (waitedMs > 2000 && !isAnnounced) {
      isAnnounced = true;
      options.log?.info("waiting for another Saldo that migrates the database", {
        holder: await holders(client),
      });
    }
    await sleep(100);
  }
}

/** Unlocks explicitly, too: behind a pooler the session goes on when our connection has ended. */
async function releaseMigrationLock(client: Client): Promise<void> {
  // A session that is broken has no lock any more.
  await client.query("select pg_advisory_unlock($1)", [locks.migration]).catch(() => {});
}

async function holders(client: Client): Promise<string> {
  const { rows } = await client.query(
    `select string_agg(format('session %s from %s', l.pid,
      coalesce(host(a.client_addr), 'this machine')), ', ') as text
    from pg_locks as l
    left join pg_stat_activity as a on a.pid = l.pid
    where l.locktype = 'advisory' and l.objid = $1 and l.objsubid = 1 and l.granted
    and l.database = (select oid from pg_database where datname = current_database())`,
    [locks.migration],
  );
  return rows[0].text ?? "gone now";
}

async function requireVersion(client: Client): Promise<void> {
  const { rows } = await client.query<{ number: number; text: string }>(
    `select current_setting('server_version_num')::int as number,
      current_setting('server_version') as text`,
  );
  const version = rows[0];
  if (!version || version.number < versions.min || version.number >= versions.max) {
    throw new StartError(`Saldo needs PostgreSQL 15 to 18; this server is ${version?.text}.`);
  }
}
