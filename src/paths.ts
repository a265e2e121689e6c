/**
 * Where the files are that Saldo brings along. This file stands in src/ of a checkout, or in
 * dist/src/ of the package that is built of it; tasks are built beside it, the rest is shipped as is.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

function rootAbove(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : rootAbove(dirname(folder));
}

/** Folder of the checkout or of the installed package. */
export const rootFolder = rootAbove(here);

/** Where tables are made, with a slash at the end. */
export const migrationsFolder = join(rootFolder, "migrations/");

/** Steps of data that need the logic, as 000008-what-it-does.sql. */
export const afterFolder = join(migrationsFolder, "after");

/** The logic: sql/, with a slash at the end. */
export const logicFolder = join(rootFolder, "sql/");

/** The jobs, one file each. */
export const tasksFolder = join(here, "../tasks");

/** The console as it is built, where it is: the package brings it along. */
export const consoleFolder = join(rootFolder, "dist/web/console");

/** Version of this Saldo. */
export function readVersion(): string {
  return JSON.parse(readFileSync(join(rootFolder, "package.json"), "utf8")).version;
}
