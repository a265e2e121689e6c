import test from "ava";
import { errorCode, openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(3);
test.after.always(() => database.close());

/** A code or a name of each kind, as $1, where everything around it is right. */
const kinds: Record<string, string> = {
  "account.code": "saldo.open_account($1, 'A', 'asset')",
  "account.name": "saldo.open_account('a', $1, 'asset')",
  "member.code": "saldo.create_member($1, 'M')",
  "member.name": "saldo.create_member('m', $1)",
  "product.code": "saldo.create_product($1, 'P', 5)",
  "product.name": "saldo.create_product('p', $1, 5)",
  "stock_item.code": "saldo.add_stock_items(1, array[$1])",
  "customer.code": "saldo.create_customer($1, 'C')",
  "customer.name": "saldo.create_customer('c', $1)",
  "meter.code": "saldo.install_meter(1, $1)",
  "branch.code": "saldo.create_branch($1, 'B')",
  "branch.name": "saldo.create_branch('B2', $1)",
  "posting_rule.category": "saldo.set_posting_rule('IN', $1, 1)",
  "journal_entry.source": `saldo.post_entries(jsonb_build_array(jsonb_build_object(
    'description', 'x', 'source', $1::text, 'lines', jsonb_build_array(
      jsonb_build_object('account_id', 1, 'debit', 5),
      jsonb_build_object('account_id', 2, 'credit', 5)))))`,
  "balance_rule.title": `saldo.register_balance_rule('r', title => $1,
    derived => 'select id as key, 0 as derived from public.purse', stored_table => 'public.purse',
    key_column => 'id', balance_column => 'balance')`,
};

const marks: Record<string, string> = {
  "an end of a line": "\n",
  "a return": "\r",
  "a tab": "\t",
  "a line separator": "\u2028",
  "a mark from right to left": "\u200F",
  "an override of direction": "\u202E",
  "an isolate": "\u2066",
  "an Arabic letter mark": "\u061C",
  "a space without width": "\u200B",
  "a byte order mark": "\uFEFF",
};

test.before(async () => {
  await database.pool.query(`
    create table public.purse (id integer primary key, balance numeric not null);
    grant usage on schema public to saldo_rule_reader;
    grant select on public.purse to saldo_rule_reader;
    select saldo.open_account('till', 'Till', 'asset');
    select saldo.open_account('sales', 'Sales', 'revenue');
    select saldo.create_product('first', 'First', 5, is_stock_tracked => true);
    select saldo.create_customer('first', 'First')`);
});

for (const [kind, call] of Object.entries(kinds)) {
  test(`${kind} is one line without marks of direction`, async (t) => {
    const client = await database.pool.connect();
    // A call that is taken is undone, so that the next meets the same.
    const codeOf = async (value: string) => {
      await client.query("begin");
      try {
        return await errorCode(client.query(`select ${call}`, [value]));
      } finally {
        await client.query("rollback");
      }
    };
    try {
      for (const [name, mark] of Object.entries(marks)) {
        t.is(await codeOf(`A${mark}B`), "SB008", name);
        t.is(await codeOf(`AB${mark}`), "SB008", `${name} at the end`);
      }
      t.is(await codeOf("AB"), "none");
      // Letters that join without a sign between them are written with one.
      if (kind.endsWith(".name")) t.is(await codeOf("می\u200Cخواهم"), "none");
    } finally {
      client.release();
    }
  });
}
