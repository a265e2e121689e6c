import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { signToken } from "../../src/auth/token.ts";
import { BUY, SECRET } from "../_support/api.ts";
import { runProgram } from "../_support/process.ts";
import { openWallet } from "../wallet/_wallet.ts";

/*
 * The server is killed with SIGKILL while purchases of many callers are carried out together: the
 * statement waits for a table at that moment, and goes on or not when nobody hears of it any more.
 */

const wallet = await openWallet();
test.after.always(() => wallet.close());

async function startServer(environment: Record<string, string> = {}) {
  const program = runProgram("src/main.ts", ["server"], {
    DATABASE_URL: wallet.connectionString,
    PORT: "0",
    NODE_ENV: "development",
    SALDO_JWT_SECRET: SECRET,
    ...environment,
  });
  const [, address = ""] = await program.printed(/"address":"(http:[^"]+)"/);
  return { program, address };
}

const EACH = 6;

test("purchases under way together when the server is killed are whole or absent", async (t) => {
  t.timeout(180_000); // two starts of a server, on a machine that does other things too
  const members = await Promise.all(Array.from({ length: 40 }, () => wallet.member(100)));
  const product = await wallet.product(10);
  const token = await signToken(SECRET, { sub: "till", role: "admin" }, "1h");
  const acknowledged = new Set<string>();
  const buy = async (address: string, member: string, key: string) => {
    const variables = { member, product: product.id, amount: "10", key };
    const answer = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: BUY, variables }),
    });
    const { data } = (await answer.json()) as {
      data: { purchaseWithBalanceDeduction: { result: { id: string } } | null } | undefined;
    };
    const id = data?.purchaseWithBalanceDeduction?.result.id;
    if (id !== undefined) acknowledged.add(id);
    return id !== undefined;
  };
  /** Each member buys some times, one after the other; the keys are the same each time. */
  const buyAll = (address: string) =>
    members.map(async ({ id }, index) => {
      for (let time = 0; time < EACH; time += 1) {
        // One that waited too long is sent again, until it is done or nobody answers.
        while (!(await buy(address, id, `kept-${index}-${time}`)));
      }
    });
  const until = async (isSo: () => boolean | Promise<boolean>) => {
    while (!(await isSo())) await sleep(2);
  };
  const sessions = (where: string) =>
    wallet.root(`select from pg_stat_activity where datname = current_database() and ${where}`);

  // Where only calls by themselves wait they soon give up, and those behind them go together.
  const first = await startServer({ SALDO_STATEMENT_TIMEOUT_MS: "2000" });
  const cutOff = Promise.allSettled(buyAll(first.address));
  await until(() => acknowledged.size >= members.length);
  const open = await wallet.open("lock table saldo.purchase in share mode");
  const waiting = "wait_event_type = 'Lock' and query like '%purchases_of_callers%'";
  await until(async () => (await sessions(waiting)).length > 0);
  first.program.child.kill("SIGKILL");
  await first.program.ended;
  await open("rollback");
  t.true((await cutOff).some(({ status }) => status === "rejected"));
  const working = "usename like 'saldo_server%' and state <> 'idle'";
  await until(async () => (await sessions(working)).length === 0);

  const kept = await wallet.root(
    `select p.id, count(l.entry_id)::integer as lines
    from saldo.purchase as p
    left join saldo.journal_line as l on l.entry_id = p.entry_id
    where p.product_id = $1 group by p.id`,
    [product.id],
  );
  t.deepEqual(
    kept.filter(({ lines }) => lines !== 2),
    [],
  );
  const keptIds = new Set(kept.map(({ id }) => id));
  t.true([...acknowledged].every((id) => keptIds.has(id)));

  const second = await startServer();
  await Promise.all(buyAll(second.address));
  second.program.child.kill("SIGTERM");
  await second.program.ended;
  t.is(acknowledged.size, members.length * EACH, "each once");
  for (const member of members) t.like(await wallet.balance(member), { balance: "40" });
  t.deepEqual(await wallet.findings(), []);
});
