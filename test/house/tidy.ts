import { codeOf } from "./sql_text.ts";

/** The house rules for SQL that no linter looks at, because linters stop at `$$`. */

/** A broken rule, with its place. */
export interface Violation {
  file: string;
  line: number;
  rule: string;
}

/** The rooms in the order in which one may use the other. */
export const rooms = [
  "foundation",
  "ledger",
  "hot",
  "wallet",
  "metering",
  "branch",
  "guard",
  "record",
  "explain",
  "own_tables",
  "check",
  "heal",
  "alert",
  "closing",
  "report",
  "rights",
];

const shouting = /\b(?!(?:NEW|OLD|TG_\w+)\b)[A-Z][A-Z_]+\b/;

interface LineRule {
  rule: string;
  /** Given the line, the same without comments and texts, and its file. */
  breaks: (line: string, code: string, file: string) => boolean;
}

const lineRules: LineRule[] = [
  { rule: "a line has at most 100 columns", breaks: (line) => line.length > 100 },
  {
    rule: "code is lower case but for NEW, OLD and TG_*",
    breaks: (_, code) => shouting.test(code),
  },
  {
    rule: "no leftovers",
    breaks: (line) => /\b(TODO|FIXME|XXX)\b/.test(line),
  },
  {
    rule: "no abbreviations",
    breaks: (line) => /\b(txn|acct|amt|qty)\b/i.test(line),
  },
  {
    rule: "errors are raised through saldo_private.fail",
    breaks: (_, code, file) => /\braise exception\b/.test(code) && file !== "foundation/error.sql",
  },
  {
    rule: "the sign of an account is that of ledger/normal_side.sql",
    breaks: (line, _, file) =>
      /'(asset|expense)',\s*'(asset|expense)'/.test(line) && file !== "ledger/normal_side.sql",
  },
  {
    rule: "whether an account has enough is said by ledger/availability.sql",
    breaks: (_, code, file) =>
      /held(_total)?\s*(-[^,]*)?[<>]=?\s*[\w.]*min_balance/.test(code) &&
      file !== "ledger/availability.sql",
  },
  { rule: "no tabs or blanks at the end", breaks: (line) => /\t|\s$/.test(line) },
];

/** Looks at one file of sql/. */
export function tidy(file: string, text: string): Violation[] {
  const lines = text.split("\n");
  const code = codeOf(text).split("\n");
  const violations: Violation[] = [];
  const report = (line: number, rule: string) => violations.push({ file, line, rule });

  for (const [index, line] of lines.entries()) {
    for (const { rule, breaks } of lineRules) {
      if (breaks(line, code[index] ?? "", file)) report(index + 1, rule);
    }
  }
  if (lines.length > 401) report(lines.length, "a file has at most 400 lines");
  if (!text.startsWith("--")) report(1, "a file opens with what it is");
  for (const body of bodies(text)) {
    if (body.length > 70) report(body.line, "a function has at most 70 lines");
  }
  return violations;
}

/** Function bodies between dollar quotes, with their first line and length. */
function bodies(text: string): { line: number; length: number }[] {
  return [...text.matchAll(/^as \$\$\n([\s\S]*?)^\$\$/gm)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length,
    length: (match[1] ?? "").split("\n").length - 1,
  }));
}

/** The order of index.sql: each file once, room after room. */
export function tidyIndex(index: string, files: string[]): string[] {
  const included = [...index.matchAll(/^--!include (\S+)$/gm)].map((match) => match[1] ?? "");
  const order = included.map((file) => rooms.indexOf(file.split("/")[0] ?? ""));
  return [
    ...files.filter((file) => !included.includes(file)).map((file) => `${file} is not loaded`),
    ...included.filter((file) => !files.includes(file)).map((file) => `${file} is not there`),
    ...included.filter((_, place) => order[place] === -1).map((file) => `${file} is in no room`),
    ...included
      .filter((file, place) => included.indexOf(file) !== place)
      .map((file) => `${file} is loaded twice`),
    ...included
      .filter((_, place) => place > 0 && (order[place] ?? 0) < (order[place - 1] ?? 0))
      .map((file) => `${file} stands behind a later room`),
  ];
}
