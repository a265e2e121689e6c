import { codeOf, functionsOf, lineAt, type SqlFunction } from "./sql_text.ts";
import type { Violation } from "./tidy.ts";

/** House rules over whole statements and functions; tidy.ts has those over lines. */

const headerOrder = [
  /^language /,
  /^(immutable|stable|volatile)$/,
  /^(strict|parallel \w+|leakproof|cost \d+|rows \d+)$/,
  /^security (definer|invoker)$/,
  /^set search_path /,
  /^set /,
];

/** Looks at the statements of one file of sql/. */
export function statementViolations(file: string, text: string): Violation[] {
  const functions = functionsOf(file, text);
  const code = codeOf(text);
  return [
    ...found(
      file,
      code,
      /\bexecute\s+(?!format\b|function\b|on\b)/g,
      "execute takes a format(...)",
    ),
    ...found(
      file,
      code,
      /\b(return query\s+select|view\s[^;]*?\bas\s+select)\s+\*/g,
      "a view or a result lists its columns",
    ),
    ...found(
      file,
      code,
      /create function/g,
      "a function is created or replaced, so that its file can run again",
    ),
    ...functions.flatMap((made) => headerViolations(made)),
    ...functions.flatMap((made) => companyViolations(made, code)),
  ];
}

function found(file: string, code: string, pattern: RegExp, rule: string): Violation[] {
  return [...code.matchAll(pattern)].map((match) => ({
    file,
    line: lineAt(code, match.index),
    rule,
  }));
}

function headerViolations({ file, line, header }: SqlFunction): Violation[] {
  const places = header
    .slice(1)
    .map((part) => headerOrder.findIndex((form) => form.test(part)))
    .filter((place) => place >= 0);
  const isOrdered = places.every(
    (place, index) => index === 0 || place >= (places[index - 1] ?? 0),
  );
  const isDefiner = header.includes("security definer");
  const isPinned = header.some((part) => /^set search_path = .*\bpg_temp$/.test(part));
  return [
    ...(isOrdered ? [] : ["a header says language, volatility, security, search path, in order"]),
    ...(isDefiner && !isPinned ? ["a definer pins its search_path, pg_temp last"] : []),
  ].map((rule) => ({ file, line, rule }));
}

/** What a function's file says about it besides its making. */
function companyViolations({ file, line, name }: SqlFunction, code: string): Violation[] {
  const says = (words: string) =>
    new RegExp(`${words}[^;]*\\b${name.replace(".", "\\.")}(?!\\w)`).test(code);
  const wanted = name.startsWith("saldo.")
    ? ["comment on function", "revoke execute on function", "grant execute on"]
    : ["comment on function"];
  return wanted
    .filter((words) => !says(words))
    .map((words) => ({ file, line, rule: `${name} has its "${words}" in its file` }));
}

/** Names that are made more than once: an overload, or two files that fight over one function. */
export function overloads(functions: SqlFunction[]): string[] {
  const seen = new Set<string>();
  return functions.flatMap(({ name, file }) => {
    if (seen.has(name)) return [`${name} is made again in ${file}`];
    seen.add(name);
    return [];
  });
}

/** Check constraints without a name in the DDL of a migration. */
export function unnamedChecks(file: string, text: string): Violation[] {
  const code = codeOf(text).replace(/(\$\w*\$)[\s\S]*?\1/g, (body) => body.replace(/[^\n]/g, " "));
  const checks = code.matchAll(/\bcheck\s*\(/g);
  return [...checks]
    .filter(({ index }) => !/\bconstraint\s+\w+\s*$|\bwith\s*$/.test(code.slice(0, index)))
    .map(({ index }) => ({ file, line: lineAt(code, index), rule: "a check has a name" }));
}
