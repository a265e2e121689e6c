import test from "ava";
import { type Hot, listen, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());

const event = (account: string, name: string) =>
  JSON.stringify({ event: name, account_id: account });
const same = (heard: string[]) =>
  heard
    .map((payload) => JSON.parse(payload))
    .map(({ account_id, event: name }) => event(account_id, name));
/** A listener, and what it has heard by the time that the server has nothing more to tell. */
const listener = async (room: Hot, account: string) => {
  const { heard, client, close } = await listen(room, `saldo:account:${account}`);
  const all = async () => {
    // Notifications of commits that are through come before the answer to a later statement.
    await client.query("select");
    return same(heard);
  };
  return { all, close };
};

test.serial("a settlement tells the listeners of its accounts, and no others", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const other = await hot.account({ funds: 100, slots: 2 });
  await hot.settle();
  const [mine, theirs] = [await listener(hot, account), await listener(hot, other)];
  await hot.submit(account, 1, "debit");
  await hot.submit(account, 2, "debit");
  t.deepEqual(await mine.all(), []);
  await hot.settle();
  t.deepEqual(await mine.all(), [event(account, "settled")]);
  t.deepEqual(await theirs.all(), []);
  await mine.close();
  await theirs.close();
});

test.serial("postings to a hot account are told when its row has them", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await hot.settle();
  const mine = await listener(hot, account);
  await hot.call("admin", "transfer", {
    debit_account_id: account,
    credit_account_id: await hot.account({ minBalance: null }),
    amount: 10,
  });
  await hot.settle();
  t.deepEqual(await mine.all(), [event(account, "balance")]);
  await mine.close();
});

test.serial("a settlement that is rolled back tells nothing", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await hot.submit(account, 1, "debit");
  const mine = await listener(hot, account);
  const session = await hot.session();
  await session.call("settle_sub_balances", {});
  await session.end("rollback");
  t.deepEqual(await mine.all(), []);
  await hot.settle();
  t.true((await mine.all()).includes(event(account, "settled")));
  await mine.close();
});
