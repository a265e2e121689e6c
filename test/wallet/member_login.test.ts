import { randomBytes } from "node:crypto";
import test from "ava";
import { Client } from "pg";
import { errorCode, urlOf } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

/** Logins of every kind, as people have them in psql: what they read, whom they buy for. */

const wallet = await openWallet();
const [{ name: database } = { name: "" }] = await wallet.root("select current_database() as name");
const own = await wallet.member(100_000);
const other = await wallet.member(100_000);
const product = await wallet.product(1000);

// Roles belong to the whole server, which other tests share: names of our own.
const suffix = randomBytes(4).toString("hex");
const password = randomBytes(12).toString("hex");
const made: string[] = [];

async function role(name: string, options: string): Promise<string> {
  const full = `saldo_test_${name}_${suffix}`;
  await wallet.root(`create role ${full} login password '${password}' ${options}`);
  made.push(full);
  return full;
}

test.after.always(async () => {
  for (const each of made.reverse())
    await wallet.root(`drop owned by ${each} cascade; drop role ${each}`);
  await wallet.close();
});

/** What a session of this login gets after these statements: `ok`, or SQLSTATE and so on. */
async function session(login: string, first: readonly string[], statements: readonly string[]) {
  const client = new Client({
    connectionString: urlOf(String(database), { name: login, password }),
  });
  await client.connect();
  try {
    for (const text of first) await client.query(text);
    const outcomes: string[] = [];
    for (const text of statements) {
      const code = await errorCode(
        client.query(text).then(({ rows }) => {
          if (rows.length === 0) throw Object.assign(new Error(), { code: "no row" });
        }),
      );
      outcomes.push(code === "none" ? "ok" : code);
    }
    return outcomes;
  } finally {
    await client.end();
  }
}

const buy = (member: Row, extra = "") =>
  `select from saldo.purchase_with_balance_deduction(${member.id}, ${product.id}, 1000${extra})`;
/** Reads the own and another's wallet in three ways, buys for both, and dates back. */
const tries = [
  ...[own, other].flatMap(({ id }) => [
    `select from saldo.wallet_balance(${id})`,
    `select from saldo.wallet_history(${id})`,
    `select from saldo.member where id = ${id}`,
  ]),
  buy(own),
  buy(other),
  buy(other, ", occurred_at => '2020-02-02'"),
];
const all = (value: string) => tries.map(() => value);
const nothing = [...Array(2).fill(["SB007", "SB007", "no row"]).flat(), "SB007", "SB007", "SB006"];
const ownOnly = ["ok", "ok", "ok", "SB007", "SB007", "no row", "ok", "SB007", "SB006"];
const reads = [...Array(6).fill("ok"), "42501", "42501", "42501"];

const asMember = ["set role saldo_member"];
const names = (member: Row) => [`set saldo.member_id = '${member.id}'`, "set saldo.subject = 'x'"];
const asOther = names(other);

interface Kind {
  readonly title: string;
  readonly options: string;
  readonly assigned?: Row | null;
  /** Outcomes by what the session sets first. */
  readonly cases: readonly (readonly [readonly string[], readonly string[]])[];
}

const kinds: readonly Kind[] = [
  {
    title: "a login that inherits saldo_member acts for nobody, whatever it sets",
    options: "in role saldo_member",
    cases: [
      [[], nothing],
      [asOther, nothing],
      [asMember, nothing],
      [[...asMember, ...asOther], nothing],
      [[...asOther, "set role none"], nothing],
    ],
  },
  {
    title: "a login that was given a member acts for that one, whatever it sets",
    options: "in role saldo_member",
    assigned: own,
    cases: [
      [[], ownOnly],
      [asOther, ownOnly],
      [[...asMember, ...asOther], ownOnly],
    ],
  },
  {
    title: "a login that may name its member acts for the named one",
    options: "in role saldo_member",
    assigned: null,
    cases: [
      [[], nothing],
      [names(own), ownOnly],
      [[...asMember, ...names(own)], ownOnly],
    ],
  },
  {
    title: "a login that inherits nothing has what it takes, and no more",
    options: "noinherit in role saldo_member",
    assigned: own,
    cases: [
      [[], all("42501")],
      [[...asMember, ...asOther], ownOnly],
    ],
  },
  {
    title: "the server's login is nobody until it takes a role, and acts for the member it names",
    options: "noinherit in role saldo_server",
    cases: [
      [[], all("42501")],
      [asMember, nothing],
      [[...asMember, ...names(own)], ownOnly],
      [["set role saldo_operator", ...asOther], reads],
      [["set role saldo_admin"], all("ok")],
      [["set role saldo_anonymous", ...asOther], all("42501")],
      [["set role saldo_branch", ...asOther], all("42501")],
    ],
  },
  {
    title: "an operator's login reads everybody's wallet, and buys for nobody",
    options: "in role saldo_operator",
    cases: [
      [[], reads],
      [["set role saldo_operator", ...asOther], reads],
    ],
  },
  {
    title: "an operator who is a member as well buys as the member only",
    options: "in role saldo_operator, saldo_member",
    assigned: own,
    cases: [
      [[], [...Array(6).fill("ok"), "ok", "SB007", "SB006"]],
      [asMember, ownOnly],
      [["set role saldo_operator"], reads],
    ],
  },
  {
    title: "an administrator's login acts for everybody, and as a member's when it takes that role",
    options: "in role saldo_admin, saldo_member",
    cases: [
      [[], all("ok")],
      [["set role saldo_admin", ...asOther], all("ok")],
      [[...asMember, ...asOther], nothing],
    ],
  },
  {
    title: "no other role of Saldo comes near a wallet",
    options: "in role saldo_branch, saldo_anonymous, saldo_rule_reader",
    assigned: own,
    cases: [
      [[], all("42501")],
      [["set role saldo_branch", ...asOther], all("42501")],
      [["set role saldo_anonymous"], all("42501")],
      [["set role saldo_rule_reader"], all("42501")],
    ],
  },
];

