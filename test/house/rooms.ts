import { codeOf, lineAt } from "./sql_text.ts";
import type { Violation } from "./tidy.ts";

/** Which file a name of the database is at home in, and which files use it. */

/** Files of sql/ by their path, as `ledger/account.sql`. */
export type SqlFiles = ReadonlyMap<string, string>;

/** A name of another file, where it is used. */
export interface Reference {
  file: string;
  line: number;
  name: string;
  /** The file that makes it. */
  home: string;
}

const making =
  /\b(?:create or replace (?:function|view)|comment on (?:table|view|type|domain)) (saldo\w*\.\w+)/g;
const name = /\bsaldo(?:_private|_rule)?\.\w+/g;
const dynamic = /\bexecute\s+format\s*\([\s\S]*?;/g;
const onlyName = /'(saldo\w*\.\w+)'/g;

/**
 * Names and the files they are at home in: a function or a view is where it is made; a table, a
 * type or a domain, which migrations make, where it is commented on.
 */
export function homes(files: SqlFiles): Map<string, string> {
  const home = new Map<string, string>();
  for (const [file, text] of files) {
    for (const [, made = ""] of codeOf(text).matchAll(making)) home.set(made, file);
  }
  return home;
}

/** Names that more than one file makes or comments on. */
export function sharedHomes(files: SqlFiles): string[] {
  const home = homes(files);
  return [...files].flatMap(([file, text]) =>
    [...codeOf(text).matchAll(making)]
      .filter(([, made = ""]) => home.get(made) !== file)
      .map(([, made]) => `${made} is at home in ${file} and in ${home.get(made ?? "")}`),
  );
}

/**
 * The names that each file uses of others: in its code, in texts that are nothing but a name, and
 * in the statements that `execute format` makes. What is only spoken of, in comments and messages,
 * is no use.
 */
export function references(files: SqlFiles): Reference[] {
  const home = homes(files);
  return [...files].flatMap(([file, text]) => {
    const code = codeOf(text);
    const places = [
      ...[...code.matchAll(name)].map((match) => ({ at: match.index, used: match[0] })),
      ...[...commentless(text).matchAll(onlyName)].map((match) => ({
        at: match.index,
        used: match[1] ?? "",
      })),
      ...[...commentless(text).matchAll(dynamic)].flatMap((statement) =>
        [...statement[0].matchAll(name)].map((match) => ({
          at: statement.index + match.index,
          used: match[0],
        })),
      ),
    ];
    return [...new Map(places.map((place) => [place.at, place])).values()].flatMap((place) => {
      const target = home.get(place.used);
      return target === undefined || target === file
        ? []
        : [{ file, line: lineAt(text, place.at), name: place.used, home: target }];
    });
  });
}

/** The text without its comments, each as long as it was. */
function commentless(text: string): string {
  return text.replace(/'(?:[^']|'')*'|--[^\n]*/g, (piece) =>
    piece.startsWith("--") ? " ".repeat(piece.length) : piece,
  );
}

/**
 * Uses of a name whose file is loaded later. Where there are none there is no circle either,
 * neither of files nor of rooms.
 */
export function upwardReferences(index: string, files: SqlFiles): Violation[] {
  const order = [...index.matchAll(/^--!include (\S+)$/gm)].map((match) => match[1] ?? "");
  return references(files)
    .filter(({ file, home }) => order.indexOf(home) > order.indexOf(file))
    .map(({ file, line, name: used, home }) => ({
      file,
      line,
      rule: `${used} is at home in ${home}, a later file`,
    }));
}
