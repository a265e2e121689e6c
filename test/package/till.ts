import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Packs the till's own small package, installs it into an empty folder, and sells with it: no package
 * of Saldo's is there.
 */
export async function tryTill(folder: string, node: string, environment: NodeJS.ProcessEnv) {
  const place = join(folder, "till");
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), '{ "private": true }\n');
  execFileSync("npm", ["run", "--silent", "build:till"], { cwd: root, stdio: "pipe" });
  execFileSync("npm", ["pack", "--pack-destination", place, "./dist/till"], {
    cwd: root,
    stdio: "pipe",
  });
  const tarball = readdirSync(place).find((name) => name.endsWith(".tgz"));
  const install = ["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`];
  execFileSync("npm", install, { cwd: place, stdio: "pipe", env: environment });
  const installed = readdirSync(join(place, "node_modules")).filter(
    (name) => !name.startsWith("."),
  );
  if (installed.length !== 1) throw new Error(`it brings ${installed.join(", ")}`);
  await sell(join(place, "node_modules/.bin/saldo-branch"), place, node, environment);
}

async function sell(program: string, place: string, node: string, environment: NodeJS.ProcessEnv) {
  const start = Date.now();
  const child = spawn(node, [program, "--port", "0"], {
    env: {
      ...environment,
      SALDO_BRANCH_DIR: join(place, "store"),
      SALDO_BRANCH_ANCHOR_DIR: join(place, "anchors"),
    },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  try {
    let address: string | undefined;
    while (address === undefined && child.exitCode === null && Date.now() - start < 60_000) {
      await new Promise((done) => setTimeout(done, 50));
      address = /http:\/\/localhost(:\d+)/.exec(output)?.[1];
    }
    if (address === undefined) throw new Error(`it did not start: ${output}`);
    const here = `http://127.0.0.1${address}`;
    const response = await fetch(`${here}/api/v1/transactions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "IN", amount: 20000, category: "Penjualan" }),
    });
    if (response.status !== 201) throw new Error(await response.text());
    const page = await (await fetch(here)).text();
    if (!page.includes("/assets/")) throw new Error(`no page: ${page}`);
  } finally {
    child.kill("SIGTERM");
  }
  const code = await ended;
  if (code !== 0) throw new Error(`it ended with ${code}`);
}