for (const [index, { title, options, assigned, cases }] of kinds.entries()) {
  test(title, async (t) => {
    const login = await role(`kind${index}`, options);
    if (assigned !== undefined) {
      await wallet.call("admin", "assign_member_login", { login, member_id: assigned?.id ?? null });
    }
    for (const [first, expected] of cases) {
      t.deepEqual(await session(login, first, tries), expected, first.join("; "));
    }
  });
}

test("an application calls what it was granted by name, for everybody", async (t) => {
  const login = await role("app", "");
  const caller = await role("caller", "");
  await wallet.root(`
    grant usage on schema saldo to ${login};
    grant execute on function saldo.wallet_balance to ${login};
    create function public.lent(id bigint) returns setof saldo.wallet_balance
    language sql security definer set search_path = pg_catalog, pg_temp
    as 'select * from saldo.wallet_balance(id)';
    alter function public.lent owner to ${login};
    grant usage on schema public to ${caller};
    grant execute on function public.lent to ${caller}`);
  t.deepEqual(await session(login, asOther, tries.slice(0, 4)), ["ok", "42501", "42501", "ok"]);
  // What lends it decides for whom.
  t.deepEqual(await session(caller, [], [`select from public.lent(${other.id})`]), ["ok"]);
});

test("a member stays one in another role, and in what a friend's function lends", async (t) => {
  const friend = await role("friend", "in role saldo_member");
  const another = await role("another", "");
  const login = await role("guest", `in role saldo_member, ${another}`);
  await wallet.call("admin", "assign_member_login", { login: friend, member_id: other.id });
  await wallet.root(`
    create function public.friendly(id bigint) returns setof saldo.wallet_balance
    language sql security definer set search_path = pg_catalog, pg_temp
    as 'select * from saldo.wallet_balance(id)';
    alter function public.friendly owner to ${friend};
    grant execute on function public.friendly to ${another}`);
  const look = [`select from public.friendly(${other.id})`];
  t.deepEqual(await session(login, [], look), ["SB007"]);
  t.deepEqual(await session(login, [`set role ${another}`], look), ["SB007"]);
});

test("only an administrator's name counts that nobody has set", async (t) => {
  const login = await role("boss", "in role saldo_admin");
  const third = await wallet.member();
  const top = `select from saldo.top_up(${third.id}, 500)`;
  t.deepEqual(await session(login, ["set saldo.subject = 'somebody else'"], [top]), ["ok"]);
  const entries = await wallet.root(
    `select e.posted_by from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where l.account_id = $1`,
    [third.account_id],
  );
  t.deepEqual(entries, [{ posted_by: login }]);
});

test("a member's login has postings announced for the own wallet only", async (t) => {
  const login = await role("watcher", "in role saldo_member");
  await wallet.call("admin", "assign_member_login", { login, member_id: own.id });
  const watch = ({ account_id: id }: Row) => `select from saldo_private.watch_account(${id})`;
  t.deepEqual(await session(login, [], [watch(own), watch(other)]), ["ok", "SB007"]);
});

test("a member is given and taken by administrators, to logins that exist", async (t) => {
  const login = await role("given", "in role saldo_member");
  const assign = (who: "admin" | "operator", name: string | null, id: unknown) =>
    errorCode(wallet.call(who, "assign_member_login", { login: name, member_id: id }));
  t.is(await assign("operator", login, own.id), "42501");
  t.is(await assign("admin", "nobody_of_this_name", own.id), "SB010");
  t.is(await assign("admin", null, own.id), "SB010");
  t.is(await assign("admin", login, 999_999), "SB304");
  t.is(await assign("admin", login, other.id), "none");
  t.is(await assign("admin", login, own.id), "none");
  const look = () => session(login, [], tries.slice(0, 1));
  t.deepEqual(await look(), ["ok"]);
  const remove = () => wallet.call("admin", "remove_member_login", { login });
  t.deepEqual(await remove(), { remove_member_login: true });
  t.deepEqual(await remove(), { remove_member_login: false });
  t.deepEqual(await look(), ["SB007"]);
});
