import test from "ava";
import { openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(3);
test.after.always(() => database.close());

async function cut(statement: string | null): Promise<string | null> {
  const { rows } = await database.pool.query("select saldo_private.without_literals($1) as kept", [
    statement,
  ]);
  return rows[0].kept;
}

test("of a statement that is recorded the literals are cut, however they are written", async (t) => {
  const cases: [string, string][] = [
    ["update t set p = 'secret' where id = 7", "update t set p = ? where id = ?"],
    ["select 'it''s secret', 1.5e3, a1", "select ?, ?, a1"],
    [String.raw`select E'a\'secret' || e'\\', 'b'`, "select ? || ?, ?"],
    [String.raw`select 'a\', 'secret'`, "select ?, ?"],
    ["select $$sec'ret$$, $x$ $$secret$$ $x$, $1", "select ?, ?, $?"],
    ["select 'x$$', $$a$$, 'secret', 'b'", "select ?, ?, ?, ?"],
    [`update "it's 5" set "a""b" = 'secret'`, `update "it's 5" set "a""b" = ?`],
    ["select 1 -- secret\n, 2 /* secret 'x */ + 3", "select ? \n, ?  + ?"],
    ["select /* a /* b */ 'secret' */ 1", "select  ? */ ?"],
    ["select U&'secret', B'101', N'secret'", "select U&?, B?, N?"],
    // What has no end is cut to the end.
    ["select 'secret", "select ?"],
    ["select $a$ secret $$", "select ?"],
    ["select 1 /* secret", "select ? "],
    [`select "secret`, `select "?`],
    ["", ""],
  ];
  for (const [statement, kept] of cases) t.is(await cut(statement), kept, statement);
  t.is(await cut(null), null);
  t.is((await cut(`select '${"secret".repeat(300_000)}'`)) ?? "", "select ?");
  t.is((await cut(`select ${"a, ".repeat(5000)}`))?.length, 2000);
});

test("where a backslash escapes in every string, none is ended too early", async (t) => {
  const client = await database.pool.connect();
  try {
    await client.query("set standard_conforming_strings = off");
    const { rows } = await client.query({
      text: "select saldo_private.without_literals($1) as kept",
      values: [String.raw`update t set p = 'a\', secret', q = 'b'`],
    });
    t.is(rows[0].kept, "update t set p = ?, q = ?");
  } finally {
    client.release(true);
  }
});

test("a recorded write tells no literal of its statement", async (t) => {
  const client = await database.pool.connect();
  try {
    await client.query("select saldo.open_account('till', 'Till', 'asset')");
    await client.query(
      "set session_replication_role = replica; " +
        "update saldo.account set debit_total = 77.5 where code = 'till' and 'hunter2' <> ''",
    );
    const { rows } = await client.query(
      `select g.statement, saldo_private.event_text(to_jsonb(g)) as text
      from saldo.guard_event as g`,
    );
    t.deepEqual(
      rows.map(({ statement }) => statement),
      [
        "set session_replication_role = replica; " +
          "update saldo.account set debit_total = ? where code = ? and ? <> ?",
      ],
    );
    t.regex(rows[0].text, /debit_total 0 -> 77\.5/);
    t.notRegex(rows[0].text, /hunter2/);
  } finally {
    client.release(true);
  }
});
