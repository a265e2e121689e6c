import test from "ava";
import { asPerson, errorCode } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";
import { openWallet, type Row } from "../wallet/_wallet.ts";

const wallet = await openWallet();
const { pool } = wallet;
test.after.always(() => wallet.close());

/** Runs a statement as a person, an administrator unless said otherwise; its rows. */
const as = (person: string, text: string, values: unknown[] = [], role = "saldo_admin") =>
  asPerson(pool, role, person, async (client) => (await client.query<Row>(text, values)).rows);
const codeAs = (person: string, text: string, values: unknown[] = [], role?: string) =>
  errorCode(as(person, text, values, role));

const approve = "select * from saldo.approve_decision($1, 'I have looked')";
const adjust = "select * from saldo.adjust_balance($1, $2, 'x')";
const propose = "select * from saldo.propose_adjustment($1, $2, 'counted by hand')";

const openAlerts = async (condition: string) =>
  (
    await wallet.root(
      `select key, text from saldo.alert
      where condition = $1 and resolved_at is null order by text`,
      [condition],
    )
  ).map(({ key, text }) => ({ key: String(key), text: String(text) }));

test.serial(
  "one administrator does not adjust a wallet to a fortune, in parts neither",
  async (t) => {
    const member = await wallet.member(1000);
    t.is(await codeAs("anna", adjust, [member.account_id, 99_999_999_999]), "SB662");
    await as("anna", adjust, [member.account_id, 6_001_000]);
    t.is(await codeAs("anna", adjust, [member.account_id, 11_001_000]), "SB662");
    t.is((await wallet.balance(member)).balance, "6001000");
    const decisions = await wallet.root(
      `select action, amount, reason, is_alone, status::text, proposed_by, before
    from saldo.decision where account_id = $1`,
      [member.account_id],
    );
    t.deepEqual(decisions, [
      {
        action: "adjust_balance",
        amount: "6000000",
        reason: "x",
        is_alone: true,
        status: "approved",
        proposed_by: "anna",
        before: { balance: 1000 },
      },
    ]);
  },
);

test.serial("service tokens make no second person, and no second allowance", async (t) => {
  const member = await wallet.member(1000);
  const make = "select saldo.create_service_token('admin', $1)";
  for (const subject of ["night 1", "night 2"]) await as("dewi", make, [subject]);
  t.is(await codeAs("service:night 1", make, ["night 3"]), "SB006");
  await as("service:night 1", adjust, [member.account_id, 9_001_000]);
  for (const person of ["service:night 1", "service:night 2", "dewi"]) {
    t.is(await codeAs(person, adjust, [member.account_id, 12_001_000]), "SB662", person);
  }
  const [proposal] = await as("service:night 2", propose, [member.account_id, 99_000_000]);
  t.is(await codeAs("dewi", approve, [proposal?.["id"]]), "SB621");
  t.is(await codeAs("Dewi", approve, [proposal?.["id"]]), "SB621");
  t.is(
    await codeAs("anna", "select saldo.reject_decision($1, 'a test')", [proposal?.["id"]]),
    "none",
  );
});

