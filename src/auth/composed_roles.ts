/** Roles that somebody has composed of Saldo's, and lets the server take. */
import type { Pool } from "pg";
import { DATABASE_ROLES } from "./caller.ts";

/**
 * Their names as tokens have them, without saldo_. Only what is granted to saldo_server counts, and
 * nothing that may log in or become the owner.
 */
export async function readComposedRoles(serverPool: Pool): Promise<ReadonlySet<string>> {
  const { rows } = await serverPool.query<{ name: string }>(
    `select substring(r.rolname from '^saldo_([a-z][a-z_]{0,40})$') as name
    from pg_catalog.pg_auth_members as m
    join pg_catalog.pg_roles as r on r.oid = m.roleid
    where m.member = 'saldo_server'::regrole
    and r.rolname ~ '^saldo_[a-z][a-z_]{0,40}$'
    and r.rolname <> 'saldo_anonymous'
    and not r.rolcanlogin
    and not r.rolsuper
    and not pg_has_role(r.oid, 'saldo_owner', 'member')`,
  );
  const names = rows.map(({ name }) => name);
  return new Set(names.filter((name) => !Object.hasOwn(DATABASE_ROLES, name)));
}
