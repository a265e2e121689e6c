import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { runProgram } from "../_support/process.ts";

/** The data folder of one user, and starts of others: only root can be several of them. */

const isRoot = process.getuid?.() === 0;
const idOf = (flag: string) =>
  Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8", stdio: "pipe" }));
const ordinary = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};

/** A folder of the ordinary user's, gone after the test, and launchers for it. */
async function scene(t: ExecutionContext) {
  const home = await mkdtemp(join(tmpdir(), "saldo-test-"));
  await chmod(home, 0o755);
  if (ordinary.uid !== undefined) await chown(home, ordinary.uid, ordinary.gid);
  const folder = join(home, "data");
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const end of ends) await end();
    await rm(home, { recursive: true, force: true });
  });
  const launch = (user = {}) => {
    const program = runProgram("test/_support/launch.ts", [folder], {}, user);
    ends.push(async () => {
      program.child.kill("SIGTERM");
      await program.ended;
    });
    return program;
  };
  return { folder, launch };
}

/** What can be seen of a folder and what is in it: names, owners, modes. */
async function look(folder: string): Promise<string[]> {
  const names = ["", ...(await readdir(folder)), "postgres/data", "postgres/password"];
  const lines = names.map(async (name) => {
    const { uid, gid, mode } = await stat(join(folder, name));
    return `${name} ${uid}:${gid} ${mode.toString(8)}`;
  });
  return (await Promise.all(lines)).sort();
}

test("a refused start changes nothing of the folder, whoever it is", async (t) => {
  const { folder, launch } = await scene(t);
  const first = launch(ordinary);
  await first.printed(/address/);
  const before = await look(folder);
  const second = launch(ordinary);
  t.is(await second.ended, 1);
  t.regex(second.output(), /^refused: Saldo is running already on /);
  t.deepEqual(await look(folder), before);
  if (!isRoot) return;

  const asRoot = launch();
  t.is(await asRoot.ended, 1);
  t.regex(asRoot.output(), /^refused: The PostgreSQL in .* belongs to nobody: start Saldo as that/);
  t.deepEqual(await look(folder), before);
  first.child.kill("SIGTERM");
  t.is(await first.ended, 0);
  // Nor when nobody is running.
  const stopped = await look(folder);
  const again = launch();
  t.is(await again.ended, 1);
  t.deepEqual(await look(folder), stopped);
  await launch(ordinary).printed(/address/);
});

test("a folder that a start as root has taken away says who can give it back", async (t) => {
  if (!isRoot) {
    t.pass("only root can take a folder away");
    return;
  }
  const { folder, launch } = await scene(t);
  const first = launch(ordinary);
  await first.printed(/address/);
  first.child.kill("SIGTERM");
  await first.ended;
  // What a refused start did before it looked for the lock.
  await chown(folder, 0, 0);
  await chmod(folder, 0o710);
  const refused = launch(ordinary);
  t.is(await refused.ended, 1);
  const say = /belongs to root: .*let root say `(.*)`\.\n$/.exec(refused.output())?.[1];
  t.truthy(say, refused.output());
  const [program = "", ...args] = String(say).split(" ");
  execFileSync(program, args);
  await launch(ordinary).printed(/address/);
});

test("a folder that another user owns is refused in a sentence, and stays as it is", async (t) => {
  if (!isRoot) {
    t.pass("only root can make a folder of another user's");
    return;
  }
  const { folder, launch } = await scene(t);
  await mkdir(folder, { mode: 0o755 });
  await chmod(folder, 0o755);
  await writeFile(join(folder, "launcher.lock"), "");
  const program = launch(ordinary);
  t.is(await program.ended, 1);
  t.regex(
    program.output(),
    /^refused: The data folder .* belongs to root: start Saldo as that user/,
  );
  t.is((await stat(folder)).mode & 0o777, 0o755);
  t.deepEqual(await readdir(folder), ["launcher.lock"]);
});
