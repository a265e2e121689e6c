import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A document, by its path from the root. */
export interface Document {
  path: string;
  text: string;
}

/** What people read: the Markdown files at the root, in sql/ and in docs/. */
export async function readDocuments(): Promise<Document[]> {
  const below = (folder: string, all: string[]) => all.map((file) => `${folder}/${file}`);
  const paths = [
    ...(await readdir(root)),
    ...below("sql", await readdir(`${root}sql`)),
    ...below("docs", await readdir(`${root}docs`, { recursive: true })),
  ].filter((path) => path.endsWith(".md"));
  return Promise.all(
    paths.sort().map(async (path) => ({ path, text: await readFile(`${root}${path}`, "utf8") })),
  );
}

/** The document of a path. */
export async function readDocument(path: string): Promise<string> {
  return readFile(`${root}${path}`, "utf8");
}
