import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { logicOf } from "./catalogue.ts";

const root = fileURLToPath(new URL("../../sql/", import.meta.url));

/** All of sql/, in its load order, as one text. */
async function allLogic(): Promise<string> {
  const index = await readFile(`${root}index.sql`, "utf8");
  const files = [...index.matchAll(/^--!include (\S+)$/gm)].map((match) => match[1] ?? "");
  const texts = await Promise.all(files.map((file) => readFile(`${root}${file}`, "utf8")));
  return texts.join("\n");
}

test("sql/ can be run again, twice, and equals what the migrations made of it", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const migrated = await logicOf(database.pool);
    const logic = await allLogic();
    for (let round = 0; round < 2; round += 1) {
      await database.pool.query(`begin; set local role saldo_owner; ${logic}; commit`);
      t.deepEqual(await logicOf(database.pool), migrated);
    }
    t.true(migrated.length > 100);
  } finally {
    await database.close();
  }
});
