import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { logicFolder, migrationsFolder } from "../paths.ts";
import { StartError } from "../start_error.ts";
import { type SqlStatement, statementsOf } from "./sql_statements.ts";

/** All of sql/ in its load order. */
export interface Logic {
  /** Hash that a database keeps: the same hash means the same logic. */
  hash: string;
  statements: LogicStatement[];
}

/** A statement of sql/, and the part of the database that it may be left out with. */
export interface LogicStatement extends SqlStatement {
  /**
   * `table saldo.account` for policies and triggers, `comment saldo.account` for comments on a table
   * and its columns, `view saldo.x` for a view: these lock what others work with, so they are run
   * only when their part has changed. Everything that locks nobody out has no part.
   */
  part?: string;
}

/** Bump it when the way of applying changes such that all has to be applied again. */
const format = 1;

/**
 * Reads index.sql and what it includes; errors name files as they are in the project. The hash is
 * that of the migration at hand as well, where it is run with them.
 */
export async function readLogic(folder: string = logicFolder, current = ""): Promise<Logic> {
  const index = await readFile(join(folder, "index.sql"), "utf8");
  const hash = createHash("sha256").update(`${format} ${await outsideOfLogic()} ${current}`);
  const statements: LogicStatement[] = [];
  for (const [, name = ""] of index.matchAll(/^--!include (\S+)$/gm)) {
    const text = await readFile(join(folder, name), "utf8").catch(() => {
      throw new StartError(`sql/index.sql includes ${name}, and there is no such file.`);
    });
    hash.update(`\n--!include ${name}\n${text}`);
    for (const statement of statementsOf(`sql/${name}`, text)) {
      const part = partOf(statement.text);
      statements.push(part ? { ...statement, part } : statement);
    }
  }
  return { hash: hash.digest("hex"), statements };
}

/** What else a start brings up to date: the one hash covers it too. */
async function outsideOfLogic(): Promise<string> {
  const roles = await readFile(join(migrationsFolder, "roles.sql"), "utf8");
  const worker = createRequire(import.meta.url).resolve("graphile-worker");
  const description = await readFile(join(dirname(worker), "../package.json"), "utf8");
  return `${(JSON.parse(description) as { version: string }).version} ${roles}`;
}

const forms: [RegExp, string][] = [
  [/^drop policy if exists \w+ on ([\w.]+)/, "table"],
  [/^create policy \w+ on ([\w.]+)/, "table"],
  [/^create or replace trigger \w+\s[^']*?\son ([\w.]+)/, "table"],
  [/^alter table ([\w.]+) enable (?:always )?trigger/, "table"],
  [
    /^select saldo_private\.(?:secure_table|guard_(?:table|cache)|stamp_source)\(\s*'([\w.]+)'/,
    "table",
  ],
  [/^comment on (?:trigger|policy) \w+ on ([\w.]+)/, "table"],
  [/^comment on table ([\w.]+)/, "comment"],
  [/^comment on constraint \w+ on (saldo\w*\.\w+)/, "comment"],
  [/^comment on column (\w+\.\w+)\.\w+/, "comment"],
  [/^create or replace view ([\w.]+)/, "view"],
  [/^comment on view ([\w.]+)/, "view"],
];

function partOf(text: string): string | undefined {
  for (const [form, kind] of forms) {
    const name = form.exec(text)?.[1];
    if (name) return `${kind} ${name}`;
  }
  return undefined;
}

/** A hash of the statements of each part, and of the functions that those among them call. */
export function hashesOfParts(statements: readonly LogicStatement[]): Map<string, string> {
  const texts = new Map<string, string>();
  const makers = new Map<string, string>();
  for (const { part, text } of statements) {
    const maker = /^create or replace function ([\w.]+)\(/.exec(text)?.[1];
    if (maker) makers.set(maker, text);
    const called = /^select ([\w.]+)\(/.exec(text)?.[1] ?? "";
    if (part) texts.set(part, `${texts.get(part) ?? ""}${text};\n${makers.get(called) ?? ""}`);
  }
  return new Map(
    [...texts].map(([part, text]) => [part, createHash("md5").update(text).digest("hex")]),
  );
}
