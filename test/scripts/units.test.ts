import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test from "ava";
import { parseAllDocuments } from "yaml";
import { runProgram } from "../_support/process.ts";

/** What deploy/ and the containers have: each names what is there, and the till runs as its unit says. */

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

test("the Kubernetes manifests are YAML, and name what is there", (t) => {
  const manifests = parseAllDocuments(read("deploy/kubernetes.yaml"));
  t.deepEqual(
    manifests.flatMap(({ errors }) => errors),
    [],
  );
  const all = manifests.map((each) => each.toJS());
  const ofKind = (kind: string) => all.filter((each) => each.kind === kind);
  t.deepEqual(all.map(({ kind }) => kind).sort(), [
    "ConfigMap",
    "CronJob",
    "Deployment",
    "Deployment",
    "Service",
  ]);
  const settings = read(".env.example");
  for (const name of Object.keys(ofKind("ConfigMap")[0].data))
    t.true(settings.includes(`${name}=`));
  const grace = Number(/^#?SALDO_SHUTDOWN_GRACE_MS=(\d+)/m.exec(settings)?.[1]);
  const parts = [];
  for (const { spec } of ofKind("Deployment")) {
    const { containers, terminationGracePeriodSeconds } = spec.template.spec;
    const [{ command, lifecycle, startupProbe, livenessProbe, readinessProbe }] = containers;
    const pause = Number(lifecycle?.preStop.exec.command[1] ?? 0);
    t.true((terminationGracePeriodSeconds - pause) * 1000 > grace);
    t.deepEqual(command.slice(0, 2), ["node", "src/main.ts"]);
    parts.push(command[2]);
    const probes = [startupProbe, livenessProbe, readinessProbe].map(
      (probe) => probe?.httpGet.path ?? null,
    );
    t.deepEqual(
      probes,
      command[2] === "server" ? ["/health", "/health", "/ready"] : [null, null, null],
    );
    t.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  }
  t.deepEqual(parts, ["server", "worker"]);
  t.deepEqual(ofKind("Service")[0].spec.selector, { app: "saldo", part: "server" });
});

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
