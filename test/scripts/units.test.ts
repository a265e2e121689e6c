import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test from "ava";
import { runProgram } from "../_support/process.ts";

/** The units of systemd in deploy/: each names what is there, and the till runs as its unit says. */

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const names = ["saldo", "saldo-branch"] as const;

const valuesOf = (text: string, key: string) =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);

for (const name of names) {
  const text = read(`deploy/${name}.service`);

  test(`${name}.service starts a program that the package has, and gives it time to end`, (t) => {
    const programs = [
      ...Object.keys(JSON.parse(read("package.json")).bin),
      /bin: \{ "([\w-]+)"/.exec(read("scripts/build_till.ts"))?.[1],
    ];
    const [command = "", ...words] = (valuesOf(text, "ExecStart")[0] ?? "").split(" ");
    t.true(programs.includes(basename(command)), command);
    t.is(basename(command), name);
    t.deepEqual(words, name === "saldo" ? ["start"] : []);
    const grace = Number(/^#? ?SALDO_SHUTDOWN_GRACE_MS=(\d+)/m.exec(read(".env.example"))?.[1]);
    t.true(Number(valuesOf(text, "TimeoutStopSec")[0]) * 1000 > grace, `${grace} ms`);
    t.is(valuesOf(text, "Restart")[0], "always");
  });

  // Elsewhere than on Linux there is no systemd to ask.
  const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0 ? test : test.skip;
  analyze(`${name}.service is a unit to systemd`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "saldo-unit-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const file = join(folder, `${name}.service`);
    // The program is not installed here; that it is executable is all that is looked at.
    writeFileSync(file, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], {
      encoding: "utf8",
    });
    const lines = stderr.split("\n").filter((line) => line.includes(name));
    t.deepEqual(lines, []);
    t.is(status, 0, stderr);
  });
}

test("the till starts with what its unit sets, and ends in order", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "saldo-unit-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const text = read("deploy/saldo-branch.service");
  const settings = valuesOf(text, "Environment")
    .flatMap((line) => line.split(" "))
    .map((pair) => pair.split("=") as [string, string])
    .filter(([key]) => key !== "PATH")
    .map(([key, value]) => [key, value.replace("/var/lib", folder)]);
  t.is(settings.length, 2);
  const program = runProgram("src/branch/run.ts", ["--port", "0"], {
    HOME: "/nowhere",
    ...Object.fromEntries(settings),
  });
  const [, store] = await program.printed(/Its store: (\S+)/);
  t.is(store, join(folder, "saldo-branch"));
  program.child.kill("SIGTERM");
  t.is(await program.ended, 0, program.output());
});
