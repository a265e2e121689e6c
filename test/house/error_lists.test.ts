import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { factsOf, listedIn, raisable } from "./error_lists.ts";
import { never, unseen } from "./error_never.ts";

const root = fileURLToPath(new URL("../../sql/", import.meta.url));
const names = (await readdir(root, { recursive: true })).filter((name) => /\/.*\.sql$/.test(name));
const facts = factsOf(
  await Promise.all(names.sort().map((name) => readFile(`${root}${name}`, "utf8"))),
);
const can = raisable(facts, never, unseen);

/** What only a member is told, since the others may act for all. */
const ofMembers = ["SB006", "SB007"];

test("a comment names the condition of each code", (t) => {
  const conditions = new Map([...facts.codes].map(([condition, code]) => [code, condition]));
  const bare = [...facts.comments].flatMap(([name, comment]) =>
    [...comment.matchAll(/\b(SB\d{3})\b(?: (\w+))?/g)]
      .filter(([, code = "", condition]) => conditions.get(code) !== condition)
      .map(([text]) => `${name}: ${text}`),
  );
  t.deepEqual(bare, []);
  t.true(conditions.size > 80);
});

test("a function can raise what its comment lists", (t) => {
  const wrong = [...facts.comments].flatMap(([name, comment]) =>
    [...new Set(comment.match(/\bSB\d{3}\b/g))]
      .filter((code) => !can.get(name)?.has(code) && !facts.raised.get(name)?.has(code))
      .map((code) => `${name}: ${code}`),
  );
  t.deepEqual(wrong, []);
});

test("the comment of a public function lists what it can raise", (t) => {
  const missing = [...facts.comments]
    .filter(([name]) => name.startsWith("saldo."))
    .flatMap(([name, comment]) => {
      const listed = listedIn(comment, can);
      return [...(can.get(name) ?? [])]
        .filter((code) => !listed.has(code))
        .filter((code) => facts.forMembers.has(name) || !ofMembers.includes(code))
        .map((code) => `${name}: ${code}`);
    });
  t.deepEqual(missing, []);
});

test("each exception is about a function that is there, and a code that it would have", (t) => {
  const all = raisable(facts, [], unseen);
  for (const { function: form, codes, why } of never) {
    const functions = [...can.keys()].filter((name) => form.test(name));
    t.true(functions.length > 0, why);
    for (const code of codes) {
      t.true(
        functions.some((name) => all.get(name)?.has(code)),
        `${form} ${code}`,
      );
    }
  }
  for (const { function: form, codes } of unseen) {
    const [name = ""] = [...can.keys()].filter((each) => form.test(each));
    const comment = facts.comments.get(name) ?? "";
    t.deepEqual(
      codes.filter((code) => !comment.includes(code)),
      [],
      name,
    );
  }
});

test("calls, triggers and exceptions are followed", (t) => {
  const planted = factsOf([
    `insert into saldo.error_code values ('SB001', 'too_small'), ('SB002', 'too_large');
create or replace function saldo.leaf(size integer)
returns void
as $$
begin
  perform saldo_private.fail(case when size > 1 then 'too_large' else 'too_small' end, 'too_x');
end
$$;
comment on function saldo.leaf is 'It''s SB001 too_small, '
  'SB002 too_large.';
create or replace trigger t before insert or update on saldo.box for each row
  execute function saldo.leaf();
create or replace function saldo.root()
returns void
as $$
  insert into saldo.box values (1); -- saldo.nothing()
$$;
comment on function saldo.root is 'Errors: those of leaf.';
grant execute on function saldo.root to saldo_admin, saldo_member;`,
  ]);
  const free = raisable(planted, []);
  t.deepEqual([...(free.get("saldo.root") ?? [])].sort(), ["SB001", "SB002"]);
  const barred = raisable(planted, [{ function: /leaf$/, codes: ["SB002"], why: "" }]);
  t.deepEqual([...(barred.get("saldo.root") ?? [])], ["SB001"]);
  t.deepEqual([...listedIn(planted.comments.get("saldo.root") ?? "", free)].sort(), [
    "SB001",
    "SB002",
  ]);
  t.is(planted.comments.get("saldo.leaf"), "It''s SB001 too_small, SB002 too_large.");
  t.true(planted.forMembers.has("saldo.root"));
});
