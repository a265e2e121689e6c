import test from "ava";
import { errorCode, openTestDatabase } from "../_support/database.ts";

/** The facts, as they were when the posting named them itself. */
const sources = [
  ["adjust_balance", { is_reserved: true, moves_no_funds: true }],
  ["branch", { is_reserved: true, moves_no_funds: false, passes_minimum: true }],
  ["charge", { is_reserved: true, moves_no_funds: false }],
  ["close_year", { is_reserved: true, moves_no_funds: true, passes_all: true }],
  ["debt_payment", { is_reserved: true, moves_no_funds: false }],
  ["deposit", { is_reserved: true, moves_no_funds: false }],
  ["partial_refund", { is_reserved: true, moves_no_funds: false }],
  ["purchase", { is_reserved: true, moves_no_funds: false }],
  ["rating", { is_reserved: true, moves_no_funds: false }],
  ["refund", { is_reserved: true, moves_no_funds: false }],
  ["settlement", { is_reserved: true, moves_no_funds: true }],
  ["top_up", { is_reserved: true, moves_no_funds: false }],
  ["top_up_reversal", { is_reserved: true, moves_no_funds: false }],
] as const;

test("each room has said what its postings may do, and callers may use none of its sources", async (t) => {
  const database = await openTestDatabase(1);
  const { pool } = database;
  try {
    const { rows } = await pool.query(
      `select source, is_reserved, moves_no_funds, passes_closed_account, passes_minimum
      from saldo_private.posting_source order by source`,
    );
    t.deepEqual(
      rows,
      sources.map(([source, facts]) => ({
        source,
        is_reserved: facts.is_reserved,
        moves_no_funds: facts.moves_no_funds,
        passes_closed_account: "passes_all" in facts,
        passes_minimum: "passes_all" in facts || "passes_minimum" in facts,
      })),
    );
    await pool.query("select saldo.open_account(c, c, 'asset') from unnest(array['a', 'b']) as c");
    const post = (source: string) =>
      pool.query("select from saldo.post_entries($1)", [
        JSON.stringify([
          {
            description: "x",
            source,
            lines: [
              { account_code: "a", debit: "1" },
              { account_code: "b", credit: "1" },
            ],
          },
        ]),
      ]);
    for (const [source] of sources) {
      t.is(await errorCode(post(source)), "SB010", source);
      t.is(await errorCode(post(` ${source} `)), "SB010", source);
    }
    t.is(await errorCode(post("shop")), "none");
  } finally {
    await database.close();
  }
});

test("a fact that was changed past the engine is found", async (t) => {
  const database = await openTestDatabase(1);
  const { pool } = database;
  const found = async () =>
    (await pool.query("select key, stored from saldo_private.rule_engine_configuration()")).rows;
  try {
    t.deepEqual(await found(), []);
    await pool.query("update saldo_private.posting_source set passes_minimum = true");
    await pool.query("delete from saldo_private.posting_source where source = 'rating'");
    await pool.query("select saldo_private.describe_source('shop', moves_no_funds => true)");
    t.deepEqual((await found()).map(({ key, stored }) => `${key}: ${stored}`).sort(), [
      "posting source adjust_balance: changed",
      "posting source charge: changed",
      "posting source debt_payment: changed",
      "posting source deposit: changed",
      "posting source partial_refund: changed",
      "posting source purchase: changed",
      "posting source rating: missing",
      "posting source refund: changed",
      "posting source settlement: changed",
      "posting source shop: added",
      "posting source top_up: changed",
      "posting source top_up_reversal: changed",
    ]);
  } finally {
    await database.close();
  }
});
