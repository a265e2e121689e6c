import test from "ava";
import {
  asAdmin,
  asMember,
  asOperator,
  asPerson,
  errorCode,
  openTestDatabase,
} from "../_support/database.ts";

const { pool, close } = await openTestDatabase(8);
await pool.query(`
  select saldo.open_account('till', 'Till', 'asset', min_balance => 0);
  select saldo.open_account('owner', 'Owner', 'equity');
  select saldo.transfer(1, 2, 1000)`);
test.after.always(close);

type Row = Record<string, unknown>;
const entry = (amount: string, extra: object = {}) => ({
  description: "Rent",
  lines: [
    { account_code: "till", debit: amount },
    { account_code: "owner", credit: amount },
  ],
  ...extra,
});
const call = (text: string, ...values: unknown[]): Promise<Row> =>
  asAdmin(pool, async (client) => {
    const given = values.map((each) => (typeof each === "object" ? JSON.stringify(each) : each));
    return (await client.query(`select * from saldo.${text}`, given)).rows[0];
  });
const make = (content: object) => call("make_draft($1)", content);
const post = (id: unknown) => call("post_draft($1)", id);
const state = async () =>
  (
    await pool.query(
      `select (select balance::text from saldo.account where code = 'till') as till,
        (select count(*)::int from saldo.journal_entry) as entries`,
    )
  ).rows[0];

test.serial("a draft moves no balance until it is posted, and is posted once", async (t) => {
  const before = await state();
  const draft = await make(entry("5"));
  t.like(draft, { status: "open", version: 1, description: "Rent" });
  const edited = await call("edit_draft($1, $2, 1)", draft["id"], entry("7.50"));
  t.is(edited["version"], 2);
  t.is(await errorCode(call("edit_draft($1, $2, 1)", draft["id"], entry("9"))), "SB682");
  t.is(await errorCode(call("post_draft($1, 1)", draft["id"])), "SB682");
  t.deepEqual(await state(), before);

  const posted = await Promise.all(Array.from({ length: 6 }, () => post(draft["id"])));
  t.is(new Set(posted.map(({ id }) => id)).size, 1);
  t.deepEqual(await state(), { till: "1007.5", entries: before.entries + 1 });
  t.like(await call("post_draft($1, 1)", draft["id"]), { id: posted[0]?.["id"], status: "posted" });

  for (const change of [
    call("edit_draft($1, $2)", draft["id"], entry("1")),
    call("discard_draft($1, 'no')", draft["id"]),
    pool.query("update saldo.entry_draft set description = 'x' where status = 'posted'"),
    pool.query("delete from saldo.entry_draft"),
  ]) {
    t.is(await errorCode(change), "SB681");
  }
  t.deepEqual(await state(), { till: "1007.5", entries: before.entries + 1 });
});

test.serial(
  "a draft is posted by the rules of its day, and one that cannot be stays open",
  async (t) => {
    await pool.query("select saldo.close_period('2026-01-01')");
    const late = await make(entry("3", { occurred_at: "2026-01-20T12:00:00Z" }));
    const { rows } = await pool.query(
      `select posting_date::text as day, origin_month::text as origin
    from saldo.post_draft($1)`,
      [late["id"]],
    );
    t.deepEqual(rows, [{ day: "2026-02-01", origin: "2026-01-01" }]);

    const lopsided = await make(
      entry("3", { lines: [entry("3").lines[0], { account_code: "owner", credit: "4" }] }),
    );
    t.is(await errorCode(post(lopsided["id"])), "SB103");
    await call("edit_draft($1, $2)", lopsided["id"], entry("1"));
    t.is((await post(lopsided["id"]))["status"], "posted");
  },
);

test.serial("no entry of a colleague takes the place of a draft's", async (t) => {
  const draft = await make(entry("5"));
  for (const content of [entry("6"), entry("5")]) {
    const taken = { ...content, idempotency_key: `draft:${draft["id"]}` };
    await errorCode(call("post_entries($1)", [taken]));
  }
  const before = await state();
  t.like(await post(draft["id"]), { status: "posted", description: "Rent" });
  t.is((await state()).entries, before.entries + 1);
});

