/** What a session is told that the database knows: its roles, and in what zone and money books are. */
import type { Pool } from "pg";
import { DATABASE_ROLES } from "../../auth/caller.ts";
import { withRole } from "../../database/with_role.ts";

/** What holds for all sessions of a role. */
export interface SessionFacts {
  /** The role and what it has of others, as tokens name them. */
  readonly roles: readonly string[];
  readonly time_zone: string;
  readonly currency: string;
}

const KEEP_MS = 10_000;

/** Reads them, seldom; of roles that the server may take there are few. */
export function makeSessionFacts(serverPool: Pool): (role: string) => Promise<SessionFacts> {
  const known = new Map<string, { readonly facts: SessionFacts; readonly readAt: number }>();
  return async (role) => {
    const kept = known.get(role);
    if (kept !== undefined && Date.now() - kept.readAt < KEEP_MS) return kept.facts;
    // A role that somebody has composed may read nothing of this.
    const settings = { role: "saldo_operator", statement_timeout: "5s" };
    const facts = await withRole(serverPool, { settings, mode: "read only" }, async (client) => {
      const { rows } = await client.query<SessionFacts>(
        `select array(
            select name
            from unnest($1::text[]) with ordinality as each (name, place)
            where pg_has_role($2, 'saldo_' || name, 'usage')
            order by place
          ) as roles,
          (select value from saldo.setting where name = 'business_time_zone') as time_zone,
          (select value from saldo.setting where name = 'currency') as currency`,
        [Object.keys(DATABASE_ROLES), role],
      );
      return rows[0] as SessionFacts;
    });
    known.set(role, { facts, readAt: Date.now() });
    return facts;
  };
}
