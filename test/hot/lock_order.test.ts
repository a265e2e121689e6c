import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { holdsOf, many, openHot } from "./_hot.ts";

const hot = await openHot();
const holds = holdsOf(hot);
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  await hot.settle();
  t.deepEqual(await hot.findings(), []);
});

const transfer = (debit_account_id: string, credit_account_id: string, amount: number): Row => ({
  debit_account_id,
  credit_account_id,
  amount,
});
const pending = async (account: string) => (await hot.balances(account)).pending_count;

test.serial(
  "a session that idles on a counter account holds up that account's rows only",
  async (t) => {
    const [stuck, free] = [await hot.account({ slots: 4 }), await hot.account({ slots: 4 })];
    const [counter, other] = [
      await hot.account({ minBalance: null }),
      await hot.account({ minBalance: null }),
    ];
    await hot.submit(stuck, 10, "credit", { counter_account_id: counter });
    await hot.submit(free, 20, "credit", { counter_account_id: other });
    const idle = await hot.session();
    await idle.call("transfer", transfer(counter, other, 1));
    const third = await hot.account({ slots: 4 });
    await hot.submit(third, 30, "credit");
    const settled = await hot.rows("admin", "settle_sub_balances", {});
    t.deepEqual(
      settled.map(({ account_id }) => account_id),
      [third],
    );
    await idle.end("commit");
    await hot.settle();
    t.deepEqual([await pending(stuck), await pending(free)], ["0", "0"]);
  },
);

test.serial("a session that idles on a hot account's new stripes holds up nobody", async (t) => {
  const [account, other] = [
    await hot.account({ slots: 4, minBalance: null }),
    await hot.account({ minBalance: null }),
  ];
  const idle = await hot.session();
  // The first posting of the account makes its stripes, and stays open.
  await idle.call("transfer", transfer(account, other, 1));
  const [third, source] = [
    await hot.account({ minBalance: null }),
    await hot.account({ minBalance: null }),
  ];
  const session = await hot.session();
  await session.client.query("set local lock_timeout = '300ms'");
  await session.call("transfer", transfer(source, account, 5));
  await session.call("transfer", transfer(third, account, 5));
  await session.end("commit");
  await hot.submit(account, 7, "credit");
  t.is((await hot.settle()).length, 1);
  await idle.end("commit");
  t.is((await hot.balances(account)).settled_balance, "16");
});

