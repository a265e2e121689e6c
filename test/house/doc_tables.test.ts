import test from "ava";
import { documentParts, documentsWithParts, withParts } from "../../scripts/doc_tables.ts";
import { settings } from "../../src/config.ts";
import { openTestDatabase } from "../_support/database.ts";
import { readDocument } from "./docs.ts";

const database = await openTestDatabase(1);
const parts = await documentParts(database.pool);
test.after.always(() => database.close());

test("what documents have from the program is as it is there (npm run snapshot mends it)", async (t) => {
  for (const path of documentsWithParts) {
    const text = await readDocument(path);
    t.true(Object.keys(parts).some((name) => text.includes(`<!-- /${name} -->`)));
    t.is(text, withParts(text, parts));
  }
});

test("every setting, every error and every figure has its row", async (t) => {
  const { rows } = await database.pool.query<{ code: string }>("select code from saldo.error_code");
  for (const { code } of rows) t.true(parts.errors.includes(`| ${code} | `), code);
  for (const { name } of Object.values(settings)) t.true(parts.settings.includes(`\`${name}\``));
  t.notRegex(parts["bench-brief"], /undefined/);
  t.regex(parts.bench, /\| transfer \| [\d,]+ \|/);
});

test("a part that is not what it should be is rewritten, and nothing around it", (t) => {
  const before = "a\n<!-- settings -->\nold\n<!-- /settings -->\nb\n";
  const after = withParts(before, { ...parts, settings: "new $1" });
  t.is(after, "a\n<!-- settings -->\nnew $1\n<!-- /settings -->\nb\n");
});
