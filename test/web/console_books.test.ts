import { readFile } from "node:fs/promises";
import test from "ava";
import type { Browser } from "playwright-core";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { openConsole, overhang, serveConsole, type Visitor } from "./_console.ts";

// One server and one browser for all: each test acts on accounts of its own.
const bought = chromiumPath === undefined ? test.serial.skip : test.serial;
let api: Awaited<ReturnType<typeof serveConsole>>;
let browser: Browser;

const SEED = `
  select saldo.open_account(code, name, type::saldo.account_type)
  from (values ('bank:main', 'Bank of the shop', 'asset'), ('till:1', 'Till at the door', 'asset'),
    ('till:2', 'Till at the window <b>bold</b>', 'asset'), ('sales:food', 'Food', 'revenue'),
    ('sales:drinks', 'Drinks', 'revenue'), ('rent', 'Rent of the shop', 'expense'))
    as a (code, name, type);
  select saldo.make_account_hot(saldo.id_of_account('sales:drinks'), 4);
  select from saldo.post_entries((
    select jsonb_agg(jsonb_build_object(
      'description', 'Sale ' || n,
      'idempotency_key', 'sale-' || n,
      'source', case when n % 2 = 0 then 'shop' else 'ledger' end,
      'occurred_at', now() - make_interval(days => 130 - n),
      'lines', jsonb_build_array(
        jsonb_build_object('account_code', 'till:1', 'debit', (n * 1000)::text),
        jsonb_build_object('account_code', 'sales:food', 'credit', (n * 1000)::text)
      )
    ) order by n)
    from generate_series(1, 130) as n
  ));
  select saldo.place_hold(saldo.id_of_account('till:1'), 25000, '3 days', 'Deposit of a table');
  select saldo.submit_transaction(saldo.id_of_account('sales:drinks'), 2500, 'credit')
  from generate_series(1, 3);
  select saldo.seal_journal();
`;

test.before(async () => {
  if (chromiumPath === undefined) return;
  api = await serveConsole({ prepare: SEED });
  browser = await launch();
});
test.after.always(async () => {
  await browser?.close();
  await api?.close();
});

