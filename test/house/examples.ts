import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ClientBase } from "pg";

/*
 * README is a program. A block after `<!-- run: sql -->` or `<!-- run: sh -->` is run, and the
 * block after `<!-- output -->` is what it prints. For SQL, statement by statement: the names of
 * the columns, then the rows, cells between bars; for an error its code and message. Ids and times
 * are masked on both sides: what README shows are those of its author's run.
 */

/** A block that README runs, and what it says that comes of it. */
export interface Example {
  language: "sql" | "sh";
  source: string;
  expected: string;
}

/** The blocks that are marked to be run, in their order. */
export function examplesOf(markdown: string): Example[] {
  const form =
    /<!-- run: (sql|sh) -->\n```\w+\n([\s\S]*?)```\n+<!-- output -->\n```\w*\n([\s\S]*?)```/g;
  const examples = [...markdown.matchAll(form)];
  const marks = markdown.split("<!-- run:").length - 1;
  if (marks !== examples.length) {
    throw new Error(`${marks} blocks are marked to be run, ${examples.length} have their output`);
  }
  return examples.map(([, language, source = "", expected = ""]) => ({
    language: language as Example["language"],
    source,
    expected: masked(expected),
  }));
}

/** Ids, times and durations made the same for every run. */
export function masked(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?/g, "<time>")
    .replace(/\b\d+(\.\d+)? ?(ms|s)\b/g, "<duration>");
}

/** What psql would show of the statements, in a plainer form. */
export async function outputOfSql(client: ClientBase, source: string): Promise<string> {
  const printed: string[] = [];
  for (const statement of source.split(/;\n/).filter((text) => text.trim())) {
    try {
      const result = await client.query({ text: statement, rowMode: "array" });
      // As in psql, only what gives columns is shown.
      if (result.fields.length === 0) continue;
      printed.push(result.fields.map(({ name }) => name).join(" | "));
      for (const row of result.rows as unknown[][]) printed.push(row.map(cell).join(" | "));
    } catch (error) {
      printed.push(`ERROR ${(error as { code: string }).code}: ${(error as Error).message}`);
    }
  }
  return masked(`${printed.join("\n")}\n`);
}

function cell(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value ?? "");
}

/** What the commands print, standard error included, with DATABASE_URL set. */
export async function outputOfShell(
  databaseUrl: string,
  source: string,
  folder: string,
): Promise<string> {
  const { stdout } = await promisify(execFile)("sh", ["-c", `exec 2>&1\n${source}`], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: databaseUrl },
  });
  return masked(stdout);
}
