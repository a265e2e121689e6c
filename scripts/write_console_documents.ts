import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { consoleDocuments } from "./console_documents.ts";

/** `npm run documents`: writes what is generated from the console's .graphql files. */
const root = fileURLToPath(new URL("../", import.meta.url));
for (const [path, text] of await consoleDocuments()) await writeFile(`${root}${path}`, text);
