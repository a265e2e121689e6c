import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";

/** Rules over every file that a clone would have; biome has those over the form of TypeScript. */

const root = fileURLToPath(new URL("../../", import.meta.url));
const written = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
}).split("\0");
const generated =
  /^(package-lock\.json|src\/sql_types\.ts|src\/web\/console\/api\/schema_types\.ts|schema\.graphql|migrations\/(schema\.sql|committed\/.*))$/;
const isText =
  /\.(tsx?|css|html|js|json|jsonc|sql|md|ya?ml|toml|graphql)$|(^|\/)(Dockerfile|\.gmrc|run)$/;
const files = written.filter((file) => isText.test(file));

// Spelled apart, so that this file does not break its own rules.
const leftovers = new RegExp(`\\b(${["TO", "FIX"].join("DO|")}ME|X{3})\\b`);
const machinePaths = /(^|[\s"'`=(])\/(root|home|work|Users|mnt)\/\w/;
const privateHosts = /\b(10(\.\d{1,3}){3}|192\.168(\.\d{1,3}){2}|[\w-]+\.(internal|local|lan))\b/;

/** Lines of the files that break the rule, as `file:line`. */
async function breakers(rule: RegExp, chosen: string[]): Promise<string[]> {
  const all: string[] = [];
  for (const file of chosen) {
    const text = await readFile(`${root}${file}`, "utf8").catch(() => "");
    for (const [index, line] of text.split("\n").entries()) {
      if (rule.test(line)) all.push(`${file}:${index + 1}`);
    }
  }
  return all;
}

const own = files.filter((file) => !generated.test(file));

test("a source file has at most 400 lines", async (t) => {
  const long: string[] = [];
  for (const file of own.filter((name) => /\.(tsx?|sql)$/.test(name))) {
    const text = await readFile(`${root}${file}`, "utf8").catch(() => "");
    // A first migration makes all tables at once.
    if (file !== "migrations/current.sql" && text.split("\n").length > 401) long.push(file);
  }
  t.deepEqual(long, []);
  t.true(own.length > 80);
});

test("no file has leftovers", async (t) => {
  const chosen = own.filter((file) => !/^test\/house\/(tidy|source)/.test(file));
  t.deepEqual(await breakers(leftovers, chosen), []);
});

test("no file knows the machine that it was written on", async (t) => {
  t.deepEqual(await breakers(machinePaths, own), []);
  t.deepEqual(await breakers(privateHosts, own), []);
});

test("the lock file names no registry but the public one", async (t) => {
  const lock = await readFile(`${root}package-lock.json`, "utf8");
  const hosts = [...lock.matchAll(/"resolved": "https?:\/\/([^/"]+)/g)].map((match) => match[1]);
  t.deepEqual(
    [...new Set(hosts)].filter((host) => host !== "registry.npmjs.org"),
    [],
  );
});

test("these rules see what is planted", (t) => {
  for (const line of ["// TO" + "DO: later", "-- FIX" + "ME", "X" + "XX"]) {
    t.regex(line, leftovers);
  }
  for (const line of ["cd /home" + "/somebody", 'x = "/work' + '/main"']) {
    t.regex(line, machinePaths);
  }
  for (const line of ["http://10.1" + ".2.3/npm", "registry.corp.int" + "ernal"]) {
    t.regex(line, privateHosts);
  }
  t.notRegex("127.0.0.1:8080 and migrations/committed/ are everybody's", machinePaths);
  t.notRegex("127.0.0.1:8080", privateHosts);
});
