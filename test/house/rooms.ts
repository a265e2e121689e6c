import { codeOf, lineAt } from "./sql_text.ts";
import { placeOf, type Violation } from "./tidy.ts";

/** Which room a name of the database is at home in, and who uses it from above. */

/** Files of sql/ by their path, as `ledger/account.sql`. */
export type SqlFiles = ReadonlyMap<string, string>;

const roomOf = (file: string) => file.split("/")[0] ?? "";

/**
 * Names and their rooms: a function is at home where it is made, a table, view or type where it is
 * commented on, since concept files do that and migrations have no rooms.
 */
export function homes(files: SqlFiles): Map<string, string> {
  const home = new Map<string, string>();
  for (const [file, text] of files) {
    const code = codeOf(text);
    for (const [, name = ""] of code.matchAll(
      /\b(?:create or replace (?:function|view)|comment on (?:table|view|type)) (saldo(?:_private)?\.\w+)/g,
    )) {
      home.set(name, roomOf(file));
    }
  }
  return home;
}

/** Uses of a name that a later room is the home of. */
export function laterNames(files: SqlFiles): Violation[] {
  const home = homes(files);
  const violations: Violation[] = [];
  for (const [file, text] of files) {
    const own = placeOf(roomOf(file));
    const code = codeOf(text);
    for (const match of code.matchAll(/\bsaldo(?:_private)?\.\w+/g)) {
      const room = home.get(match[0]);
      if (room === undefined || placeOf(room) <= own) continue;
      violations.push({
        file,
        line: lineAt(code, match.index),
        rule: `${match[0]} is at home in ${room}, a later room`,
      });
    }
  }
  return violations;
}
