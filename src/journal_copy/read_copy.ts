/** Reads the files of a copy line by line, and looks at their hashes meanwhile. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { StartError } from "../start_error.ts";
import type { Manifest } from "./export.ts";

/** The manifest of a copy; one sentence when there is none. */
export async function readManifest(folder: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(folder, "manifest.json"), "utf8");
  } catch {
    throw new StartError(`There is no manifest.json in ${folder}: is this a whole copy?`);
  }
  let manifest: Manifest | undefined;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    // said below
  }
  if (manifest?.format !== "saldo-journal-copy-1" || !Array.isArray(manifest.files)) {
    throw new StartError(`The manifest.json of ${folder} is not that of a saldo-journal-copy-1.`);
  }
  return manifest;
}

/** The rows of a file; what is not as the manifest says is reported at its end. */
export async function* readRows<Row>(
  folder: string,
  manifest: Manifest,
  name: string,
  report: (detail: string) => void,
): AsyncGenerator<Row> {
  const path = join(folder, `${name}.ndjson`);
  await access(path).catch(() => {
    throw new StartError(`There is no ${name}.ndjson in ${folder}: is this a whole copy?`);
  });
  const digest = createHash("sha256");
  let rows = 0;
  for await (const line of linesOf(path, digest)) {
    rows += 1;
    let row: Row;
    try {
      row = JSON.parse(line) as Row;
    } catch {
      throw new StartError(`Row ${rows} of ${name}.ndjson is no JSON.`);
    }
    yield row;
  }
  const said = manifest.files.find((file) => file.name === `${name}.ndjson`);
  if (said?.sha256 !== digest.digest("hex") || said.rows !== rows) {
    report(`${name}.ndjson has ${rows} rows, and is not the file of the manifest`);
  }
}

/** Lines that end with a line feed; node:readline would also end them at U+2028. */
async function* linesOf(path: string, digest: Hash): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    digest.update(chunk);
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
