import type { Pool, PoolClient } from "pg";

/** Does what only a superuser can: writes past every ordinary trigger. Undone on an error. */
export async function forced<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  login = "a superuser",
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("set local session_replication_role = replica");
    await client.query("select set_config('application_name', $1, true)", [login]);
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

/**
 * Writes as the engine does, for arranging what took place at another time: no trigger keeps it from
 * that, and the guard has nothing to record.
 */
export async function arranged(pool: Pool, statement: string, values: unknown[] = []) {
  await forced(pool, async (client) => {
    const { rows } = await client.query<{ text: string }>(
      "select format(regexp_replace($1, '\\$[0-9]+', '%L', 'g'), variadic $2::text[]) as text",
      [statement, values.length > 0 ? values.map(String) : [""]],
    );
    await client.query(`create function public.arrange(statement text) returns void
      language plpgsql security definer as 'begin execute statement; end'`);
    await client.query("alter function public.arrange(text) owner to saldo_owner");
    await client.query("select public.arrange($1)", [rows[0]?.text]);
    await client.query("drop function public.arrange(text)");
  });
}

/** A finding as tests look at it. */
export interface Finding {
  id: string;
  rule: string;
  key: string;
  account_id: string | null;
  stored: string | null;
  derived: string | null;
  difference: string | null;
  cause: string;
  explanation: string;
  evidence: Record<string, unknown>[];
  detail: Record<string, unknown>;
}

/** A result of check_balance_health with its findings. */
export interface Check {
  id: string;
  status: string;
  finished_at: Date;
  finding_count: number;
  findings: Finding[];
}

/** Runs a check and returns it with what it found. */
export const check = (pool: Pool): Promise<Check> => checkOf(pool);

/** The same, of a pool or within a transaction of a client. */
export async function checkOf(client: Pool | PoolClient): Promise<Check> {
  const run = await client.query("select * from saldo.check_balance_health()");
  return { ...run.rows[0], findings: await findingsOf(client, run.rows[0].id) };
}

/** The findings of a check, by its id. */
export async function findingsOf(client: Pool | PoolClient, id: string): Promise<Finding[]> {
  const { rows } = await client.query<Finding>(
    "select * from saldo.finding where check_run_id = $1 order by rule, key",
    [id],
  );
  return rows;
}

/** Names of the rules that the check finds broken, each once. */
export async function brokenRules(pool: Pool): Promise<string[]> {
  const { findings } = await check(pool);
  return [...new Set(findings.map(({ rule }) => rule))];
}

/** A digest of the whole journal. */
export async function journalDigest(pool: Pool | PoolClient): Promise<string> {
  const { rows } = await pool.query(
    `select md5(
      coalesce((select string_agg(e::text, '|' order by e.id) from saldo.journal_entry as e), '')
      || coalesce((select string_agg(l::text, '|' order by l.entry_id, l.line_no)
        from saldo.journal_line as l), '')
    ) as digest`,
  );
  return rows[0].digest;
}
