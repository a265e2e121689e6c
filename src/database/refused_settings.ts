import type { ClientBase } from "pg";
import { StartError } from "../start_error.ts";

/**
 * Refuses what was set for a database or its login and may not be overruled: that nothing is written,
 * which somebody wants, or that no trigger fires, which only a superuser may set back.
 *
 * @throws StartError that names the setting, and how to set it for this login
 */
export async function refuseSettings(client: ClientBase, address: string): Promise<void> {
  const { rows } = await client.query<{ name: string; value: string; change: string }>(refused);
  const [setting] = rows;
  if (setting === undefined) return;
  const { name, value, change } = setting;
  const effect = name === "session_replication_role" ? "no trigger fires" : "nothing is written";
  throw new StartError(
    `${name} is ${value} for the login of ${address}, so that ${effect}: Saldo cannot work so. ` +
      `Say \`${change}\`, and start again.`,
  );
}

// A standby writes nothing by itself, and need not be told so.
const refused = `
  select name, setting as value,
    pg_catalog.format('alter role %I in database %I set %s = %s', session_user, current_database(),
      name, boot_val) as change
  from pg_catalog.pg_settings
  where setting <> boot_val
  and (name = 'session_replication_role'
    or name = 'default_transaction_read_only' and not pg_catalog.pg_is_in_recovery())
  order by name`;