/** Opens a screen and waits until nothing of it is loading. */
async function open({ page }: Visitor, path: string) {
  await page.goto(`/console${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  const loading = page.locator("[aria-label=Loading], [aria-label=Memuat]");
  await loading.first().waitFor({ state: "detached" });
}

const idOf = async (code: string) =>
  String((await api.root("select saldo.id_of_account($1) as id", [code]))[0]?.["id"]);

bought("accounts are found, opened, and read line by line", async (t) => {
  const { page } = await openConsole(t, browser, api, { path: "/accounts" });
  await page.getByRole("searchbox", { name: "Search" }).fill("till:");
  await page.getByRole("link", { name: "till:2" }).waitFor();
  await page.getByRole("link", { name: "bank:main" }).waitFor({ state: "detached" });
  t.true(page.url().endsWith("?search=till%3A"), "the filter stands in the address");
  await page.getByText("Till at the window <b>bold</b>").waitFor();
  await page.getByText("Tree by code").click();
  await page.locator("summary", { hasText: "sales:" }).click();
  await page.getByRole("link", { name: "sales:food" }).waitFor();

  await page.getByRole("button", { name: "Open an account" }).click();
  await page.getByLabel("Code").fill("safe");
  await page.getByLabel("Name").fill("Safe in the cellar");
  await page.getByRole("button", { name: "Open an account" }).last().click();
  await page.getByRole("heading", { name: "safe", level: 1 }).waitFor();
  const [safe] = await api.root("select type, currency from saldo.account where code = 'safe'");
  t.deepEqual(safe, { type: "asset", currency: "IDR" });

  await page.goto(`/console/accounts/${await idOf("till:1")}?from=2000-01-01`);
  const lines = page.getByRole("table", { name: "Statement" });
  await lines.getByRole("link", { name: "Sale 2", exact: true }).waitFor();
  const second = lines.getByRole("row", { name: /Sale 2\b/ });
  t.regex((await second.textContent()) ?? "", /Rp\s2,000Rp\s3,000$/);
  t.is(await lines.getByRole("row").count(), 101, "the names of the columns and a page");
  await page.getByRole("button", { name: "Load more" }).click();
  await lines.getByRole("link", { name: "Sale 130" }).waitFor();
  await page.getByRole("tab", { name: "Holds" }).click();
  await page.getByText("Deposit of a table").waitFor();
});

bought("an account is frozen, unfrozen and adjusted, each with a reason", async (t) => {
  const { page } = await openConsole(t, browser, api, {
    path: `/accounts/${await idOf("till:2")}`,
  });
  const act = async (label: string, submit: string, reason: string) => {
    await page.getByRole("button", { name: label, exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: submit, exact: true }).click();
    await dialog.getByText("Say why").waitFor();
    await dialog.getByLabel("Reason").fill(reason);
    await dialog.getByRole("button", { name: submit, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  };
  await act("Freeze", "Freeze", "a till was robbed");
  await page.getByText("This account is frozen").waitFor();
  await page.getByText("a till was robbed").waitFor();
  await act("Unfreeze", "Unfreeze", "counted");
  await page.getByText("This account is frozen").waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Adjust", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Right balance").fill("20.000");
  await dialog.getByText(/From Rp\s0 to Rp\s20,000/).waitFor();
  await dialog.getByLabel("Reason").fill("counted by two");
  await dialog.getByRole("button", { name: "Adjust" }).click();
  await page.getByRole("link", { name: "counted by two" }).waitFor();
  const [adjusted] = await api.root(
    "select new_balance::text, reason, adjusted_by from saldo.balance_adjustment",
  );
  t.deepEqual(adjusted, { new_balance: "20000", reason: "counted by two", adjusted_by: "ani" });
});

bought("entries are found by what is known of them", async (t) => {
  const { page } = await openConsole(t, browser, api, { path: "/journal" });
  const rows = page.getByRole("table", { name: "Journal" });
  await rows.getByRole("link", { name: "Sale 90", exact: true }).waitFor();
  await page.getByRole("button", { name: "Load more" }).click();
  await rows.getByRole("link", { name: "Sale 40", exact: true }).waitFor();
  await page.getByLabel("Amount from").fill("77.000");
  await page.getByLabel("Amount to").fill("78.000");
  await rows.getByRole("link", { name: "Sale 79", exact: true }).waitFor({ state: "detached" });
  await rows.getByRole("link", { name: "Sale 77" }).waitFor();
  await page.getByLabel("Source").fill("shop");
  await rows.getByRole("link", { name: "Sale 77" }).waitFor({ state: "detached" });
  await rows.getByRole("link", { name: "Sale 78" }).waitFor();
  t.is(await rows.getByRole("link").count(), 1);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "CSV" }).click();
  const file = await readFile(await (await download).path(), "utf8");
  t.is(file.match(/Sale 78/g)?.length, 2, "both lines of the entry");
  t.is(file.trimEnd().split("\n").length, 3);
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByLabel("Reference").fill("sale-5");
  await rows.getByRole("link", { name: "Sale 6", exact: true }).waitFor({ state: "detached" });
  await rows.getByRole("link", { name: "Sale 5", exact: true }).waitFor();
  await page.goto("/console/journal?account=nobody");
  await page.getByRole("status").getByText("No account has this code.").waitFor();
});

bought("an entry is posted when it balances, and reversed with a reason", async (t) => {
  const { page, errors } = await openConsole(t, browser, api, { path: "/journal/new" });
  const line = (number: number) => page.getByRole("group", { name: `Line ${number}` });
  await page.getByLabel("What happened").fill("Rent of November");
  await line(1).getByLabel("Account").fill("rent");
  await line(1).getByLabel("Debit").fill("20.000");
  await line(2).getByLabel("Account").fill("bank:main");
  await line(2).getByLabel("Credit").fill("19.999,50");
  await page.getByText("Bank of the shop (IDR)").waitFor();
  await page.getByText("It does not balance yet.").waitFor();
  await page.getByRole("button", { name: "Post an entry" }).click();
  await page.getByText("It cannot be posted yet").waitFor();
  await line(2).getByLabel("Credit").fill("20rb");
  await page.getByText("It balances: debits equal credits.").waitFor();
  await page.getByRole("button", { name: "Post an entry" }).click();
  await page.getByRole("heading", { name: "Rent of November", level: 1 }).waitFor();
  const posted = await api.root(`
    select a.code, l.debit::text, l.credit::text, e.posted_by
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    join saldo.account as a on a.id = l.account_id
    where e.description = 'Rent of November'
    order by l.line_no
  `);
  t.deepEqual(posted, [
    { code: "rent", debit: "20000", credit: "0", posted_by: "ani" },
    { code: "bank:main", debit: "0", credit: "20000", posted_by: "ani" },
  ]);
  await page.getByText("Not sealed yet").waitFor();

  await page.getByRole("button", { name: "Reverse" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("paid by another shop");
  await dialog.getByRole("button", { name: "Reverse" }).click();
  await page.getByRole("link", { name: "paid by another shop" }).click();
  await page.getByRole("heading", { name: "paid by another shop", level: 1 }).waitFor();
  await page.getByRole("link", { name: "this entry" }).waitFor();
  t.is(await page.getByRole("button", { name: "Reverse" }).count(), 0, "not once more");
  t.deepEqual(errors, []);
});

bought("an entry is kept as a draft, changed, and posted once it balances", async (t) => {
  const { page, errors } = await openConsole(t, browser, api, { path: "/journal/new" });
  const line = (number: number) => page.getByRole("group", { name: `Line ${number}` });
  await page.getByRole("button", { name: "Save as a draft" }).click();
  await page.getByText("It cannot be saved yet").waitFor();
  await page.getByLabel("What happened").fill("Power of <b>November</b>");
  await line(1).getByLabel("Account").fill("rent");
  await line(1).getByLabel("Debit").fill("1.234.567,50");
  await page.getByRole("button", { name: "Save as a draft" }).click();
  await page.getByRole("heading", { name: "Power of <b>November</b>", level: 1 }).waitFor();
  await page.getByText("It cannot be posted yet").waitFor();
  t.is(await page.getByRole("button", { name: "Post", exact: true }).count(), 0);
  // What a program has put into it, and this form does not know, stays.
  const id = new URL(page.url()).pathname.split("/").at(-1);
  await api.root(
    `select saldo.edit_draft(id, content || '{"kind": "adjustment", "metadata": {"bill": 7}}'
      || jsonb_build_object('lines', jsonb_build_array(content -> 'lines' -> 0,
        jsonb_build_object('account_id', saldo.id_of_account('bank:main'), 'credit', '1.5'))))
    from saldo.entry_draft where id = $1`,
    [id],
  );
  await page.getByRole("link", { name: "Change" }).click();
  await page.getByText("Bank of the shop (IDR)").waitFor();
  t.is(await line(1).getByLabel("Debit").inputValue(), "1,234,567.5");
  t.is(await line(2).getByLabel("Credit").inputValue(), "1.5");
  await line(2).getByLabel("Credit").fill("1.234.567,5");
  await page.getByLabel("Day").fill("");
  t.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Save as a draft" }).click();
  await page.getByRole("button", { name: "Post", exact: true }).waitFor();
  await picture(page, "draft");
  t.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Post", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Post" }).click();
  await page.getByRole("button", { name: "Reverse" }).waitFor();
  const [posted] = await api.root(
    `select e.kind::text, e.metadata, d.version, e.posted_by, l.credit::text,
      e.posting_date = saldo_private.business_date(now()) as is_of_today
    from saldo.entry_draft as d
    join saldo.journal_entry as e on e.id = d.entry_id
    join saldo.journal_line as l on l.entry_id = e.id and l.credit > 0
    where d.id = $1`,
    [id],
  );
  t.deepEqual(posted, {
    kind: "adjustment",
    metadata: { bill: 7 },
    version: 3,
    posted_by: "ani",
    credit: "1234567.5",
    is_of_today: true,
  });
  t.deepEqual(errors, []);
});

bought("drafts are listed and discarded, and who only looks sees no button", async (t) => {
  await api.root(`select saldo.make_draft(jsonb_build_object('description', 'Bill ' || n, 'lines',
    '[{"account_code": "rent", "debit": "1"}, {"account_code": "bank:main", "credit": "1"}]'::jsonb))
    from generate_series(1, 2) as n`);
  const viewport = { width: 390, height: 844 };
  const { page } = await openConsole(t, browser, api, { path: "/journal", viewport });
  await page.getByRole("link", { name: "Drafts of entries" }).click();
  await page.getByRole("link", { name: "Bill 2" }).click();
  await page.getByRole("button", { name: "Discard" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("paid by another shop");
  await dialog.getByRole("button", { name: "Discard" }).click();
  await page.getByText("It is discarded:").waitFor();
  t.is(await page.getByRole("button", { name: "Post", exact: true }).count(), 0);
  await page.getByRole("link", { name: "To the drafts" }).click();
  await page.getByRole("link", { name: "Bill 1" }).waitFor();
  // What was shown before is shown until the server has answered.
  await page.getByRole("link", { name: "Bill 2" }).waitFor({ state: "detached" });
  await page.getByLabel("State").selectOption("discarded");
  await page.getByRole("link", { name: "Bill 2" }).waitFor();
  const visit = { role: "operator", path: "/journal/drafts", language: "id", viewport } as const;
  const operator = await openConsole(t, browser, api, visit);
  await operator.page.getByRole("link", { name: "Bill 1" }).waitFor();
  await picture(operator.page, "drafts_phone");
  t.deepEqual(await violations(operator.page), []);
  t.true((await overhang(operator.page)) <= 0);
  await operator.page.getByRole("link", { name: "Bill 1" }).click();
  await operator.page.getByText("Seimbang: debit sama dengan kredit.").waitFor();
  await picture(operator.page, "draft_phone");
  t.deepEqual(await violations(operator.page), []);
  t.true((await overhang(operator.page)) <= 0);
  t.is(await operator.page.getByRole("button", { name: "Buang" }).count(), 0);
  t.is(await operator.page.getByRole("link", { name: "Ubah" }).count(), 0);
});

bought("what waits on a hot account is settled now", async (t) => {
  const { page, errors } = await openConsole(t, browser, api, { path: "/hot" });
  const accounts = page.getByRole("table", { name: "Hot accounts as they stand" });
  const drinks = accounts.getByRole("row", { name: /^sales:drinks/ });
  t.regex((await drinks.textContent()) ?? "", /Drinks 4 ?3.*Rp\s0Rp\s7,500/);
  await page.getByRole("button", { name: "Settle now" }).click();
  await page.getByRole("dialog").getByText("Pending: 3").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Settle now" }).click();
  await page.getByText("Settled accounts: 1.").waitFor();
  const settlements = page.getByRole("table", { name: "The last settlements" });
  await settlements.getByRole("link", { name: "sales:drinks" }).waitFor();
  const [left] = await api.root("select pending_count::text from saldo.settlement_health()");
  t.deepEqual(left, { pending_count: "0" });
  t.deepEqual(errors, []);
});

bought("the journal is verified, and a head that was kept is compared", async (t) => {
  await api.root(
    "select saldo.transfer(saldo.id_of_account('till:1'), saldo.id_of_account('sales:food'), 1)",
  );
  const { page, errors } = await openConsole(t, browser, api, { path: "/seals" });
  await page.getByRole("button", { name: "Seal now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Seal now" }).click();
  await page.getByText(/Seals made: [12]\./).waitFor();
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.getByText("Nothing differs").waitFor();
  const [head] = await api.root("select head_number, head_hash from saldo.seal_status()");
  const kept = `seal ${head?.["head_number"]} ${head?.["head_hash"]}`;
  await page.getByText(kept).waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download the copy" }).click();
  const copy = await readFile(await (await download).path());
  t.true(copy.includes("journal_seal.ndjson") && copy.includes("manifest.json"));
  const field = page.getByLabel("A head that you have kept");
  await field.fill(kept);
  await page.getByText("It is in the chain").waitFor();
  await field.fill(`seal 1 ${head?.["head_hash"]}`);
  await page.getByText("this seal has another hash").waitFor();
  await field.fill(`seal 999999 ${head?.["head_hash"]}`);
  await page.getByText("There is no seal of this number").waitFor();
  await field.fill("seal 1");
  await page.getByText("This has no number and 64 hexadecimal digits.").waitFor();
  await page.getByRole("link", { name: "1", exact: true }).click();
  await page.getByRole("heading", { name: "Seal 1", level: 1 }).waitFor();
  await page.getByRole("table", { name: "Totals by currency" }).getByText("IDR").waitFor();
  t.deepEqual(errors, []);
});

bought("an operator sees the books and changes nothing, a member sees neither", async (t) => {
  const account = `/accounts/${await idOf("till:1")}`;
  const operator = await openConsole(t, browser, api, { role: "operator", path: account });
  await operator.page.getByRole("link", { name: "Sale 130" }).waitFor();
  t.deepEqual(await operator.page.locator("main [aria-haspopup=dialog]").allTextContents(), [
    "Views",
  ]);
  await operator.page.goto("/console/journal/new");
  await operator.page.getByText("Who may: admin, accountant.").waitFor();
  const owner = await api.member("budi");
  const member = await openConsole(t, browser, api, {
    role: "member",
    memberId: owner.id,
    path: "/accounts",
  });
  await member.page.getByText("Your role may not see this.").waitFor();
  t.is(await member.page.getByText("Till at the door").count(), 0);
});

bought("each screen suits all readers, in both languages, on a phone too", async (t) => {
  const till = await idOf("till:1");
  const drinks = await idOf("sales:drinks");
  const [sale] = await api.root("select id from saldo.journal_entry where description = 'Sale 7'");
  const screens = [
    ["accounts", "/accounts"],
    ["account", `/accounts/${till}`],
    ["account-months", `/accounts/${till}?tab=months`],
    ["account-pending", `/accounts/${drinks}?tab=pending`],
    ["journal", "/journal"],
    ["entry", `/journal/${sale?.["id"]}`],
    ["entry-form", "/journal/new"],
    ["hot", "/hot"],
    ["seals", "/seals"],
    ["seal", "/seals/1"],
  ] as const;
  const english = await openConsole(t, browser, api, { colorScheme: "dark" });
  for (const [name, path] of screens) {
    await open(english, path);
    t.deepEqual(await violations(english.page), [], name);
    await picture(english.page, `${name}-desk`);
  }
  const viewport = { width: 360, height: 780 };
  const phone = await openConsole(t, browser, api, { language: "id", viewport });
  for (const [name, path] of screens) {
    await open(phone, path);
    t.true((await overhang(phone.page)) <= 0, `${name} fits a phone`);
    await picture(phone.page, `${name}-phone`);
  }
  t.deepEqual([...english.errors, ...phone.errors], []);
});

if (chromiumPath === undefined) test("pages", (t) => t.log(noChromium));
