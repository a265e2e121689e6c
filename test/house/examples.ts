/*
 * The documents are programs. A block after `<!-- run: LANGUAGE -->` is run, and the block after
 * `<!-- output -->` is what it prints. `<!-- run: graphql as NAME -->` says who calls. Ids, times
 * and durations are masked on both sides: what a document shows are those of its author's run.
 */

/** The languages that a block may be in, and what its output is. */
export const languages = {
  sql: "statement by statement: names of the columns, then the rows; for an error code and message",
  sh: "what the commands print, standard error included",
  graphql: "operation by operation: the answer as JSON",
  http: "request by request: the status, then the body",
  js: "what the program prints",
  python: "what the program prints",
  php: "what the program prints",
} as const;

export type Language = keyof typeof languages;

/** A block that a document runs, and what it says that comes of it. */
export interface Example {
  language: Language;
  /** Who runs it, where the document says so. */
  caller?: string;
  source: string;
  expected: string;
}

/** The blocks that are marked to be run, in their order. */
export function examplesOf(markdown: string): Example[] {
  const form =
    /<!-- run: (\w+)(?: as (\w+))? -->\n```\w+\n([\s\S]*?)```\n+<!-- output -->\n```\w*\n([\s\S]*?)```/g;
  const examples = [...markdown.matchAll(form)];
  const marks = [...markdown.matchAll(/^<!-- run:/gm)].length;
  if (marks !== examples.length) {
    throw new Error(`${marks} blocks are marked to be run, ${examples.length} have their output`);
  }
  return examples.map(([, language = "", caller, source = "", expected = ""]) => {
    if (!Object.hasOwn(languages, language)) throw new Error(`no block is run as ${language}`);
    return {
      language: language as Language,
      ...(caller === undefined ? {} : { caller }),
      source,
      expected: masked(expected),
    };
  });
}

/** Ids, times and durations made the same for every run. */
export function masked(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/\b[0-9a-f]{64}\b/g, "<hash>")
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?/g, "<time>")
    .replace(/\b\d+(\.\d+)? ?(ms|s)\b/g, "<duration>");
}

/** The statements of a text, with the semicolons between them taken off. */
export function statementsOf(source: string): string[] {
  // Odd parts are bodies between dollar quotes: their semicolons end nothing.
  const parts = source.split("$$");
  const marked = parts.map((part, place) => (place % 2 ? part : part.replace(/;[ ]*\n/g, "\0")));
  return marked
    .join("$$")
    .split("\0")
    .filter((statement) => statement.trim() !== "");
}

/** The operations of a GraphQL text: each begins at the start of a line. */
export function operationsOf(source: string): string[] {
  return source.split(/^(?=mutation|query|\{)/m).filter((operation) => operation.trim() !== "");
}
