import { execFileSync } from "node:child_process";
import test from "ava";
import { shellWord } from "../src/shell_word.ts";

test("a shell takes any text as the one word that it is", (t) => {
  for (const text of ["", "a b", "it's", "$(id)`id`", "\\'\"; rm -rf x #", "a\nb", "*"]) {
    const command = `printf '%s|' "$(printf %s ${shellWord(text)})"`;
    t.is(execFileSync("sh", ["-c", command]).toString(), `${text}|`);
  }
});
