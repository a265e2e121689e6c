import test from "ava";
import { asAdmin, errorCode } from "../_support/database.ts";
import { admin, jointOf, KINDS, type Kind, type Made } from "./_joint.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
const { make, single, account } = jointOf(wallet);
test.after.always(() => wallet.close());

test("books of many calls together are those of the same calls alone", async (t) => {
  /** The same accounts, holds and calls each time; every fourth call is not plain, or is wrong. */
  const world = async () => {
    const members = await Promise.all(Array.from({ length: 4 }, () => wallet.member(500)));
    const accounts = [await account(0, 500), await account(null), await account(null)];
    const holds: Row[] = [];
    for (let index = 0; index < 8; index += 1) {
      holds.push(await single("place_hold", { account_id: accounts[0], amount: 5 + index }));
    }
    const of = (kind: Kind, index: number): Row => {
      const amount = index % 4 === 3 ? "0" : String(1 + (index % 7));
      const description = index % 5 === 0 ? "Café" : index % 5 === 1 ? " trimmed " : undefined;
      if (kind === "top_up") return { member_id: members[index % 4]?.id, amount, description };
      if (kind === "capture_hold") {
        return { hold_id: holds[index % 8]?.["id"], amount, keep_rest: index % 3 === 0 };
      }
      const payer = index % 2 === 0 ? members[index % 4]?.account_id : accounts[0];
      if (kind === "place_hold") return { account_id: payer, amount, description };
      const receiver = accounts[1 + (index % 2)];
      return { debit_account_id: payer, credit_account_id: receiver, amount, description };
    };
    const ids = [...members.map((member) => member.account_id), ...accounts];
    return { of, ids };
  };
  const run = async (isTogether: boolean) => {
    const { of, ids } = await world();
    const codes: string[] = [];
    let together = 0;
    for (const kind of KINDS) {
      // The last eight come a second time.
      const calls = Array.from({ length: 24 }, (_, index) => ({
        ...of(kind, index % 16),
        idempotency_key: `${kind}-${isTogether}-${index % 16}`,
      }));
      const made = isTogether
        ? await make(
            kind,
            calls.map((call) => ({ ...admin, ...call })),
          )
        : (new Map() as Made);
      together += made.size;
      for (const [index, call] of calls.entries()) {
        if (made.has(index + 1)) codes.push("none");
        else codes.push(await errorCode(single(kind, call)));
      }
    }
    const books = await wallet.root(
      `select a.balance, a.held_total, a.debit_total, a.credit_total,
        (select jsonb_agg(to_jsonb(m) - 'account_id' order by m.month)
          from saldo.month_movement as m where m.account_id = a.id) as months,
        (select jsonb_agg(jsonb_build_array(e.source, e.description, l.debit, l.credit, l.line_no)
            order by e.source, e.description, l.debit, l.credit)
          from saldo.journal_line as l join saldo.journal_entry as e on e.id = l.entry_id
          where l.account_id = a.id) as lines,
        (select jsonb_agg(jsonb_build_array(h.status, h.open_amount, h.captured_amount,
            h.description, h.source) order by h.amount, h.status, h.captured_amount, h.description)
          from saldo.hold as h where h.account_id = a.id) as holds
      from saldo.account as a join unnest($1::bigint[]) with ordinality as i on i.i = a.id
      order by i.ordinality`,
      [ids],
    );
    return { codes, books, together };
  };
  const alone = await run(false);
  const joint = await run(true);
  t.deepEqual(joint.codes, alone.codes);
  t.deepEqual(joint.books, alone.books);
  t.true(joint.together >= 24, String(joint.together));
  t.true(new Set(alone.codes).size > 2, "or nothing was wrong");
});

test.serial("batches beside single calls, holds and settlements wait in no circle", async (t) => {
  const members = await Promise.all(Array.from({ length: 5 }, () => wallet.member(1000)));
  const shared = await account(null);
  const busy = await account(null);
  await wallet.call("admin", "make_account_hot", { account_id: busy, slots: 2 });
  let key = 0;
  const of = (kind: Kind, hold?: unknown): Row[] =>
    members.toReversed().map(({ id, account_id }, index) => {
      key += 1;
      const idempotency_key = `circle-${kind}-${key % 3 === 0 ? `same-${index}` : key}`;
      const transfer = {
        debit_account_id: account_id,
        credit_account_id: index % 2 ? shared : busy,
      };
      return {
        top_up: { member_id: id, amount: "3", idempotency_key },
        transfer: { ...transfer, amount: "1", idempotency_key: `circle-transfer-${key}` },
        place_hold: { account_id, amount: "2", idempotency_key },
        capture_hold: { hold_id: hold, idempotency_key: `circle-${key}` },
      }[kind];
    });
  const together = async (kind: Kind) => {
    const made = await make(
      kind,
      of(kind).map((call) => ({ ...admin, ...call })),
    );
    if (kind !== "place_hold") return;
    const holds = [...made.values()].map(({ id }) => ({ ...admin, hold_id: id }));
    if (holds.length > 0) await make("capture_hold", holds);
  };
  const alone = async (kind: Kind) => {
    for (const call of of(kind)) {
      const result = await single(kind, call);
      if (kind !== "place_hold" || result["status"] !== "HELD") continue;
      // A batch may have been first.
      await errorCode(single("capture_hold", { hold_id: result["id"], amount: "1" }));
    }
  };
  const codes: string[] = [];
  const run = async (index: number) => {
    const kind = (["top_up", "transfer", "place_hold"] as const)[index % 3] ?? "transfer";
    const work = index % 4 === 3 ? alone(kind) : together(kind);
    codes.push(await errorCode(work));
    if (index % 5 === 0) await wallet.rows("admin", "settle_sub_balances", {});
  };
  const many = async (calls: Row[], type: string, name: string) =>
    codes.push(
      await errorCode(
        asAdmin(wallet.pool, (client) =>
          client.query(
            `select * from saldo.${name}(array(
              select r from jsonb_populate_recordset(null::saldo.${type}, $1::jsonb) as r), false)`,
            [JSON.stringify(calls)],
          ),
        ),
      ),
    );
  await Promise.all([
    ...Array.from({ length: 24 }, (_, index) => run(index)),
    many(of("top_up"), "top_up_request", "top_up_many"),
    many(of("place_hold"), "hold_request", "place_holds"),
    many(of("top_up").toReversed(), "top_up_request", "top_up_many"),
  ]);
  t.deepEqual([...new Set(codes)], ["none"]);
  const [counted] = await wallet.root(
    "select deadlocks from pg_stat_database where datname = current_database()",
  );
  t.is(counted?.["deadlocks"], "0");
  t.deepEqual(await wallet.findings(), []);
});
