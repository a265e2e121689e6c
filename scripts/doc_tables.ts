import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Client, Pool } from "pg";
import { settings } from "../src/config.ts";
import { rooms } from "../test/fault_library/_rooms.ts";
import { rightsMatrix } from "./rights_matrix.ts";

/*
 * The parts of documents that are written from the program: between `<!-- NAME -->` and
 * `<!-- /NAME -->`. `npm run snapshot` writes them, a test holds them against the program.
 */

const root = fileURLToPath(new URL("../", import.meta.url));

/** What the parts are made of. */
export interface DocumentParts {
  settings: string;
  errors: string;
  bench: string;
  "bench-brief": string;
  faults: string;
  rights: string;
}

/** The documents that have such parts. */
export const documentsWithParts = [
  "README.md",
  "docs/reference/settings.md",
  "docs/reference/errors.md",
  "docs/reference/speed.md",
  "docs/reference/faults.md",
  "docs/reference/rights.md",
];

/** Makes the parts; the catalogue of errors is that of the database. */
export async function documentParts(client: Client | Pool): Promise<DocumentParts> {
  const report = await readFile(`${root}bench/report.md`, "utf8");
  return {
    settings: settingTable(),
    errors: await errorTables(client),
    bench: report.replace(/^# Bench\n/, "").trim(),
    "bench-brief": benchBrief(report),
    faults: faultTables(),
    rights: await rightsMatrix(client),
  };
}

/** The document with its parts as they are now. */
export function withParts(document: string, parts: DocumentParts): string {
  return Object.entries(parts).reduce(
    (text, [name, part]) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`),
        (_, start, end) => `${start}${part}\n${end}`,
      ),
    document,
  );
}

function faultTables(): string {
  return rooms
    .map(({ room, faults }) => {
      const rows = faults.map(({ fault, rules, cause, outcome, unseen }) => {
        const names = rules.map((rule) => `\`${rule}\``).join(", ");
        return `| ${fault}${unseen ? " *" : ""} | ${names} | ${cause} | ${outcome} |`;
      });
      const title = room.slice(0, 1).toUpperCase() + room.slice(1);
      return [
        `## ${title}`,
        "",
        "| fault | rules | cause | outcome |",
        "|---|---|---|---|",
        ...rows,
      ].join("\n");
    })
    .join("\n\n");
}

function settingTable(): string {
  const rows = Object.values(settings).map(
    ({ name, description, default: fallback }) =>
      `| \`${name}\` | ${description} | ${fallback || "none"} |`,
  );
  return ["| setting | meaning | default |", "|---|---|---|", ...rows].join("\n");
}

// The third character of a code is its room.
const errorRooms = ["Shared", "Ledger", "Hot accounts", "Wallet", "Metering", "Branch", "Health"];

interface CatalogueRow {
  code: string;
  condition: string;
  message: string;
  hint: string;
  http_status: number;
}

async function errorTables(client: Client | Pool): Promise<string> {
  const { rows } = await client.query<CatalogueRow>(
    `select code, condition, message, hint, http_status
    from saldo.error_code order by code collate "C"`,
  );
  return errorRooms
    .map((title, room) => ({ title, own: rows.filter(({ code }) => Number(code[2]) === room) }))
    .filter(({ own }) => own.length > 0)
    .map(({ title, own }) =>
      [
        `## ${title}\n`,
        "| code | condition | HTTP | meaning | what to do |",
        "|---|---|---|---|---|",
        ...own.map(
          (row) =>
            `| ${row.code} | \`${row.condition}\` | ${row.http_status} | ${row.message} | ${row.hint} |`,
        ),
      ].join("\n"),
    )
    .join("\n\n");
}

// The scenarios that a newcomer asks about first.
const briefScenarios = [
  "transfer",
  "purchase_with_balance_deduction",
  "one ordinary account: transfer",
  "one hot account: submit_transaction, settled meanwhile",
  "one hot account: submit_transactions of 1000, 4 connections",
];

function benchBrief(report: string): string {
  const rows = report
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return [
    "| scenario | per second | plain inserts per second | ratio |",
    "|---|---:|---:|---:|",
    ...briefScenarios.map((scenario) => {
      const row = rows.find(([, name]) => name === scenario);
      return `| ${scenario} | ${row?.[2]} | ${row?.[3]} | ${row?.[4]} |`;
    }),
  ].join("\n");
}