test.serial("above a setting an entry of an accountant is for two", async (t) => {
  const as = (person: string, text: string, values: unknown[], role = "saldo_accountant") =>
    asPerson(pool, role, person, async (client) => (await client.query<Row>(text, values)).rows);
  const codeAs = (person: string, text: string, values: unknown[], role?: string) =>
    errorCode(as(person, text, values, role));
  await pool.query("select saldo.set_setting('entry_alone_amount', '1000')");
  const transfer = "select id from saldo.transfer(1, 2, $1, idempotency_key => $2)";
  const postAll = "select id from saldo.post_entries($1)";
  const before = await state();
  t.is(await codeAs("anna", transfer, ["1000.01", null]), "SB662");
  t.is(await codeAs("anna", postAll, [JSON.stringify([entry("600"), entry("401")])]), "SB662");
  const many = `select saldo.transfer_many(array(select jsonb_populate_record(
    null::saldo.transfer_request, '{"debit_account_id": 1, "credit_account_id": 2, "amount": 501}')
    from generate_series(1, 2)))`;
  t.is(await codeAs("anna", many, []), "SB662");
  t.deepEqual(await state(), before);

  // In parts neither; a retry counts once; another one has a day of the own, an application none.
  const [first] = await as("anna", transfer, ["600", "a-1"]);
  await as("anna", transfer, ["600", "a-1"]);
  t.is(await codeAs("anna", transfer, ["401", null]), "SB662");
  const reverse = "select id from saldo.reverse_entry($1, 'wrong')";
  t.is(await codeAs("anna", reverse, [first?.["id"]]), "SB662");
  await as("budi", reverse, [first?.["id"]]);
  await as("app", transfer, ["90000", null], "saldo_admin");

  const makeAs = "select id from saldo.make_draft($1)";
  const postAs = "select status::text from saldo.post_draft($1)";
  const [draft] = await as("anna", makeAs, [JSON.stringify(entry("5000"))]);
  t.is(await codeAs("anna", postAs, [draft?.["id"]]), "SB662");
  t.is(await codeAs("service:night", postAs, [draft?.["id"]]), "SB662");
  // Who has changed it has written it, even if somebody changed it after that.
  await as("budi", "select saldo.edit_draft($1, $2)", [
    draft?.["id"],
    JSON.stringify(entry("9000")),
  ]);
  await as("anna", "select saldo.edit_draft($1, $2)", [
    draft?.["id"],
    JSON.stringify(entry("8000")),
  ]);
  t.is(await codeAs("budi", postAs, [draft?.["id"]]), "SB662");
  t.deepEqual(await as("citra", postAs, [draft?.["id"]]), [{ status: "posted" }]);
  t.is(await codeAs("citra", transfer, ["1000", null]), "none", "what two did counts for neither");
});

test.serial("a discarded draft stays, with its reason, and is never posted", async (t) => {
  const draft = await make(entry("5"));
  t.is(await errorCode(call("discard_draft($1, ' ')", draft["id"])), "SB009");
  const gone = await call("discard_draft($1, 'entered twice')", draft["id"]);
  t.like(gone, { status: "discarded", reason: "entered twice" });
  t.deepEqual(await call("discard_draft($1, 'again')", draft["id"]), gone);
  t.is(await errorCode(post(draft["id"])), "SB681");
});

test.serial("the same draft again is the same draft, and another content is refused", async (t) => {
  const id = "0193a000-0000-7000-8000-000000000001";
  const first = await call("make_draft($1, $2)", entry("5"), id);
  t.deepEqual(await call("make_draft($1, $2)", entry("5"), id), first);
  t.is(await errorCode(call("make_draft($1, $2)", entry("6"), id)), "SB005");
  t.is(await errorCode(post("0193a000-0000-7000-8000-000000000002")), "SB680");
  const vague = await make(entry("5", { occurred_at: "yesterday" }));
  t.regex((vague["content"] as { occurred_at: string }).occurred_at, /^\d{4}-\d\d-\d\dT.*Z$/);
  const bad = [
    ["SB010", { ...entry("5"), idempotency_key: "k" }],
    ["SB010", { ...entry("5"), kind: "reversal" }],
    ["SB010", { ...entry("5"), occurred_at: "once" }],
    ["SB107", { ...entry("5"), lines: [] }],
    ["SB009", { ...entry("5"), description: "" }],
    ["SB009", { ...entry("5"), metadata: { text: "x".repeat(1_000_000) } }],
  ] as const;
  for (const [code, content] of bad) t.is(await errorCode(make(content)), code);
});

test.serial("open drafts are an item of the checklist of their month", async (t) => {
  const drafts = async (month: string) =>
    (
      await pool.query(
        "select open_count::int from saldo.period_checklist($1) where item = 'drafts'",
        [month],
      )
    ).rows[0].open_count;
  const before = await drafts("2026-03-01");
  await make(entry("5", { occurred_at: "2026-03-31T16:59:00Z" }));
  await make(entry("5", { occurred_at: "2026-03-31T17:00:00Z" }));
  t.is((await drafts("2026-03-01")) - before, 1, "the second is of April in Jakarta");
});

test.serial(
  "staff reads drafts, and nobody else does or writes one past the engine unseen",
  async (t) => {
    const count = "select count(*)::int as count from saldo.entry_draft";
    const seen = await asOperator(pool, (client) => client.query(count));
    t.true(seen.rows[0].count > 3);
    t.is(await errorCode(asMember(pool, 1, (client) => client.query(count))), "42501");
    const makes = asOperator(pool, (client) =>
      client.query("select saldo.make_draft($1)", [JSON.stringify(entry("1"))]),
    );
    t.is(await errorCode(makes), "42501");
    const posted = await asPerson(pool, "saldo_accountant", "ayu", async (client) => {
      const { rows } = await client.query("select id from saldo.make_draft($1)", [
        JSON.stringify(entry("1")),
      ]);
      return await client.query("select posted_by from saldo.post_draft($1)", [rows[0].id]);
    });
    t.is(posted.rows[0].posted_by, "ayu");
    await pool.query("update saldo.entry_draft set changed_by = 'x' where status = 'open'");
    const { rows } = await pool.query(
      "select count(*)::int as count from saldo.guard_event where table_name = 'entry_draft'",
    );
    t.true(rows[0].count > 0);
  },
);
