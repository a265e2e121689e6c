import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { signToken } from "../../src/auth/token.ts";
import { BUY, SECRET, TOP_UP } from "../_support/api.ts";
import { runProgram } from "../_support/process.ts";
import { openWallet } from "../wallet/_wallet.ts";

/*
 * The server is killed with SIGKILL while purchases and top-ups of many callers are carried out
 * together: the statements wait for a table at that moment, and go on or not when nobody hears of them
 * any more.
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

test("what is under way together when the server is killed is whole or absent", async (t) => {
  t.timeout(180_000); // two starts of a server, on a machine that does other things too
  const members = await Promise.all(Array.from({ length: 40 }, () => wallet.member(100)));
  const sold = await wallet.product(10);
  const token = await signToken(SECRET, { sub: "till", role: "admin" }, "1h");
  const acknowledged = new Set<string>();
  const send = async (address: string, query: string, member: string, key: string) => {
    const product = query === BUY ? { product: sold.id } : {};
    const variables = { member, ...product, amount: "10", key };
    const answer = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data } = (await answer.json()) as {
      data: Record<string, { result: { id: string } } | null> | null | undefined;
    };
    const [made] = Object.values(data ?? {});
    const id = made?.result.id;
    if (id !== undefined) acknowledged.add(id);
    return id !== undefined;
  };
  /** Each member buys and tops up in turns, some times; the keys are the same each time. */
  const sendAll = (address: string) =>
    members.map(async ({ id }, index) => {
      for (let time = 0; time < EACH; time += 1) {
        const query = (index + time) % 2 === 0 ? BUY : TOP_UP;
        // One that waited too long is sent again, until it is done or nobody answers.
        while (!(await send(address, query, id, `kept-${index}-${time}`)));
      }
    });
  const until = async (isSo: () => boolean | Promise<boolean>) => {
    while (!(await isSo())) await sleep(2);
  };
  const sessions = (where: string) =>
    wallet.root(`select from pg_stat_activity where datname = current_database() and ${where}`);

  // Where only calls by themselves wait they soon give up, and those behind them go together.
  const first = await startServer({ SALDO_STATEMENT_TIMEOUT_MS: "2000" });
  const cutOff = Promise.allSettled(sendAll(first.address));
  await until(() => acknowledged.size >= members.length);
  const open = await wallet.open("lock table saldo.journal_entry in share mode");
  const waiting = "wait_event_type = 'Lock' and query ~ '(purchases|top_ups)_of_callers'";
  await until(async () => (await sessions(waiting)).length > 0);
  first.program.child.kill("SIGKILL");
  await first.program.ended;
  await open("rollback");
  t.true((await cutOff).some(({ status }) => status === "rejected"));
  const working = "usename like 'saldo_server%' and state <> 'idle'";
  await until(async () => (await sessions(working)).length === 0);

  const kept = await wallet.root(
    `select coalesce(p.id, e.id) as id, count(l.entry_id)::integer as lines
    from saldo.journal_entry as e
    left join saldo.purchase as p on p.entry_id = e.id
    left join saldo.journal_line as l on l.entry_id = e.id
    where e.idempotency_key like 'kept-%' group by p.id, e.id`,
  );
  t.deepEqual(
    kept.filter(({ lines }) => lines !== 2),
    [],
  );
  const keptIds = new Set(kept.map(({ id }) => id));
  t.true([...acknowledged].every((id) => keptIds.has(id)));

  const second = await startServer();
  await Promise.all(sendAll(second.address));
  second.program.child.kill("SIGTERM");
  await second.program.ended;
  t.is(acknowledged.size, members.length * EACH, "each once");
  for (const member of members) t.like(await wallet.balance(member), { balance: "100" });
  t.deepEqual(await wallet.findings(), []);
});
