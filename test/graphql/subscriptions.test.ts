import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { type Client, createClient } from "graphql-ws";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

/** A websocket client; without a token it is anonymous. */
function connect(t: { teardown(work: () => void): void }, token: string | null): Client {
  const client = createClient({
    url: `${api.url.replace("http", "ws")}/graphql`,
    retryAttempts: 0,
    ...(token === null ? {} : { connectionParams: { Authorization: `Bearer ${token}` } }),
  });
  t.teardown(() => void client.dispose());
  return client;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
type Result = any;

const follow = (client: Client, query: string, variables = {}) =>
  client.iterate({ query, variables }) as AsyncGenerator<Result>;

const next = async (results: AsyncGenerator<Result>): Promise<Result> =>
  (await results.next()).value;

const CHANGED = `subscription ($id: BigInt!) {
  accountChanged(accountId: $id) {
    event account { code balances { settledBalance pendingCredit availableBalance } }
  }
}`;

const SETTLED = `subscription ($account: BigInt!, $id: UUID!) {
  transactionSettled(accountId: $account, subBalanceId: $id) {
    subBalance { id status settlement { rowCount } }
  }
}`;

let opened = 0;
async function hotAccount(): Promise<string> {
  const [account] = await api.root(
    "select id from saldo.open_account($1, 'Hot', 'liability', min_balance => 0)",
    [`hot-${++opened}`],
  );
  await api.root("select saldo.make_account_hot($1, 4)", [account?.id]);
  return String(account?.id);
}

async function submit(account: string, amount = 100): Promise<string> {
  const { data } = await api.post(
    `mutation ($account: BigInt!, $amount: BigFloat!) {
      submitTransaction(input: { accountId: $account, amount: $amount, direction: credit }) {
        result { id status }
      }
    }`,
    { account, amount: String(amount) },
  );
  return data.submitTransaction.result.id;
}

const settle = () => api.root("select from saldo.settle_sub_balances()");

test.serial("an account's listener is told at the start and after each settlement", async (t) => {
  const account = await hotAccount();
  const results = follow(connect(t, await api.token({})), CHANGED, { id: account });
  t.like((await next(results)).data.accountChanged, {
    event: "subscribed",
    account: { balances: { settledBalance: "0" } },
  });
  await submit(account);
  await settle();
  const { data } = await next(results);
  t.is(data.accountChanged.event, "settled");
  t.like(data.accountChanged.account.balances, { settledBalance: "100", availableBalance: "100" });
});

test.serial("a member gets events of the own top-ups, holds and purchases at once", async (t) => {
  const member = await api.member("listener-citra", "500");
  const client = connect(t, await api.memberToken(member.id));
  const results = follow(client, CHANGED, { id: member.accountId });
  await next(results);
  const balances = async () => (await next(results)).data.accountChanged.account.balances;
  await api.root("select saldo.top_up($1, 250)", [member.id]);
  t.like(await balances(), { settledBalance: "750", availableBalance: "750" });
  const [hold] = await api.root("select id from saldo.place_hold($1, 100)", [member.accountId]);
  t.like(await balances(), { settledBalance: "750", availableBalance: "650" });
  await api.root("select saldo.capture_hold($1)", [hold?.id]);
  t.like(await balances(), { settledBalance: "650", availableBalance: "650" });
  // What has several lines is told as well.
  await api.root(
    `select count(*) from saldo.transfer_many(array[($1, $2, 1, null, null, null),
      ($1, $2, 2, null, null, null)]::saldo.transfer_request[])`,
    [member.accountId, await hotAccount()],
  );
  t.like(await balances(), { settledBalance: "647" });
});

test.serial(
  "words that anybody sends end no subscription, and are no more than a hint",
  async (t) => {
    const [member, other] = [await api.member("told", "500"), await api.member("untold", "900")];
    const client = connect(t, await api.memberToken(member.id));
    const results = follow(client, CHANGED, { id: member.accountId });
    await next(results);
    for (const word of [
      "junk",
      "null",
      "[]",
      "",
      JSON.stringify({ event: "you owe 5", account_id: other.accountId }),
    ]) {
      await api.root("select pg_notify('saldo:account:' || $1, $2)", [member.accountId, word]);
      t.like((await next(results)).data.accountChanged, {
        event: "balance",
        account: { code: "wallet:told", balances: { settledBalance: "500" } },
      });
    }
    // A flood is told in a few words of it, and what comes after it is still heard.
    await api.root(
      "select pg_notify('saldo:account:' || $1, n::text) from generate_series(1, 5000) as n",
      [member.accountId],
    );
    await api.root("select saldo.top_up($1, 250)", [member.id]);
    for (let told = 1; ; told += 1) {
      t.true(told < 1000, "a flood is not told word by word");
      const { account } = (await next(results)).data.accountChanged;
      if (account.balances.settledBalance === "750") break;
    }
  },
);

test.serial("accounts that nobody watches announce nothing", async (t) => {
  const watched = () => api.root("select account_id from saldo_private.account_watch");
  const member = await api.member("listener-dewi", "500");
  t.false((await watched()).some(({ account_id }) => account_id === member.accountId));
  const client = connect(t, await api.memberToken(member.id));
  await next(follow(client, CHANGED, { id: member.accountId }));
  t.true((await watched()).some(({ account_id }) => account_id === member.accountId));
});

test.serial("a listener for a transaction gets one event, when it has settled", async (t) => {
  const account = await hotAccount();
  const id = await submit(account);
  const results = follow(connect(t, await api.token({})), SETTLED, { account, id });
  const told = next(results);
  t.is(await Promise.race([told, sleep(300, "nothing yet")]), "nothing yet");
  await settle();
  t.deepEqual((await told).data.transactionSettled.subBalance, {
    id,
    status: "SETTLED",
    settlement: { rowCount: "1" },
  });
  t.true((await results.next()).done);
});

test.serial("a listener for a settled transaction gets its event at once", async (t) => {
  const account = await hotAccount();
  const id = await submit(account);
  await settle();
  const results = follow(connect(t, await api.token({})), SETTLED, { account, id });
  t.is((await next(results)).data.transactionSettled.subBalance.status, "SETTLED");
});

test.serial("twenty listeners of several accounts each hear their own", async (t) => {
  const accounts = await Promise.all(Array.from({ length: 4 }, hotAccount));
  const client = connect(t, await api.token({}));
  const listeners = accounts.flatMap((id) =>
    Array.from({ length: 5 }, () => ({ id, results: follow(client, CHANGED, { id }) })),
  );
  await Promise.all(listeners.map(({ results }) => next(results)));
  await submit(accounts[1] as string);
  await settle();
  const heard = listeners.filter(({ id }) => id === accounts[1]);
  const events = await Promise.all(heard.map(({ results }) => next(results)));
  t.deepEqual([...new Set(events.map(({ data }) => data.accountChanged.event))], ["settled"]);
  const others = listeners.filter(({ id }) => id !== accounts[1]);
  const silent = Promise.race(others.map(({ results }) => next(results)));
  t.is(await Promise.race([silent, sleep(300, "silent")]), "silent");
});

test.serial(
  "a member follows the own account; another's answers like an absent one's",
  async (t) => {
    const ayu = await api.member("listener-ayu", "500");
    const budi = await api.member("listener-budi");
    const client = connect(t, await api.memberToken(ayu.id));
    const own = await next(follow(client, CHANGED, { id: ayu.accountId }));
    t.is(own.data.accountChanged.account.balances.settledBalance, "500");
    for (const id of [budi.accountId, "999999"]) {
      const { errors } = await next(follow(client, CHANGED, { id }));
      t.is(errors[0].extensions.code, "SB007");
    }
  },
);

test.serial("without a token nothing is delivered, and the reason is given", async (t) => {
  const account = await hotAccount();
  const { errors } = await next(follow(connect(t, null), CHANGED, { id: account }));
  t.is(errors[0].extensions.code, "SB011");
});

test.serial("a bad token ends the socket as unauthorized, too many as forbidden", async (t) => {
  const codes: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    const results = follow(connect(t, "a.b.c"), CHANGED, { id: "1" });
    codes.push(((await t.throwsAsync(next(results), { any: true })) as Result).code);
  }
  t.is(codes[0], 4401);
  t.is(codes.at(-1), 4403);
});