test.serial(
  "another administrator approves an adjustment, against the balance that was seen",
  async (t) => {
    const member = await wallet.member(1000);
    const target = 50_000_000;
    const [proposal] = await as("anna", propose, [member.account_id, target]);
    const id = proposal?.["id"];
    t.like(proposal, { status: "proposed", amount: "49999000", is_alone: false, decided_by: null });
    t.is((await wallet.balance(member)).balance, "1000");
    t.is(await codeAs("anna", approve, [id]), "SB621");
    t.is(await codeAs("service:nightly", approve, [id]), "SB621");
    t.is(await codeAs("budi", approve, [id], "saldo_operator"), "42501");
    t.is(await codeAs("budi", approve, [id], "saldo_accountant"), "42501");

    await wallet.call("admin", "top_up", { member_id: member.id, amount: 1 });
    t.is(await codeAs("budi", approve, [id]), "SB622", "it is not the balance that was seen");
    t.is((await wallet.balance(member)).balance, "1001");

    const [again] = await as("anna", propose, [member.account_id, target]);
    t.is(await codeAs("budi", approve, [id]), "SB620", "the later one is meant");
    const [done] = await as("budi", approve, [again?.["id"]]);
    t.like(done, { status: "approved", proposed_by: "anna", decided_by: "budi" });
    t.is((await wallet.balance(member)).balance, String(target));
    t.is(await codeAs("citra", approve, [again?.["id"]]), "SB620");
    const [entry] = await wallet.root(
      `select b.adjusted_by, b.reason, e.posted_by
    from saldo.balance_adjustment as b join saldo.journal_entry as e on e.id = b.entry_id
    where b.account_id = $1`,
      [member.account_id],
    );
    t.deepEqual(entry, { adjusted_by: "budi", reason: "counted by hand", posted_by: "budi" });
    t.deepEqual(await brokenRules(pool), []);
  },
);

test.serial("two who approve at once do it once, and what is rejected is not done", async (t) => {
  const member = await wallet.member(1);
  const [proposal] = await as("anna", propose, [member.account_id, 20_000_001]);
  const codes = await Promise.all(
    ["budi", "citra"].map((person) => codeAs(person, approve, [proposal?.["id"]])),
  );
  t.deepEqual(codes.sort(), ["SB620", "none"]);
  t.is((await wallet.balance(member)).balance, "20000001");

  // An accountant may propose more than an accountant may do.
  const [large] = await as("dewi", propose, [member.account_id, 1], "saldo_accountant");
  const reject = "select * from saldo.reject_decision($1, 'no')";
  t.like((await as("anna", reject, [large?.["id"]]))[0], { status: "rejected" });
  t.is(await codeAs("budi", approve, [large?.["id"]]), "SB620");
  t.is(await codeAs("budi", approve, ["00000000-0000-4000-8000-000000000000"]), "SB007");
  t.is(await codeAs("budi", approve, [null]), "SB007");
});

test.serial(
  "a frozen account with much on it is released by two, while it is as it was seen",
  async (t) => {
    const member = await wallet.member(20_000_000);
    const freeze = "select saldo.freeze_account($1, 'doubt')";
    const release = "select saldo.unfreeze_account($1, 'no doubt')";
    await as("anna", freeze, [member.account_id]);
    t.is(await codeAs("anna", release, [member.account_id]), "SB662");
    const propose = "select * from saldo.propose_unfreeze($1, 'no doubt')";
    const [stale] = await as("anna", propose, [member.account_id]);
    await wallet.root("update saldo.account set frozen_at = null where id = $1", [
      member.account_id,
    ]);
    t.is(await codeAs("budi", approve, [stale?.["id"]]), "SB122");
    await wallet.root("update saldo.account set frozen_at = now() where id = $1", [
      member.account_id,
    ]);
    const [done] = await as("budi", approve, [stale?.["id"]]);
    t.like(done, { action: "unfreeze_account", amount: "20000000", decided_by: "budi" });
    // Frozen again it is another freeze, which that proposal was not about.
    await as("anna", freeze, [member.account_id]);
    const [earlier] = await as("anna", propose, [member.account_id]);
    await wallet.root(
      `update saldo.decision set before = before || '{"freeze_id": "gone"}' where id = $1`,
      [earlier?.["id"]],
    );
    t.is(await codeAs("budi", approve, [earlier?.["id"]]), "SB622");
    const small = await wallet.member(5);
    await as("anna", freeze, [small.account_id]);
    await as("anna", release, [small.account_id]);
  },
);

