import test, { type ExecutionContext } from "ava";
import pg from "pg";
import { type Answer, BUY, openApi, TOP_UP } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

const SUBMIT = `mutation ($account: BigInt!, $amount: BigFloat!, $key: String) {
  submitTransaction(input: {
    accountId: $account, amount: $amount, direction: credit, idempotencyKey: $key
  }) { result { id seq amount createdAt createdBy account { id } } }
}`;

/** In how many transactions so many rows were written. */
const transactions = async (text: string, values: unknown[]) =>
  Number(
    (await api.root(`select count(distinct xmin::text) as count ${text}`, values))[0]?.["count"],
  );

const isBad = (index: number) => index % 20 === 19;

/** What the first two calls wait for: a statement that holds it. */
interface Held {
  readonly text: string;
  readonly values?: unknown[];
}

const accountsHeld = (ids: unknown[]): Held => ({
  text: "select from saldo.account where id = any ($1) for no key update",
  values: [ids],
});

/** Sends calls so that all but two wait at the same moment: these wait for what is held. */
async function sendAtOnce(send: (index: number) => Promise<Answer>, held: Held, count: number) {
  const holder = new pg.Client({ connectionString: api.connectionString });
  await holder.connect();
  await holder.query("begin");
  await holder.query(held.text, held.values);
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  const answers: Promise<Answer>[] = [];
  for (const index of [0, 1]) {
    answers.push(send(index));
    for (let found = 0; found <= index; ) {
      found = (await api.root(waiting)).length;
    }
  }
  for (let index = 2; index < count; index += 1) answers.push(send(index));
  for (let running = 0; running < count; ) {
    const { text } = await api.request("/metrics");
    running = Number(/^saldo_requests_running\{lane="joint"\} (\d+)$/m.exec(text)?.[1]);
  }
  await holder.end();
  return await Promise.all(answers);
}

async function areTogether(
  t: ExecutionContext,
  field: string,
  text: string,
  values: unknown[] = [],
) {
  const count = await transactions(`from saldo.${text}`, values);
  t.true(count > 0 && count <= 10, `${field}: ${count} transactions`);
}

test.serial(
  "purchases that wait at the same moment go together, each as its caller's own",
  async (t) => {
    const product = await api.product("joint", "10");
    const members = await Promise.all(
      Array.from({ length: 60 }, (_, index) => api.member(`joint ${index}`, "100")),
    );
    const tokens = await Promise.all(members.map(({ id }) => api.memberToken(id)));
    const admin = await api.token({ sub: "staff" });
    const answers = await sendAtOnce(
      (index) => {
        const isStaff = index % 3 === 0;
        return api.post(
          BUY,
          {
            member: members[index]?.id,
            product: product.id,
            amount: isBad(index) ? "11" : "10",
            key: `once-${index}`,
          },
          isStaff ? admin : (tokens[index] ?? ""),
        );
      },
      accountsHeld(members.slice(0, 2).map(({ accountId }) => accountId)),
      members.length,
    );
    for (const [index, { code, data }] of answers.entries()) {
      if (isBad(index)) t.is(code, "SB303");
      else t.is(data?.purchaseWithBalanceDeduction.result.amount, "10", code);
    }
    const rows = await api.root(
      `select p.created_by, e.posted_by, m.id::text as member from saldo.purchase as p
    join saldo.journal_entry as e on e.id = p.entry_id join saldo.member as m on m.id = p.member_id
    where p.product_id = $1 order by m.id`,
      [product.id],
    );
    t.is(rows.length, 57);
    for (const { created_by, posted_by, member } of rows) {
      const index = members.findIndex(({ id }) => id === member);
      t.is(created_by, index % 3 === 0 ? "staff" : `member ${member}`);
      t.is(posted_by, created_by);
    }
    await areTogether(t, "purchase", "purchase where product_id = $1", [product.id]);
  },
);

test.serial(
  "submissions that wait at the same moment go together, and retries find theirs",
  async (t) => {
    const [account] = await api.root(
      "select (saldo.make_account_hot((saldo.open_account('h', 'h', 'liability', min_balance => 0)).id)).id",
    );
    const token = await api.token({ sub: "till" });
    const send = (index: number) =>
      api.post(
        SUBMIT,
        { account: account?.["id"], amount: isBad(index) ? "0" : "1.5", key: `s${index % 50}` },
        token,
      );
    // A row waits for nobody else's row: only a lock of them all makes two wait.
    const slots = { text: "lock table saldo_private.account_slot in exclusive mode" };
    const first = await sendAtOnce(send, slots, 60);
    const again = await Promise.all(Array.from({ length: 60 }, (_, index) => send(index)));
    for (const answers of [first, again]) {
      for (const [index, { code, data }] of answers.entries()) {
        if (isBad(index)) t.is(code, "SB002");
        else t.like(data?.submitTransaction.result, { amount: "1.5", createdBy: "till" }, code);
      }
    }
    const idsOf = (answers: typeof first) =>
      answers.map(({ data }) => data?.submitTransaction?.result.id);
    t.deepEqual(idsOf(again), idsOf(first));
    t.is(new Set(idsOf(first)).size, 49);
    const unnamed = await Promise.all(
      Array.from({ length: 30 }, () =>
        api.post(SUBMIT, { account: account?.["id"], amount: "1" }, token),
      ),
    );
    t.true(unnamed.every(({ code }) => code === undefined));
    const [written] = await api.root(
      "select count(*)::integer as count from saldo.sub_balance where account_id = $1",
      [account?.["id"]],
    );
    t.is(written?.["count"], 48 + 30, "each once");
    await areTogether(
      t,
      "submitTransaction",
      "sub_balance where account_id = $1 and idempotency_key is not null",
      [account?.["id"]],
    );
  },
);

