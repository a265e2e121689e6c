import type { Client, DatabaseError } from "pg";
import { StartError } from "../start_error.ts";

interface EventTrigger {
  name: string;
  /** With its schema, quoted where need be. */
  function_name: string;
  /** As a stack of PL/pgSQL writes it: with the schema only where the path has it not. */
  plain_name: string;
}

/**
 * What a start says when the event trigger of another application has ended it: its error is about
 * that application's things, of which nobody can see where they come in. Any other error is given
 * back as it is.
 */
export async function explainEventTrigger(client: Client, error: Error): Promise<Error> {
  const { where, message, code } = (error.cause ?? error) as Partial<DatabaseError>;
  if (where === undefined) return error;
  const { rows } = await client.query<EventTrigger>(enabled).catch(() => ({ rows: [] }));
  const calls = where.split("\n").map((line) => /function (.+?)\(/.exec(line)?.[1]);
  const trigger = rows.find(({ function_name, plain_name }) =>
    calls.some((call) => call === function_name || call === plain_name),
  );
  if (trigger === undefined) return error;
  const remedy =
    code === "42501"
      ? "It lacks a right as saldo_owner, who makes Saldo's tables and functions: make it " +
        "security definer, or grant that right; or say"
      : "Let it pass what saldo_owner does, or say";
  const { name, function_name } = trigger;
  return new StartError(
    `The event trigger ${name} of another application ended the start. Its function ` +
      `${function_name}() says: ${message}. ${remedy} \`alter event trigger ${name} disable\` ` +
      `for the time of the start and \`alter event trigger ${name} enable\` after it. ` +
      "The next start goes on where this one ended.",
    { cause: error },
  );
}

const enabled = `
  select pg_catalog.quote_ident(t.evtname) as name,
    pg_catalog.format('%I.%I', n.nspname, p.proname) as function_name,
    pg_catalog.quote_ident(p.proname) as plain_name
  from pg_catalog.pg_event_trigger as t
  join pg_catalog.pg_proc as p on p.oid = t.evtfoid
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where t.evtenabled <> 'D'
  order by t.evtname`;
