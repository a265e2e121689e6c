import { execFileSync, spawn } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { tryTill } from "./till.ts";

/**
 * `npm run test:package`: packs Saldo, installs the tarball into an empty folder, and uses it as
 * somebody does who has nothing else: `npx saldo start`, the library, the types. All of it under each
 * Node that is given (paths of programs), or under the one of this process and the system's own.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "saldo-package-"));
// As root PostgreSQL runs as another user, who has to get in.
chmodSync(folder, 0o755);
const secret = "a secret for a test and for nothing else";

let passed = 0;
let failed = 0;

async function check(title: string, work: () => unknown): Promise<void> {
  const start = Date.now();
  try {
    await work();
    passed += 1;
    console.log(`  ✔ ${title} (${((Date.now() - start) / 1000).toFixed(1)}s)`);
  } catch (error) {
    failed += 1;
    const { message, stdout = "", stderr = "" } = error as Error & Record<string, string>;
    console.log(`  ✘ [fail]: ${title}\n${message}\n${stdout}${stderr}`);
  }
}

/** Runs a program in the folder and gives what it prints; the Node comes first on its path. */
function run(node: string, program: string, words: string[], more: Record<string, string> = {}) {
  return execFileSync(program, words, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: environmentOf(node, more),
    // An install on a busy machine with an empty cache takes minutes.
    timeout: 600_000,
  });
}

// Certificates and the registry of whoever runs this stay, for npm may have to ask it.
const ours =
  /^(npm_(?!config_)|npm_config_local_prefix$|NODE_(ENV|OPTIONS|PATH)$|SALDO_|(SERVER_)?DATABASE_URL$|PORT$|HOST$)/;

function environmentOf(node: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  // What npm tells its scripts, and a setting of whoever runs this, are none of the package's.
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const path = `${dirname(node)}${delimiter}${pathWithoutOurs()}`;
  return { ...Object.fromEntries(kept), PATH: path, PORT: "0", SALDO_JWT_SECRET: secret, ...more };
}

const pathWithoutOurs = () =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((each) => !each.includes("node_modules"))
    .join(delimiter);

function pack(): string {
  const printed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [{ filename, files }] = JSON.parse(printed.slice(printed.indexOf("[\n")));
  const names: string[] = files.map(({ path }: { path: string }) => path);
  const strays = names.filter((name) => /^(src|test|tasks|bench|demo|scripts)\//.test(name));
  if (strays.length > 0) throw new Error(`it holds what it should not: ${strays.join(", ")}`);
  const needed = ["README.md", "LICENSE", "dist/src/index.d.ts", "migrations/roles.sql"];
  needed.push("SECURITY.md", "sbom.cdx.json");
  needed.push("dist/web/cashier/index.html", "dist/web/console/index.html");
  needed.push("dist/web/console/allowed_documents.json");
  for (const name of needed) {
    if (!names.includes(name)) throw new Error(`it lacks ${name}`);
  }
  return filename;
}

/** `npx saldo start`, a purchase over GraphQL, a check on the command line, and a stop. */
async function startAndBuy(node: string): Promise<void> {
  const name = `data-${dirname(node).replace(/\W+/g, "-")}`;
  const environment = environmentOf(node, { SALDO_DATA_DIR: join(folder, name) });
  const program = join(folder, "node_modules/.bin/saldo");
  const child = spawn(node, [program, "start"], { cwd: folder, env: environment });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  try {
    const address = await printed(/"address":"([^"]+)"/);
    const token = await printed(/Admin token {2}(\S+)/);
    await buy(address, token);
    const words = run(node, "npx", ["saldo", "check"], { SALDO_DATA_DIR: join(folder, name) });
    if (!/^healthy: 0 findings/m.test(words)) throw new Error(`not healthy: ${words}`);
  } finally {
    child.kill("SIGTERM");
    const code = await ended;
    if (code !== 0) console.log(output);
  }
  if (!output.includes('"message":"stopped"')) throw new Error(`it did not stop: ${output}`);

  async function printed(text: RegExp): Promise<string> {
    for (let look = 0; look < 600; look += 1) {
      const found = text.exec(output)?.[1];
      if (found !== undefined) return found;
      if (child.exitCode !== null) break;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`it did not print ${text}: ${output}`);
  }
}

