import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { lineAt } from "./sql_text.ts";

/** A posting source is named by the room that posts it and by rooms below, as functions are. */

const root = fileURLToPath(new URL("../../sql/", import.meta.url));
const described = /describe_source\(\s*'(\w+)'/g;

const kept = [
  // Statements before the closing of a year leave its entries out, and stand above the closing room.
  "ledger/totals_until.sql: close_year",
  // In the words of a partial index, which answers no other question.
  "ledger/post_entries.sql: deposit",
  "ledger/post_entries.sql: purchase",
  "ledger/post_entries.sql: adjust_balance",
];

/** Files that name the source of a later room, as `file:line: source`. */
function laterSources(files: ReadonlyMap<string, string>, rooms: readonly string[]): string[] {
  const placeOf = (file: string) => rooms.indexOf(file.split("/")[0] ?? "");
  const homes = [...files].flatMap(([file, text]) =>
    [...text.matchAll(described)].map(([, source = ""]) => ({ source, place: placeOf(file) })),
  );
  return [...files].flatMap(([file, text]) =>
    homes
      .filter(({ place }) => placeOf(file) < place)
      .flatMap(({ source }) =>
        [...text.matchAll(new RegExp(`\\bsource\\b[^;]{0,60}'${source}'`, "g"))]
          .filter(() => !kept.includes(`${file}: ${source}`))
          .map((match) => `${file}:${lineAt(text, match.index)}: ${source}`),
      ),
  );
}

test("no room names the posting source of a later one", async (t) => {
  const index = await readFile(`${root}index.sql`, "utf8");
  const included = [...index.matchAll(/^--!include (\S+)$/gm)].map((match) => match[1] ?? "");
  const rooms = [...new Set(included.map((file) => file.split("/")[0] ?? ""))];
  const names = (await readdir(root, { recursive: true })).filter((name) =>
    /\/.*\.sql$/.test(name),
  );
  const files = new Map<string, string>();
  for (const name of names) files.set(name, await readFile(`${root}${name}`, "utf8"));
  t.deepEqual(laterSources(files, rooms), []);
  t.true([...files.values()].join("").match(described)?.length === 13, "sources are described");
});

test("a list of later sources in an earlier room is seen", (t) => {
  const files = new Map([
    ["ledger/transfer.sql", "select 1;\nselect 1 where a.source in ('other', 'settlement');\n"],
    ["hot/settlement.sql", "select describe_source('settlement');\nwhere source = 'settlement'\n"],
  ]);
  t.deepEqual(laterSources(files, ["ledger", "hot"]), ["ledger/transfer.sql:2: settlement"]);
});
