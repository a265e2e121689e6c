import { codeOf, lineAt } from "./sql_text.ts";
import type { Violation } from "./tidy.ts";

/**
 * Composite values are filled and read by the names of their fields: a swap of two fields of one
 * type would be silent. What a function returns row by row is a select list, as PostgreSQL knows no
 * other way, and is not looked at.
 */

/** A row in the order of its fields that stays, because its place is on the hot path. */
export interface PositionalRow {
  file: string;
  /** The type that the row is cast to, or the variable that it is read into. */
  what: string;
}

interface Found extends PositionalRow {
  at: number;
  rule: string;
}

/** At most as many fields are told apart at a glance. */
const mostFields = 3;

/** Looks at one file of sql/; `kept` are rows that stay as they are. */
export function positionalRows(
  file: string,
  text: string,
  kept: readonly PositionalRow[] = [],
): Violation[] {
  return [...found(file, codeOf(text)), ...foundInMade(file, text)]
    .filter(({ what }) => !kept.some((row) => row.file === file && row.what === what))
    .map(({ at, rule }) => ({ file, line: lineAt(text, at), rule }));
}

/** Of the rows that stay, those that are not there any more. */
export function staleRows(
  files: ReadonlyMap<string, string>,
  kept: readonly PositionalRow[],
): PositionalRow[] {
  return kept.filter(
    (row) =>
      !found(row.file, codeOf(files.get(row.file) ?? "")).some(({ what }) => what === row.what),
  );
}

function found(file: string, code: string): Found[] {
  const report = (at: number, what: string, rule: string) => ({ file, at, what, rule });
  const rows = groups(code).filter(({ items }) => items > mostFields);
  return [
    ...rows.flatMap(({ at, end }) => {
      const before = code.slice(0, at);
      const cast = code.slice(end).match(/^\s*::(saldo\w*\.\w+)/);
      const isRow = /\brow\s*$/.test(before);
      const isBare = !/\w\s*$/.test(before) || /\b(select|return|as)\s*$/.test(before);
      const isGiven = /(\breturn|:=|=>)\s*$/.test(before) && /^\s*[;,)]/.test(code.slice(end));
      return isRow || (isBare && cast) || isGiven
        ? [report(at, cast?.[1] ?? "row", "a composite is filled by the names of its fields")]
        : [];
    }),
    ...[...code.matchAll(/\(\w+(?:\.\w+)?\)\.\*|\bselect\s+v_\w+\.\*/g)].map((match) =>
      report(match.index, match[0], "a composite is written out field by field"),
    ),
    ...[...code.matchAll(/\binsert into saldo\w*\.\w+(?:\s+as \w+)?\s+(?:select|values)\b/g)].map(
      (match) => report(match.index, match[0], "an insert names its columns"),
    ),
    ...[
      ...code.matchAll(
        /\bunnest\(\w+\)\s*(?:with ordinality|\))\s+as \w+ \((?:\s*\w+\s*,){3,}\s*\w+\s*\)/g,
      ),
    ].map((match) =>
      report(match.index, match[0], "the fields of an array's composites keep their names"),
    ),
    ...[...code.matchAll(/\binto\s+(?:strict\s+)?(v_\w+)\s*(?=;|\bfrom\b)/g)]
      .filter(({ index, 1: variable }) => {
        const body = code.slice(code.lastIndexOf("\nas $$", index), index);
        return (
          new RegExp(`\\b${variable} saldo\\w*\\.\\w+(\\s|;)`).test(body) && listBefore(body) > 1
        );
      })
      .map((match) =>
        report(match.index, match[1] ?? "", "a composite is read by the names of its fields"),
      ),
  ];
}

/** The same in the statements that `execute format` makes out of texts. */
function foundInMade(file: string, text: string): Found[] {
  return [...text.matchAll(/\bexecute\s+format\s*\(((?:'(?:[^']|'')*'|\s)+)/g)].flatMap((match) => {
    const made = (match[1] ?? "").replace(/'\s*'/g, "").slice(1);
    return found(file, made).map((row) => ({ ...row, at: match.index }));
  });
}

/** Everything between parentheses, with the number of its items. */
function groups(code: string): { at: number; end: number; items: number }[] {
  const open: { at: number; items: number }[] = [];
  const closed: { at: number; end: number; items: number }[] = [];
  for (const { 0: sign, index } of code.matchAll(/[()[\],]/g)) {
    const last = open.at(-1);
    if (sign === "(" || sign === "[") open.push({ at: index, items: 1 });
    else if (sign === "," && last) last.items += 1;
    else if (sign === ")" || sign === "]") {
      open.pop();
      if (last && sign === ")") closed.push({ ...last, end: index + 1 });
    }
  }
  return closed.sort((one, other) => one.at - other.at);
}

/** The number of items of the list that the text ends with, from its select or returning on. */
function listBefore(text: string): number {
  let depth = 0;
  let items = 1;
  for (const { 0: piece } of [...text.matchAll(/[()[\],]|\b(?:select|returning)\b/g)].reverse()) {
    if (piece === ")" || piece === "]") depth += 1;
    else if (piece === "(" || piece === "[") depth -= 1;
    else if (depth === 0 && piece === ",") items += 1;
    else if (depth === 0) return items;
  }
  return items;
}