const TRANSFER = `mutation ($from: BigInt!, $to: BigInt!, $amount: BigFloat!, $key: String) {
  transfer(input: {
    debitAccountId: $from, creditAccountId: $to, amount: $amount, idempotencyKey: $key
  }) { result { id description source postedBy occurredAt } }
}`;
const HOLD = `mutation ($account: BigInt!, $amount: BigFloat!, $text: String, $key: String) {
  placeHold(input: {
    accountId: $account, amount: $amount, description: $text, idempotencyKey: $key
  }) { result { id amount description createdBy expiresAt } }
}`;
const CAPTURE = `mutation ($hold: UUID!, $amount: BigFloat, $key: String) {
  captureHold(input: { holdId: $hold, amount: $amount, keepRest: true, idempotencyKey: $key }) {
    result { id status capturedAmount openAmount }
  }
}`;

const entriesOf = (source: string) =>
  `journal_entry where source = '${source}' and idempotency_key like 'k%'`;

test.serial(
  "top-ups, transfers, holds and captures go together, and a bad one fails none",
  async (t) => {
    const members = await Promise.all(
      Array.from({ length: 60 }, (_, index) => api.member(`kinds ${index}`, "100")),
    );
    const tokens = await Promise.all(
      Array.from({ length: 3 }, (_, index) => api.token({ sub: `till ${index}` })),
    );
    /** One call for each member at once, and all again; every twentieth has a bad amount. */
    const sendAll = async (
      document: string,
      field: string,
      variables: (index: number, amount: string) => object,
    ) => {
      const send = (index: number) =>
        api.post(document, variables(index, isBad(index) ? "0" : "1.5"), tokens[index % 3]);
      const first = await sendAtOnce(
        send,
        accountsHeld(members.slice(0, 2).map(({ accountId }) => accountId)),
        members.length,
      );
      const again = await Promise.all(members.map((_, index) => send(index)));
      for (const [index, { code, data }] of first.entries()) {
        const { code: codeAgain, data: dataAgain } = again[index] ?? {};
        if (isBad(index)) t.deepEqual([code, codeAgain], ["SB002", "SB002"], field);
        else t.deepEqual(dataAgain?.[field].result, data?.[field].result, `${field} ${code}`);
      }
      return first.map(({ data }) => data?.[field]?.result);
    };
    const callers = members.map((_, index) => (isBad(index) ? undefined : `till ${index % 3}`));

    const topUps = await sendAll(TOP_UP, "topUp", (index, amount) => ({
      member: members[index]?.id,
      amount,
      text: "Café",
      key: `k${index}`,
    }));
    t.is(topUps.filter((result) => result?.description === "Café").length, 57);
    await areTogether(t, "topUp", entriesOf("top_up"));

    const transfers = await sendAll(TRANSFER, "transfer", (index, amount) => ({
      from: members[index]?.accountId,
      to: members[(index + 30) % 60]?.accountId,
      amount,
      key: `k${index}`,
    }));
    t.deepEqual(
      transfers.map((result) => result?.postedBy),
      callers,
    );
    await areTogether(t, "transfer", entriesOf("transfer"));

    const holds = await sendAll(HOLD, "placeHold", (index, amount) => ({
      account: members[index]?.accountId,
      amount,
      key: `k${index}`,
    }));
    t.deepEqual(
      holds.map((result) => result?.createdBy),
      callers,
    );
    await areTogether(t, "placeHold", "hold where idempotency_key like 'k%'");

    const captured = await sendAll(CAPTURE, "captureHold", (index, amount) => ({
      hold: holds[index]?.id ?? holds[0]?.id,
      amount: amount === "1.5" ? "1" : amount,
      key: `k${index}`,
    }));
    t.deepEqual(new Set(captured.map((result) => result?.openAmount)), new Set(["0.5", undefined]));
    await areTogether(t, "captureHold", entriesOf("capture_hold"));
    const [sums] = await api.root(
      `select sum(a.balance)::text as balance, sum(a.held_total)::text as held
    from saldo.account as a join saldo.member as m on m.account_id = a.id
    where m.code like 'kinds %'`,
    );
    t.deepEqual(sums, { balance: "6028.5", held: "28.5" });
  },
);