test.serial("a token that expires takes its socket along", async (t) => {
  const account = await hotAccount();
  const results = follow(connect(t, await api.token({}, "2s")), CHANGED, { id: account });
  t.is((await next(results)).data.accountChanged.event, "subscribed");
  const end = (await t.throwsAsync(next(results), { any: true })) as Result;
  t.is(end.code, 4403);
});

test.serial("the limits of a request hold, and only subscriptions are served", async (t) => {
  const client = connect(t, await api.token({}));
  const aliases = Array.from({ length: 500 }, (_, index) => `a${index}: __typename`).join(" ");
  const refused: [query: string, code: string][] = [
    ["{ accounts { nodes { id } } }", "SB010"],
    ["mutation { settleSubBalances(input: {}) { result { id } } }", "SB010"],
    [`subscription { accountChanged(accountId: "1") { ${aliases} } }`, "SB012"],
    ["subscription { nothing }", "SB010"],
    ["subscription {", "SB010"],
    ['subscription { accountChanged(accountId: "x") { event } }', "SB010"],
  ];
  for (const [query, code] of refused) {
    const result = await next(follow(client, query)).catch((errors) => ({ errors }));
    t.is(result.errors?.[0]?.extensions?.code, code, query.slice(0, 50));
  }
  const account = await hotAccount();
  const { data } = await next(follow(client, CHANGED, { id: account }));
  t.is(data.accountChanged.event, "subscribed", "the socket lives on");
});

test.serial("nothing is listened for any more when the client has gone", async (t) => {
  const account = await hotAccount();
  const client = connect(t, await api.token({}));
  const results = follow(client, CHANGED, { id: account });
  await next(results);
  const listening = async () =>
    (
      await api.root(
        `select query from pg_stat_activity
        where application_name = 'saldo listen' and datname = current_database()`,
      )
    )[0]?.query;
  await client.dispose();
  const deadline = Date.now() + 5000;
  while ((await listening()) !== `unlisten "saldo:account:${account}"`) {
    if (Date.now() > deadline) return t.fail(String(await listening()));
    await sleep(20);
  }
  t.pass();
});

test.serial("a lost listening connection ends its subscriptions, and new ones work", async (t) => {
  const account = await hotAccount();
  const client = connect(t, await api.token({}));
  const results = follow(client, CHANGED, { id: account });
  await next(results);
  const broken = next(results).catch(() => ({ errors: [] }));
  await api.root(
    `select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'saldo listen' and datname = current_database()`,
  );
  t.falsy((await broken)?.data);
  const again = follow(connect(t, await api.token({})), CHANGED, { id: account });
  t.is((await next(again)).data.accountChanged.event, "subscribed");
  await submit(account);
  await settle();
  t.is((await next(again)).data.accountChanged.event, "settled");
});

test.serial("another path, and a server that stops, open no socket", async (t) => {
  for (const path of ["/", "/graphql/x", "/health"]) {
    const client = createClient({
      url: `${api.url.replace("http", "ws")}${path}`,
      retryAttempts: 0,
    });
    await t.throwsAsync(next(follow(client, CHANGED, { id: "1" })), { any: true }, path);
  }
});
