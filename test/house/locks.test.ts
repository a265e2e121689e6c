import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { locks } from "../../src/database/locks.ts";
import { functionsOf } from "./sql_text.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const home = "sql/foundation/advisory_lock.sql";
const classes = functionsOf(home, await readFile(`${root}${home}`, "utf8"));

/** Numbers of advisory locks that a text spells out, where it takes one or looks for one. */
function bareNumbers(text: string): string[] {
  const taken =
    /\bpg_(?:try_)?advisory_\w+\(\s*(?:case\b[^()]*?\b)?[\d_]+|\bclassid\b[^;\n]*?\b\d+/g;
  return [...text.matchAll(taken)].map(([piece]) => piece.replace(/\s+/g, " "));
}

test("an advisory lock is taken by its name", async (t) => {
  const found: string[] = [];
  let count = 0;
  for (const folder of ["sql", "src", "tasks", "scripts", "bench", "demo", "test"]) {
    for (const file of await readdir(`${root}${folder}`, { recursive: true })) {
      if (!/\.(sql|ts)$/.test(file) || file === "house/locks.test.ts") continue;
      const text = await readFile(`${root}${folder}/${file}`, "utf8");
      count += text.match(/\bpg_(?:try_)?advisory_/g)?.length ?? 0;
      found.push(...bareNumbers(text).map((piece) => `${folder}/${file}: ${piece}`));
    }
  }
  t.deepEqual(found, []);
  t.true(count > 20);
});

test("each class has a number of its own, and the program's are those of the database", (t) => {
  const numbers = new Map(
    classes.flatMap(({ name, body }) => {
      const [, number] = /^\s*select (\d+)\s*$/.exec(body) ?? [];
      return number === undefined ? [] : [[name, Number(number)] as const];
    }),
  );
  t.true(numbers.size > 8);
  t.is(new Set(numbers.values()).size, numbers.size);
  for (const [name, number] of Object.entries(locks)) {
    t.is(numbers.get(`saldo_private.${name}_lock`), number, name);
  }
});

test("the rule sees a bare number, and a name is none", (t) => {
  for (const text of [
    "perform pg_advisory_xact_lock(7247, month)",
    "pg_try_advisory_xact_lock_shared(\n  12)",
    "pg_advisory_lock(case when is_trial then 7 else 8 end)",
    "where classid = 7246",
    "and l.classid in (7251, 7252)",
  ]) {
    t.is(bareNumbers(text).length, 1, text);
  }
  for (const text of [
    "pg_advisory_xact_lock(saldo_private.closing_lock(), 0)",
    "pg_advisory_lock($1)",
    "pg_advisory_lock($1, hashtext($2))",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a template looks like
    "pg_advisory_lock(${locks.worker}, 1)",
    "classid::bigint = saldo_private.worker_lock()",
  ]) {
    t.deepEqual(bareNumbers(text), [], text);
  }
});
