import { StartError } from "../start_error.ts";

/** A statement of a file, and where it begins. */
export interface SqlStatement {
  /** Path from the root of the project, as sql/ledger/transfer.sql. */
  file: string;
  /** Line of its first word, from 1. */
  line: number;
  /** From its first word to its semicolon, which is not part of it. */
  text: string;
}

/** What is skipped as a whole in the search for semicolons: comments, texts, names, bodies. */
const skipped = [
  /--[^\n]*/,
  /\/\*[\s\S]*?\*\//,
  /\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'(?!')/,
  /'(?:[^']|'')*'(?!')/,
  /"(?:[^"]|"")*"(?!")/,
  /(\$(?:[A-Za-z_]\w*)?\$)[\s\S]*?\1/,
];
/** The beginning of one of them that has no end. */
const opening = /(?<opening>\/\*|\b[eE]'|'|"|\$(?:[A-Za-z_]\w*)?\$)/;
const piece = new RegExp([...skipped, opening, /;/].map(({ source }) => source).join("|"), "g");

/**
 * Cuts the text of a file into its statements; what is no statement (comments) is left out.
 *
 * @throws StartError where quotes or a comment have no end: statements of other files, which are
 *   run in the same go, would be taken for the rest of them
 */
export function statementsOf(file: string, text: string): SqlStatement[] {
  const statements: SqlStatement[] = [];
  let start = 0;
  const take = (end: number) => {
    const between = text.slice(start, end);
    const blank = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(between)?.[0].length ?? 0;
    const words = between.slice(blank).trimEnd();
    if (words !== "") {
      const line = text.slice(0, start + blank).split("\n").length;
      statements.push({ file, line, text: words });
    }
    start = end + 1;
  };
  for (const match of text.matchAll(piece)) {
    if (match.groups?.["opening"]) throw withoutEnd(match[0], file, text.slice(0, match.index));
    if (match[0] === ";") take(match.index);
  }
  take(text.length);
  return statements;
}

function withoutEnd(opening: string, file: string, before: string): StartError {
  const place = `${file}:${before.split("\n").length}`;
  return new StartError(
    `${place}: the ${opening} here has no end in this file, or an earlier one has none.`,
  );
}

/** Where in a file an error is: the line of its position, or of its statement. */
export function placeOf(statement: SqlStatement, position?: number): string {
  const before = position ? [...statement.text].slice(0, position - 1).join("") : "";
  return `${statement.file}:${statement.line + before.split("\n").length - 1}`;
}
