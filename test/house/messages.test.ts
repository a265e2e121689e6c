import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { root } from "./docs.ts";

/** docs/guides/troubleshooting.md quotes what the program says, and codes that there are. */

const read = (path: string) => readFileSync(`${root}${path}`, "utf8");
const page = read("docs/guides/troubleshooting.md");

/** All texts of the program, those in parts put together. */
const said = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => read(`src/${file}`))
  .join("\n")
  .replace(/["`]\s*\+\s*["`]/g, "");

/** The parts of a quoted sentence between what differs, that are not in the program's texts. */
const unsaid = (sentence: string) =>
  sentence.split("…").filter((part) => !said.includes(part.trim()));

const quoted = [...page.matchAll(/^\| `([^`]+)` \| [^|]+ \|$/gm)].map(([, text = ""]) => text);

test("each sentence that the page quotes is one that the program says", (t) => {
  t.deepEqual(
    quoted.filter((sentence) => unsaid(sentence).length > 0),
    [],
  );
  t.true(quoted.length > 30);
  t.deepEqual(unsaid("Port … is quite taken"), [" is quite taken"]);
});

test("each code of the page is in the catalogue", (t) => {
  const catalogue = read("docs/reference/errors.md");
  const codes = [...page.matchAll(/\bSB\d{3}\b/g)].map(([code]) => code);
  t.deepEqual(
    codes.filter((code) => !catalogue.includes(`| ${code} | `)),
    [],
  );
  t.true(codes.length > 15);
});
