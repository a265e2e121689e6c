/** SQL as the house rules look at it: without comments and texts, cut into functions. */

/** A function as its file writes it. */
export interface SqlFunction {
  file: string;
  line: number;
  /** Schema and name. */
  name: string;
  /** From `returns` to the body. */
  header: string[];
  /** Between the dollar quotes, without comments and texts. */
  body: string;
}

/**
 * The text with comments and the inside of quotes blanked, line by line as long as it was. Dollar
 * quotes stay: their inside is code.
 */
export function codeOf(text: string): string {
  return text.replace(/--[^\n]*|'(?:[^']|'')*'/g, (piece) =>
    piece.startsWith("--")
      ? " ".repeat(piece.length)
      : `'${piece.slice(1, -1).replace(/[^\n]/g, " ")}'`,
  );
}

/** Line of a position, from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** The functions that a file makes, in its order. */
export function functionsOf(file: string, text: string): SqlFunction[] {
  const code = codeOf(text);
  const form = /^create or replace function (\w+\.\w+)\(([\s\S]*?)^as (\$\w*\$)\n([\s\S]*?)^\3;/gm;
  return [...code.matchAll(form)].map((match) => {
    const [, name = "", head = "", , body = ""] = match;
    return {
      file,
      line: lineAt(code, match.index),
      name,
      header: head
        .slice(head.lastIndexOf("returns "))
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== ""),
      body,
    };
  });
}