async function buy(address: string, token: string): Promise<void> {
  const post = async (query: string) => {
    const response = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    const answer = JSON.parse(await response.text());
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  };
  const { createMember } = await post(
    `mutation { createMember(input: { code: "ayu", name: "Ayu" }) { result { id } } }`,
  );
  const { createProduct } = await post(
    `mutation { createProduct(input: { code: "p", name: "P", price: "300" }) { result { id } } }`,
  );
  const member = createMember.result.id;
  const product = createProduct.result.id;
  await post(
    `mutation { topUp(input: { memberId: "${member}", amount: "1000", idempotencyKey: "t" }) {
      result { id } } }`,
  );
  const { purchaseWithBalanceDeduction: bought } = await post(
    `mutation { purchaseWithBalanceDeduction(input: { memberId: "${member}",
      productId: "${product}", amount: "300", idempotencyKey: "b" }) { result { status } } }`,
  );
  if (!/completed/i.test(bought.result.status)) throw new Error(JSON.stringify(bought));
  const { member: after } = await post(`{ member(id: "${member}") { account { balance } } }`);
  if (Number(after.account.balance) !== 700) throw new Error(JSON.stringify(after));
}

/** The Node of this process, and the system's where that is another one. */
function nodes(): string[] {
  const given = process.argv.slice(2);
  if (given.length > 0) return given;
  const found = pathWithoutOurs()
    .split(delimiter)
    .map((each) => join(each, "node"))
    .find((file) => {
      try {
        return execFileSync(file, ["--version"], { encoding: "utf8", stdio: "pipe" });
      } catch {
        return undefined;
      }
    });
  return [...new Set([process.execPath, ...(found === undefined ? [] : [found])])];
}

try {
  let tarball = "";
  await check("npm pack makes a tarball of what is shipped and nothing else", () => {
    tarball = pack();
  });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  await check("it installs into an empty folder, without Saldo's own overrides", () => {
    const words = ["install", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`];
    run(process.execPath, "npm", words);
  });
  // Without the package nothing else says anything.
  if (failed > 0) throw new Error("there is no package to try");
  cpSync(`${root}test/package/client.mjs`, join(folder, "client.mjs"));
  cpSync(`${root}test/package/client_types.ts`, join(folder, "client_types.ts"));
  for (const node of nodes()) {
    const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
    await check(`Node ${version}: npx saldo start, a purchase, a check, a stop`, () =>
      startAndBuy(node),
    );
    await check(`Node ${version}: the library starts, migrates, serves and stops`, () => {
      const environment = { SALDO_DATA_DIR: join(folder, `library-${version}`) };
      const printed = run(node, node, ["client.mjs"], environment);
      if (!printed.includes("all done")) throw new Error(printed);
    });
  }
  await check("the till's own package installs without any other, sells and stops", () =>
    tryTill(folder, process.execPath, environmentOf(process.execPath)),
  );
  await check("the types hold what they promise, and refuse what is wrong", () => {
    const tsc = join(root, "node_modules/.bin/tsc");
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--types", ""];
    run(process.execPath, tsc, [...options, "--skipLibCheck", "false", "client_types.ts"]);
  });
  await check("the version is that of the package", () => {
    const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    const printed = run(process.execPath, "npx", ["saldo", "--version"]);
    if (printed !== `${version}\n`) throw new Error(printed);
  });
} catch (error) {
  console.log(`\n${(error as Error).message}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`\n  ${passed} tests passed${failed > 0 ? `\n  ${failed} tests failed` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
