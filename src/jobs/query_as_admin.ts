import type { JobHelpers } from "graphile-worker";
import { withRole } from "../database/with_role.ts";

// When this process is killed PostgreSQL notices within this time, also in the middle of a
// statement or of a wait for a lock. Otherwise a dead process's heal would keep its locks to its end.
// PostgreSQL on Windows cannot check this.
const sessionQuery = `
  select pg_backend_pid() as pid, case when version() !~ 'Visual C|mingw'
    then set_config('client_connection_check_interval', '5s', false) end`;

/**
 * Runs a task's one statement as the administrator, and returns its row. When the worker has to
 * stop before the statement is through, it is cancelled: the job fails, and goes back for later.
 * Warnings of the statement go to the log. Settings hold for this statement only.
 */
export async function queryAsAdmin<Row>(
  { withPgClient, query, abortSignal, logger }: JobHelpers,
  statement: string,
  values: unknown[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<Row | undefined> {
  return await withPgClient(async (client) => {
    const session = await client.query<{ pid: number }>(sessionQuery);
    const cancel = () => {
      query("select pg_cancel_backend($1)", [session.rows[0]?.pid]).catch(() => {}); // it ended
    };
    const warn = ({ severity, message }: { severity?: string; message?: string }) => {
      if (severity === "WARNING") logger.warn(message ?? "a warning without words");
    };
    abortSignal?.addEventListener("abort", cancel, { once: true });
    client.on("notice", warn);
    try {
      return await withRole(
        client,
        { settings: { role: "saldo_admin", ...settings } },
        async () => {
          const { rows } = await client.query<object>(statement, values);
          return rows[0] as Row | undefined;
        },
      );
    } finally {
      client.off("notice", warn);
      abortSignal?.removeEventListener("abort", cancel);
    }
  });
}
