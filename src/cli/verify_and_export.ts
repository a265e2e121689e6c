import type { Client } from "pg";
import { exportJournal } from "../journal_copy/export.ts";
import { type Difference, verifyCopy } from "../journal_copy/verify_copy.ts";
import { type Command, requireNoWords, textOption, UsageError, type Words } from "./command.ts";

const shownMax = 1000;

/** `saldo verify`: computes everything again from the journal, and tells what differs. */
export const verifyCommand: Command = {
  usage: "verify [--from FOLDER] [--expect HASH] [--head]",
  help: [
    "Computes the books again from the journal and compares them with seals and balances; --from",
    "an exported copy, without any database. --head prints number and hash of the last seal: keep",
    "it elsewhere, and --expect tells later whether that seal still is in the chain. 1 = differs.",
  ],
  options: {
    from: { type: "string" },
    expect: { type: "string" },
    head: { type: "boolean" },
  },
  prepare(words) {
    requireNoWords(words);
    const expected = expectedHash(words);
    const isHead = words.values["head"] === true;
    const folder = textOption(words, "from");
    if (folder === undefined) {
      return async () => async (client) =>
        isHead ? await printHead(client) : await verifyDatabase(client, expected);
    }
    return async () => {
      const { differences, entryCount, unsealedCount, seals } = await verifyCopy(folder);
      const head = seals.at(-1);
      if (isHead) return tellHead(head?.number ?? "0", head?.hash ?? null);
      if (expected !== undefined && !seals.some(({ hash }) => hash === expected)) {
        differences.push(notInChain(expected));
      }
      return tell(differences, {
        sealed: String(entryCount - unsealedCount),
        unsealed: String(unsealedCount),
        number: head?.number ?? "0",
        hash: head?.hash ?? null,
      });
    };
  },
};

/** `saldo export`: writes a copy that anybody can verify. */
export const exportCommand: Command = {
  usage: "export --to FOLDER",
  help: ["Writes journal, accounts, months, sealed periods and seals as files, for verify --from."],
  options: { to: { type: "string" } },
  prepare(words) {
    requireNoWords(words);
    const folder = textOption(words, "to");
    if (folder === undefined) throw new UsageError("Say --to FOLDER.");
    return async () => async (client) => {
      const { files, head_number, head_hash } = await exportJournal(client, folder);
      for (const { name, rows } of files) process.stdout.write(`${name}: ${rows} rows\n`);
      return tellHead(head_number, head_hash);
    };
  },
};

function expectedHash(words: Words): string | undefined {
  const text = textOption(words, "expect");
  if (text !== undefined && !/^[0-9a-f]{64}$/.test(text)) {
    throw new UsageError("--expect takes a hash as verify --head printed it: 64 digits.");
  }
  return text;
}

const notInChain = (hash: string): Difference => ({
  kind: "chain_broken",
  key: "the expected seal",
  stored: hash,
  derived: "no seal has this hash: the chain was rebuilt, or cut off",
});

async function printHead(client: Client): Promise<number> {
  const { rows } = await client.query("select head_number, head_hash from saldo.seal_status()");
  return tellHead(rows[0].head_number, rows[0].head_hash);
}

function tellHead(number: string, hash: string | null): number {
  process.stdout.write(hash === null ? "no seal yet\n" : `seal ${number} ${hash}\n`);
  return 0;
}

async function verifyDatabase(client: Client, expected: string | undefined): Promise<number> {
  const { rows: differences } = await client.query<Difference>(
    "select kind, key, stored, derived from saldo.verify_journal($1)",
    [shownMax],
  );
  if (expected !== undefined) {
    const { rows } = await client.query(
      "select from saldo.journal_seal where hash = decode($1, 'hex')",
      [expected],
    );
    if (rows.length === 0) differences.push(notInChain(expected));
  }
  const { rows } = await client.query(
    `select sealed_entry_count as sealed, unsealed_entry_count as unsealed,
      head_number as number, head_hash as hash
    from saldo.seal_status()`,
  );
  return tell(differences, rows[0]);
}

interface Seen {
  sealed: string;
  unsealed: string;
  number: string;
  hash: string | null;
}

function tell(differences: Difference[], { sealed, unsealed, number, hash }: Seen): number {
  for (const { kind, key, stored, derived } of differences.slice(0, shownMax)) {
    process.stdout.write(`${kind} ${key}: ${stored ?? "nothing"}, not ${derived ?? "nothing"}\n`);
  }
  const found = differences.length >= shownMax ? `${shownMax} or more` : differences.length || "no";
  process.stdout.write(
    `${found} differences; ${sealed} entries sealed, ${unsealed} not yet; ` +
      `head: ${hash === null ? "none" : `seal ${number} ${hash}`}\n`,
  );
  return differences.length > 0 ? 1 : 0;
}