test.serial("limits are raised a little alone, and further by two", async (t) => {
  const raise = "select saldo.set_setting($1, $2)";
  t.is(await codeAs("anna", raise, ["raise_alone_percent", "101"]), "SB662");
  t.is(await codeAs("anna", raise, ["heal_share_free_count", "100000000"]), "SB662");
  const set = "select value from saldo.set_setting($1, $2)";
  t.is(await codeAs("anna", set, ["refund_max_amount", "20000001"]), "SB662");
  await as("anna", set, ["refund_max_amount", "20000000"]);
  // Step by step is no way around: 30 days ago it was 10,000,000.
  t.is(await codeAs("anna", set, ["refund_max_amount", "20000001"]), "SB662");
  t.is(await codeAs("anna", set, ["raise_alone_percent", "201"]), "SB662");
  t.is(await codeAs("anna", set, ["adjust_alone_amount", "999999999999"]), "SB662");
  t.is(await codeAs("anna", set, ["adjust_alone_amount", "-1"]), "SB010");
  await as("anna", set, ["heal_run_max_count", "1"]);
  await as("anna", set, ["heal_run_max_count", "1000"]);
  await as("anna", set, ["alert_keep_days", "3650"]);

  const [proposal] = await as(
    "anna",
    "select * from saldo.propose_setting('refund_max_amount', '90000000', 'a large shop')",
  );
  await as("anna", set, ["refund_max_amount", "15000000"]);
  t.is(await codeAs("budi", approve, [proposal?.["id"]]), "SB622");
  await as("anna", set, ["refund_max_amount", "20000000"]);
  await as("budi", approve, [proposal?.["id"]]);
  const [setting] = await wallet.root(
    "select value from saldo.setting where name = 'refund_max_amount'",
  );
  t.is(setting?.["value"], "90000000");

  const policy = "select saldo.set_heal_policy('account_balance', max_amount => $1)";
  t.is(await codeAs("anna", policy, [20_000_001]), "SB662");
  await as("anna", policy, [5]);
  t.is(await codeAs("anna", policy, [11]), "SB662");
  await as("anna", policy, [10]);
  t.is(await codeAs("anna", policy, [11]), "SB662", "step by step is no way around here either");
  await as("anna", policy, [5]);
  await as("anna", policy, [9]);
  t.is(await codeAs("anna", policy, [18]), "SB662");
  const [limits] = await as(
    "anna",
    "select * from saldo.propose_heal_policy('account_balance', 'x', max_amount => 99999999)",
  );
  await as("budi", approve, [limits?.["id"]]);
  const [set_] = await wallet.root("select max_amount, set_by from saldo.heal_policy");
  t.deepEqual(set_, { max_amount: "99999999", set_by: "budi" });
  await as("anna", policy, [199_999_998]);
  t.is(await codeAs("anna", policy, [199_999_999]), "SB662", "from what two have said on");
});

test.serial("the time zone, and alerts that go nowhere, are set by two", async (t) => {
  const set = "select value from saldo.set_setting($1, $2)";
  await as("anna", set, ["alert_channels", "webhook"]);
  await as("anna", set, ["alert_channels", "webhook,email"]);
  t.is(await codeAs("anna", set, ["alert_channels", "email"]), "SB662");
  t.is(await codeAs("anna", set, ["alert_channels", ""]), "SB662");
  t.is(await codeAs("anna", set, ["business_time_zone", "UTC"]), "SB662");
  await as("anna", set, ["business_time_zone", "Asia/Jakarta"]);
  const [proposal] = await as(
    "anna",
    "select * from saldo.propose_setting('alert_channels', '', 'no mail any more')",
  );
  await as("budi", approve, [proposal?.["id"]]);
  const value = "select value from saldo.setting where name = 'alert_channels'";
  t.deepEqual(await wallet.root(value), [{ value: "" }]);
  // As a server does when it starts.
  await wallet.root("select saldo.set_setting('business_time_zone', 'Asia/Tokyo')");
  await wallet.root("select saldo.set_setting('business_time_zone', 'Asia/Jakarta')");
});