test.serial("postings, settlements and rebuilds at once never wait in a circle", async (t) => {
  const accounts = await Promise.all(many(3, () => hot.account({ slots: 2, funds: 10_000 })));
  const plain = await Promise.all(many(3, () => hot.account({ minBalance: null })));
  let isRunning = true;
  const codes: Record<string, number> = {};
  const count = async (work: Promise<unknown>) => {
    const code = await errorCode(work);
    codes[code] = (codes[code] ?? 0) + 1;
  };
  const settle = async () => {
    while (isRunning) {
      const code = await errorCode(hot.rows("admin", "settle_sub_balances", {}));
      // It gives way after two seconds, which a busy machine takes to empty the table of slots.
      if (code !== "55P03") codes[code] = (codes[code] ?? 0) + 1;
    }
  };
  const lose = async () => {
    while (isRunning) {
      await count(hot.truncateSlots());
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  const write = async (index: number) => {
    for (let round = 0; round < 5; round += 1) {
      const pick = <T>(list: T[]) => list[(index * 7 + round * 5) % list.length] as T;
      const [account, counter] = [pick(accounts), pick(plain)];
      if ((index + round) % 3 === 0) {
        await count(hot.submit(account, 1, "debit", { counter_account_id: counter }));
      } else if ((index + round) % 3 === 1) {
        await count(hot.call("admin", "transfer", transfer(account, counter, 1)));
      } else {
        const lines = [...accounts, ...plain]
          .map((id) => [counter, id, 1])
          .filter(([a, b]) => a !== b);
        await count(
          hot.query(
            "admin",
            `select count(*) from saldo.transfer_many(array(
              select jsonb_populate_record(null::saldo.transfer_request, jsonb_build_object(
                'debit_account_id', l->>0, 'credit_account_id', l->>1, 'amount', l->>2))
              from jsonb_array_elements($1) as l))`,
            [JSON.stringify(lines)],
          ),
        );
      }
    }
  };
  const background = [settle(), settle(), lose()];
  await Promise.all(many(12, write));
  isRunning = false;
  await Promise.all(background);
  t.deepEqual(Object.keys(codes), ["none"], JSON.stringify(codes));
  // A settlement that was a victim would go on account by account, and say nothing of it.
  const [counted] = await hot.root(
    "select deadlocks from pg_stat_database where datname = current_database()",
  );
  t.is(counted?.deadlocks, "0");
  // What a settlement has left is settled by the next, and nothing is lost.
  await hot.settle();
  t.deepEqual(await hot.rows("admin", "settle_sub_balances", {}), []);
  t.deepEqual(await hot.findings(), []);
});

test.serial("a capture on a hot account does not wait for the counter account", async (t) => {
  const [account, counter, other] = [
    await hot.account({ slots: 4, funds: 100 }),
    await hot.account({ minBalance: null }),
    await hot.account({ minBalance: null }),
  ];
  const hold = await holds.place(account, 40, { counter_account_id: counter });
  const idle = await hot.session();
  await idle.call("transfer", transfer(counter, other, 1));
  const session = await hot.session();
  await session.client.query("set local lock_timeout = '300ms'");
  t.is((await session.call("capture_hold", { hold_id: hold.id })).status, "CAPTURED");
  await session.end("commit");
  await idle.end("rollback");
});

test.serial(
  "what comes in pays for what goes out in another month of the same statement",
  async (t) => {
    const [account, other] = [
      await hot.account({ slots: 2 }),
      await hot.account({ minBalance: null }),
    ];
    const codes = await outcomes([
      hot.query("admin", `select count(*) from saldo.post_entries($1)`, [
        JSON.stringify(
          [
            ["2026-01-31", account, other],
            ["2026-02-01", other, account],
          ].map(([date, debit, credit]) => ({
            occurred_at: `${date}T05:00:00Z`,
            description: "across months",
            lines: [
              { account_id: debit, debit: 10 },
              { account_id: credit, credit: 10 },
            ],
          })),
        ),
      ]),
    ]);
    t.deepEqual(codes, { none: 1 });
  },
);

test.serial("purchases of a batch hold no wallet while they wait for a settlement", async (t) => {
  // Each waits for accounts in the order of their ids: these are opened before the wallet.
  const [counter, other] = [
    await hot.account({ minBalance: null }),
    await hot.account({ minBalance: null }),
  ];
  const revenue = await hot.account({ type: "revenue", slots: 2, funds: 100 });
  const member = await hot.member(100);
  const product = await hot.call("admin", "create_product", {
    code: "limited",
    name: "Limited",
    price: 10,
    revenue_account_id: revenue,
  });
  await hot.submit(revenue, 5, "debit", { counter_account_id: counter });
  await hot.truncateSlots();

  const posting = await hot.session();
  await posting.call("transfer", transfer(counter, other, 1));
  const settling = hot.rows("admin", "settle_sub_balances", {});
  await hot.waitForWaiters(1);
  // Its slots have to be rebuilt, which waits for the settlement, which waits for the posting.
  const buying = hot.query(
    "admin",
    `select error_code from saldo.purchase_many(array(
      select r from jsonb_populate_recordset(null::saldo.purchase_request, $1::jsonb) as r))`,
    [JSON.stringify([{ member_id: member.id, product_id: product.id, amount: 10 }])],
  );
  await hot.waitForWaiters(2);
  await posting.call("transfer", transfer(member.account_id, other, 1));
  await posting.end("commit");
  t.deepEqual(await buying, [{ error_code: null }]);
  await settling;
  t.like(await hot.balance(member), { balance: "89" });
  const [counted] = await hot.root(
    "select deadlocks from pg_stat_database where datname = current_database()",
  );
  t.is(counted?.deadlocks, "0");
});
