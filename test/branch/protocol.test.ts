import { readFile } from "node:fs/promises";
import test from "ava";
import fc from "fast-check";
import { branchSchemaPath, branchSchemaText } from "../../scripts/branch_schema.ts";
import { canonicalText, isHashRight, rowHash } from "../../src/branch/protocol/canonical.ts";
import { checkDigits, keyProof } from "../../src/branch/protocol/key.ts";
import { decimal, type Row, rowSchema } from "../../src/branch/protocol/schema.ts";

interface Vector {
  title: string;
  device: string;
  epoch: string;
  row: Row;
  canonical_text: string;
}

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const vectors = JSON.parse(await read("test/branch/hash_vectors.json")) as Vector[];

test("the published vectors are what the program makes of their rows", (t) => {
  t.true(vectors.length > 5);
  let before: string | null = null;
  for (const { title, row, canonical_text, ...place } of vectors) {
    t.is(canonicalText(place, row), canonical_text, title);
    t.is(rowHash(place, row), row.hash, title);
    t.true(rowSchema.safeParse(row).success, title);
    t.is(row.prev, before, title);
    before = row.hash;
  }
});

test("a row with any field changed, or in another place, has another hash", (t) => {
  const [{ row, ...place }] = vectors.slice(3) as [Vector];
  t.true(isHashRight(place, row));
  for (const field of Object.keys(row).filter((each) => each !== "hash")) {
    const value = row[field as keyof Row];
    const changed = { ...row, [field]: typeof value === "number" ? value + 1 : `${value ?? ""}1` };
    t.false(isHashRight(place, changed as Row), field);
  }
  t.false(isHashRight({ ...place, device: place.epoch }, row));
  t.false(isHashRight({ ...place, epoch: place.device }, row));
});

test("no two texts in two fields come to the same canonical text", (t) => {
  const [{ row, ...place }] = vectors as [Vector];
  const piece = fc.string({
    unit: fc.constantFrom("\\", "\t", "\n", "N", "t", "n", "a"),
    maxLength: 6,
  });
  const field = fc.option(piece, { nil: null });
  fc.assert(
    fc.property(field, field, field, field, (a, b, c, d) => {
      const left = canonicalText(place, { ...row, description: a, cashier: b });
      const right = canonicalText(place, { ...row, description: c, cashier: d });
      return (left === right) === (a === c && b === d);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test("an amount has one way to be written", (t) => {
  const parses = (text: string) => decimal.safeParse(text).success;
  for (const text of ["0", "1", "20000", "0.5", "12.05", "999999999999999.99"])
    t.true(parses(text));
  for (const text of ["", "-1", "01", "1.0", "1.50", "1.", ".5", "1e3", "1,5", "20.000", "1.234"]) {
    t.false(parses(text), text);
  }
  t.false(parses("1000000000000000"));
});

test("a key with a digit changed is none", (t) => {
  const id = "0123456789ab";
  const secret = "0f".repeat(32);
  const key = `sbk_${id}_${secret}${checkDigits(id, secret)}`;
  t.is(keyProof(key)?.id, id);
  t.is(keyProof(key)?.secretHash.length, 32);
  for (let at = 0; at < key.length; at++) {
    const other = key[at] === "1" ? "2" : "1";
    t.is(keyProof(key.slice(0, at) + other + key.slice(at + 1)), null, String(at));
  }
  t.is(keyProof(`${key} `), null);
});

test("the JSON Schema in docs/ is the one that the program checks by", async (t) => {
  t.is(await read(branchSchemaPath), branchSchemaText());
});