test.serial(
  "a month with much open is closed by two, with what was open when it was proposed",
  async (t) => {
    await wallet.root(
      `insert into saldo.journal_entry (id, status, occurred_at, posting_date, description,
      line_count, draft_lines)
    select gen_random_uuid(), 'draft', '2020-01-20', '2020-01-20', 'unfinished', 2, '[]'
    from generate_series(1, 11)`,
    );
    const close = "select saldo.close_period('2020-01-01', array['drafts', 'rules'], 'agreed')";
    t.is(await codeAs("anna", close), "SB662");
    const proposeClosing =
      "select * from saldo.propose_closing('2020-01-01', array['drafts', 'rules'], 'agreed')";
    const [stale] = await as("anna", proposeClosing);
    await wallet.root(
      `insert into saldo.journal_entry (id, status, occurred_at, posting_date, description,
      line_count, draft_lines)
    values (gen_random_uuid(), 'draft', '2020-01-21', '2020-01-21', 'unfinished', 2, '[]')`,
    );
    t.is(await codeAs("budi", approve, [stale?.["id"]]), "SB622");
    const [other] = await as("dewi", proposeClosing, [], "saldo_accountant");
    // As many, and another one among them: the last, which the evidence does not show.
    await wallet.root(
      `update saldo.journal_entry set posting_date = '2020-01-22'
      where id = (select id from saldo.journal_entry where status = 'draft' order by id desc limit 1)`,
    );
    t.is(await codeAs("budi", approve, [other?.["id"]]), "SB622");
    const [proposal] = await as("dewi", proposeClosing, [], "saldo_accountant");
    await as("budi", approve, [proposal?.["id"]]);
    const [period] = await wallet.root(
      "select status::text, closed_by from saldo.period where starts_on = '2020-01-01'",
    );
    t.deepEqual(period, { status: "closed", closed_by: "budi" });
    t.is(await codeAs("anna", proposeClosing), "SB109");
  },
);

test.serial(
  "each decision and each proposal is told, until somebody else has seen it",
  async (t) => {
    const member = await wallet.member(1);
    await as("gita", adjust, [member.account_id, 2]);
    const [waiting] = await as("gita", propose, [member.account_id, 30_000_000]);
    await wallet.root("select saldo.evaluate_alerts()");
    const made = await openAlerts("decision_made");
    const mine = made.find(({ text }) => text.startsWith("gita alone: adjust_balance"));
    t.regex(mine?.text ?? "", /\(1 IDR\) because: x$/);
    // All that the tests before have done, small or large, alone or by two.
    const [done] = await wallet.root(
      "select count(*) from saldo.decision where status = 'approved'",
    );
    t.is(made.length, Number(done?.["count"]));
    t.true(made.some(({ text }) => text.startsWith("budi and dewi: close_period")));
    t.deepEqual(
      (await openAlerts("decision_waits")).filter(({ key }) => key === waiting?.["id"]).length,
      1,
    );

    const acknowledge = `select saldo.acknowledge_alert(id, 'seen') from saldo.alert
    where condition = 'decision_made' and key = $1`;
    const isTold = async () => {
      await wallet.root("select saldo.evaluate_alerts()");
      return (await openAlerts("decision_made")).some(({ key }) => key === mine?.key);
    };
    await as("gita", acknowledge, [mine?.key]);
    t.true(await isTold(), "by whom it was done");
    const acknowledgedBy = "update saldo.alert set acknowledged_by = $2 where key = $1";
    await wallet.root(acknowledgedBy, [mine?.key, "service:of gita"]);
    t.true(await isTold(), "by a token, whoever made it");
    await wallet.root(acknowledgedBy, [mine?.key, "hadi"]);
    t.false(await isTold());
    t.false(await isTold(), "nor again");
    await as("budi", approve, [waiting?.["id"]]);
    await wallet.root("select saldo.evaluate_alerts()");
    t.false((await openAlerts("decision_waits")).some(({ key }) => key === waiting?.["id"]));
  },
);
