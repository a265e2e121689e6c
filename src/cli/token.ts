import type { Client } from "pg";
import { type Command, isForPrograms, textOption, UsageError, type Words } from "./command.ts";
import { printJson } from "./output.ts";

/** `saldo token`: makes, lists and revokes tokens of jobs and applications. */
export const tokenCommand: Command = {
  usage: "token --role ROLE --subject NAME [--member CODE] [--expires 90d]",
  help: [
    "Makes a service token for a job or an application, and prints it this once; --expires in hours",
    "(12h) or days (90d). --member: whose wallet it is, with --role member.",
    "token list [--json]: who has which, until when.",
    "token revoke ID REASON: servers refuse it in seconds.",
  ],
  options: {
    role: { type: "string" },
    subject: { type: "string" },
    member: { type: "string" },
    expires: { type: "string" },
    json: { type: "boolean" },
  },
  prepare(words) {
    const [what, id, reason, ...rest] = words.positionals;
    if (what === undefined) return make(words);
    requireNoOptions(words);
    if (what === "list" && id === undefined) {
      return async () => async (client) => await list(client, isForPrograms(words));
    }
    if (what === "revoke" && id !== undefined && reason !== undefined && rest.length === 0) {
      return async () => async (client) => await revoke(client, id, reason);
    }
    throw new UsageError(
      "Say token --role ROLE --subject NAME, token list, or token revoke ID REASON.",
    );
  },
};

function requireNoOptions({ values }: Words): void {
  const [first] = Object.keys(values).filter((name) => name !== "json");
  if (first !== undefined) throw new UsageError(`What is --${first} for, without making a token?`);
}

function make(words: Words) {
  const role = textOption(words, "role");
  const subject = textOption(words, "subject");
  if (role === undefined || subject === undefined) {
    throw new UsageError("A token needs --role ROLE and --subject NAME.");
  }
  const [, count, unit] =
    /^([1-9]\d{0,4})([hd])$/.exec(textOption(words, "expires") ?? "90d") ?? [];
  if (count === undefined) throw new UsageError("--expires is hours or days, as 12h or 90d.");
  const hours = Number(count) * (unit === "d" ? 24 : 1);
  const member = textOption(words, "member");
  return async () => async (client: Client) => {
    const { rows } = await client.query<{ token: string }>(
      `select saldo.create_service_token($1, $2, member_code => $3,
        expires_at => now() + make_interval(hours => $4)) as token`,
      [role, subject, member ?? null, hours],
    );
    // Alone on stdout, so that a shell takes it into a variable.
    process.stdout.write(`${rows[0]?.token}\n`);
    process.stderr.write("It is shown this once, and kept nowhere.\n");
    return 0;
  };
}

interface Listed {
  id: string;
  role: string;
  subject: string;
  member: string | null;
  made: string;
  state: string;
}

async function list(client: Client, isJson: boolean): Promise<number> {
  const { rows } = await client.query<Listed>(
    `select k.id, k.role, k.subject, m.code as member,
      format('made by %s', k.created_by) as made,
      case when k.revoked_at is not null
          then format('revoked %s by %s: %s', k.revoked_at::timestamptz(0), k.revoked_by,
            k.revoke_reason)
        when k.expires_at <= now() then format('expired %s', k.expires_at::timestamptz(0))
        else format('good until %s', k.expires_at::timestamptz(0)) end as state
    from saldo.service_token as k
    left join saldo.member as m on m.id = k.member_id
    order by k.created_at, k.id`,
  );
  if (isJson) {
    printJson(rows);
    return 0;
  }
  const lines = rows.map(({ id, role, subject, member, made, state }) => {
    const whose = member === null ? "" : ` of member ${member}`;
    return `${id}: ${role}${whose}, service:${subject}, ${made}, ${state}`;
  });
  process.stdout.write(`${[...lines, `${rows.length} tokens`].join("\n")}\n`);
  return 0;
}

async function revoke(client: Client, id: string, reason: string): Promise<number> {
  const { rows } = await client.query<{ subject: string; at: string }>(
    `select subject, revoked_at::timestamptz(0)::text as at
    from saldo.revoke_service_token($1, $2)`,
    [id, reason],
  );
  process.stdout.write(`service:${rows[0]?.subject} is revoked since ${rows[0]?.at}\n`);
  return 0;
}
