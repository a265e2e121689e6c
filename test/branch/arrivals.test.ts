import test from "ava";
import fc from "fast-check";
import { rowHash } from "../../src/branch/protocol/canonical.ts";
import { keyProof } from "../../src/branch/protocol/key.ts";
import type { Row } from "../../src/branch/protocol/schema.ts";
import { type Centre, openCentre } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

const uuid = "5d1e0c00-0000-4000-8000-000000000001";
const digits = "0123456789abcdef".repeat(4);

/** What may stand in a field: of the right form, nearly so, and of another kind. */
const values = [
  ...[null, true, [], {}, 0, 1, -1, 1.5, 5, 2 ** 53, "", " ", "5", "kopi", "kopi\\", "dua\nbaris"],
  ...["tab\tdi sini", "\u200bkopi", "\u202eipok", "\u0085", "☕", "x".repeat(100), "x".repeat(501)],
  ...["NaN", "Infinity", "1e3", "-1", "-0", "+1", "01", "1.0", "12.5", "12.55", "0.001", " 7", "0"],
  ...["999999999999999.99", "1000000000000000", "-12.5", ".5", "1.", "0x1f", "1_000"],
  ...["IN", "OUT", "in", "entry", "void", "count", "open", "close", "IDR", "idr", "IDRX"],
  ...[uuid, uuid.toUpperCase(), uuid.replaceAll("-", ""), `{${uuid}}`],
  ...[digits, digits.toUpperCase(), `${digits} `, digits.slice(1), "zz".repeat(32)],
  ...["2026-03-10", "2026-02-30", "2026-3-10", "20260310", "today", "1899-12-31", "9999-12-31"],
  ...["2026-01-31T17:00:00.000Z", "2026-01-31T24:00:00.000Z", "2026-01-31T17:00:60.000Z"],
  ...["2026-01-31T17:00:00Z", "2026-01-31 17:00:00.000Z", "now", "infinity", "0001-01-01"],
];

const field = fc.constantFrom(
  ...["id", "seq", "payload_version", "kind", "type", "category", "amount", "expected", "currency"],
  ...["description", "occurred_at", "business_date", "cashier", "voids", "corrects", "reason"],
  ...["prev", "hash", "more"],
);
const change = fc.record({
  base: fc.constantFrom("entry", "void", "count"),
  field,
  value: fc.constantFrom(...values),
  isLeftOut: fc.nat({ max: 19 }).map((roll) => roll === 0),
  isHashedAgain: fc.nat({ max: 9 }).map((roll) => roll > 0),
});

test("a row is good when it is looked at with others only where it is so by itself", async (t) => {
  const { id } = await centre.branch("LIHAT");
  const till = await centre.till(id);
  const entry = till.add();
  const bases: Record<string, Row> = {
    entry,
    void: till.void(entry),
    count: till.add({ kind: "count", type: null, category: "open", amount: "0", expected: "-5.5" }),
  };
  const place = { device: till.device, epoch: till.epoch };
  let plain = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 60, maxLength: 60 }), async (changes) => {
      const bodies = changes.map(({ base, field, value, isLeftOut, isHashedAgain }) => {
        const row: Record<string, unknown> = { ...bases[base], [field]: value };
        if (isLeftOut) delete row[field];
        if (isHashedAgain && field !== "hash") row["hash"] = rowHash(place, row as never);
        return [row];
      });
      const [{ plains, others }] = (await centre.rows(
        `select count(*) filter (where p.rows is not null)::int as plains,
          array_agg(b.body) filter (where p.rows is not null and p.rows <> e.rows) as others
        from jsonb_array_elements($1) as b (body)
        cross join lateral (select saldo_private.branch_arrivals__plain(b.body, $2, $3)) as p (rows)
        cross join lateral (select saldo_private.branch_arrivals__each(b.body, $2, $3)) as e (rows)`,
        [JSON.stringify(bodies), till.device, till.epoch],
      )) as [{ plains: number; others: unknown[] | null }];
      plain += plains;
      t.is(others, null);
    }),
    { numRuns: 60 },
  );
  // Some of the changes leave a row good: the quick look is used, and is not all refusal.
  t.true(plain > 100, String(plain));
});

test("a name of more than a line, or with marks that nobody sees, is kept aside", async (t) => {
  const { id } = await centre.branch("BARIS");
  const till = await centre.till(id);
  const names = ["dua\nbaris", "tab\tdi sini", "\u202eipok", "kopi\u200b", " "];
  for (const category of names) till.add({ category });
  till.add({ cashier: "Ayu\u2066" });
  till.add({ description: "dua\nbaris\tdi sini" });
  const { verdicts } = await centre.push(till, till.body());
  t.deepEqual(
    verdicts.map(({ verdict, reason }) => `${verdict} ${reason}`),
    [
      ...names.map(() => "quarantined row_invalid: category"),
      "quarantined row_invalid: cashier",
      "accepted null",
    ],
  );
});

test("a push looks its rows up, and reads nothing of what the device sent before", async (t) => {
  const { id } = await centre.branch("CARI");
  const till = await centre.till(id);
  // Statistics of the moment at which the first rows are being written say that there are none. A
  // server mends that within seconds (job analyze_grown_tables), which does not run here.
  await centre.pool.query("alter table saldo.branch_intake set (autovacuum_enabled = false)");
  for (const _ of Array(3)) {
    const rows = Array.from({ length: 200 }, () => till.add());
    await centre.push(till, till.body(rows));
  }
  const client = await centre.pool.connect();
  try {
    const proof = keyProof(till.key);
    const last = till.body([till.add()]);
    const have = { ...till.have, verdict_no: 600 };
    // What this connection has read of the table, until it is told to the server.
    const readSoFar = async () => {
      const { rows } = await client.query(
        `select seq_tup_read::int + idx_tup_fetch::int as count
        from pg_stat_xact_user_tables where relid = 'saldo.branch_intake'::regclass`,
      );
      return rows[0].count as number;
    };
    await client.query("begin");
    const before = await readSoFar();
    const { rows } = await client.query(
      `select saldo_private.push_branch_rows($1, $2, jsonb_set($3, '{have}', $4::jsonb
        || jsonb_build_object('centre_epoch', (saldo_private.current_centre_epoch()).epoch)))
        -> 'verdicts' as verdicts`,
      [proof?.id, proof?.secretHash, JSON.stringify(last), JSON.stringify(have)],
    );
    t.is(rows[0].verdicts[0].verdict, "accepted");
    const read = (await readSoFar()) - before;
    t.true(read > 0 && read < 40, String(read));
  } finally {
    await client.query("rollback");
    client.release();
  }
});
