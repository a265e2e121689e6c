import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * `npm run check:sql`: syntax of all SQL, bodies of functions included, by the Postgres language
 * server; and squawk over the migrations, for statements that lock a running database. Needs
 * neither a server nor the network.
 */

const root = fileURLToPath(new URL("../", import.meta.url));

/** What a checker said, and whether it was content. */
export interface Verdict {
  isClean: boolean;
  output: string;
}

/** Syntax errors in files or folders of SQL; bodies of functions are read as well. */
export function checkSyntax(...paths: string[]): Verdict {
  return run("postgres-language-server", "check", "--diagnostic-level=error", ...paths);
}

/** Statements of migrations that would lock out a server at work; .squawk.toml has the rules. */
export function checkMigrations(...paths: string[]): Verdict {
  return run("squawk", "--no-error-on-unmatched-pattern", ...paths);
}

function run(program: string, ...words: string[]): Verdict {
  const { status, stdout, stderr, error } = spawnSync(
    `${root}node_modules/.bin/${program}`,
    words,
    { cwd: root, encoding: "utf8" },
  );
  if (error) throw error;
  return { isClean: status === 0, output: `${stdout}${stderr}` };
}

if (import.meta.main) {
  const verdicts = [
    checkSyntax("sql"),
    checkMigrations("migrations/committed/*.sql", "migrations/current.sql"),
  ];
  for (const { output } of verdicts) process.stdout.write(output);
  process.exitCode = verdicts.every(({ isClean }) => isClean) ? 0 : 1;
}
