/** Writes a copy of the journal and its seals that can be verified without any database. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ClientBase } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { withRole } from "../database/with_role.ts";
import { StartError } from "../start_error.ts";

/** What manifest.json says about a file. */
export interface ManifestFile {
  name: string;
  rows: number;
  sha256: string;
}

/** manifest.json: what the copy consists of, and the seal that it ends with. */
export interface Manifest {
  format: "saldo-journal-copy-1";
  exported_at: string;
  head_number: string;
  head_hash: string | null;
  files: ManifestFile[];
}

const instant = (column: string) =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Each file and what it is made of; a row is one JSON object. */
const files: Record<string, string> = {
  account: `
    select json_build_object('id', a.id::text, 'code', a.code, 'name', a.name, 'type', a.type,
      'currency', a.currency, 'debit_total', trim_scale(t.debit_total)::text,
      'credit_total', trim_scale(t.credit_total)::text)
    from saldo.account as a
    join saldo_private.account_total as t on t.account_id = a.id
    order by a.id`,
  month_movement: `
    select json_build_object('account_id', m.account_id::text, 'month', m.month,
      'debit', trim_scale(sum(m.debit))::text, 'credit', trim_scale(sum(m.credit))::text,
      'line_count', sum(m.line_count)::text)
    from saldo_private.posted_movement as m
    group by m.account_id, m.month
    order by m.account_id, m.month`,
  period: `
    select json_build_object('fiscal_year', p.fiscal_year, 'number', p.number,
      'snapshot_hash', encode(p.snapshot_hash, 'hex'))
    from saldo.period as p
    where p.snapshot_hash is not null
    order by p.fiscal_year, p.number`,
  closing_snapshot: `
    select json_build_object('fiscal_year', s.fiscal_year, 'number', s.number,
      'account_id', s.account_id::text, 'debit', trim_scale(s.debit)::text,
      'credit', trim_scale(s.credit)::text, 'debit_total', trim_scale(s.debit_total)::text,
      'credit_total', trim_scale(s.credit_total)::text)
    from saldo.closing_snapshot as s
    order by s.fiscal_year, s.number, s.account_id`,
  journal_seal: `
    select json_build_object('number', s.number::text, 'month', s.month,
      'entry_count', s.entry_count::text, 'line_count', s.line_count::text,
      'entries_hash', encode(s.entries_hash, 'hex'),
      'previous_hash', encode(s.previous_hash, 'hex'), 'hash', encode(s.hash, 'hex'),
      'sealed_at', ${instant("s.sealed_at")}, 'sealed_by', s.sealed_by,
      'totals', (
        select coalesce(json_agg(json_build_object('currency', t.currency,
          'line_count', t.line_count::text, 'debit', trim_scale(t.debit)::text,
          'credit', trim_scale(t.credit)::text) order by t.currency), '[]')
        from saldo.journal_seal_total as t
        where t.seal_number = s.number
      ))
    from saldo.journal_seal as s
    order by s.number`,
  journal_seal_entry: `
    select json_build_object('seal_number', s.seal_number::text, 'entry_id', s.entry_id,
      'entry_part', encode(s.entry_part, 'hex'), 'hash', encode(s.hash, 'hex'))
    from saldo.journal_seal_entry as s
    order by s.seal_number, s.entry_id`,
  journal: `
    select json_build_object('seal_number', s.seal_number::text, 'id', j.id,
      'is_missing', e.id is null, 'status', e.status, 'kind', e.kind,
      'posting_date', e.posting_date, 'origin_month', e.origin_month,
      'occurred_at', ${instant("e.occurred_at")}, 'description', e.description,
      'source', e.source, 'idempotency_key', e.idempotency_key, 'reverses', e.reverses,
      'metadata', e.metadata::text, 'line_count', e.line_count,
      'recorded_at', ${instant("e.recorded_at")}, 'posted_at', ${instant("e.posted_at")},
      'posted_by', e.posted_by,
      'lines', (
        select coalesce(json_agg(json_build_object('line_no', l.line_no,
          'account_id', l.account_id::text, 'posting_date', l.posting_date,
          'debit', trim_scale(l.debit)::text, 'credit', trim_scale(l.credit)::text)
          order by l.line_no, l.account_id), '[]')
        from saldo.journal_line as l
        where l.entry_id = j.id
      ))
    from (
      select entry.id
      from saldo.journal_entry as entry
      where entry.status <> 'draft'
      or exists (
        select from saldo.journal_seal_entry as sealed where sealed.entry_id = entry.id
      )
      union all
      select distinct orphan.entry_id
      from saldo.journal_line as orphan
      where not exists (
        select from saldo.journal_entry as own where own.id = orphan.entry_id
      )
    ) as j
    left join saldo.journal_entry as e on e.id = j.id
    left join saldo.journal_seal_entry as s on s.entry_id = j.id
    order by s.seal_number nulls last, j.id`,
};

/** Writes the files and the manifest into a folder that is empty or not there, of one snapshot. */
export async function exportJournal(client: ClientBase, folder: string): Promise<Manifest> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new StartError(`The folder ${folder} is not empty: name another one.`);
  }
  const settings = { role: "saldo_admin" };
  const mode = "isolation level repeatable read read only";
  return await withRole(client, { settings, mode }, () =>
    copyJournal(client, (name, bytes) => pipeline(bytes, createWriteStream(join(folder, name)))),
  );
}

/**
 * Gives each file of a copy, and the manifest as the last one, so that a copy that was interrupted has
 * none. The transaction must be of one snapshot, and of a role that sees the whole journal.
 */
export async function copyJournal(
  client: ClientBase,
  put: (name: string, bytes: Readable) => Promise<void>,
): Promise<Manifest> {
  const { rows } = await client.query<{ at: string; number: string; hash: string | null }>(
    `select ${instant("now()")} as at, head_number as number, head_hash as hash
      from saldo.seal_status()`,
  );
  const manifest: Manifest = {
    format: "saldo-journal-copy-1",
    exported_at: rows[0]?.at ?? "",
    head_number: rows[0]?.number ?? "0",
    head_hash: rows[0]?.hash ?? null,
    files: [],
  };
  for (const [name, query] of Object.entries(files)) {
    manifest.files.push(await putRows(client, query, `${name}.ndjson`, put));
  }
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await put("manifest.json", Readable.from([Buffer.from(text)]));
  return manifest;
}

async function putRows(
  client: ClientBase,
  query: string,
  name: string,
  put: (name: string, bytes: Readable) => Promise<void>,
): Promise<ManifestFile> {
  const digest = createHash("sha256");
  let rows = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk);
      for (const byte of chunk) if (byte === 10) rows += 1;
      done(null, chunk);
    },
  });
  // JSON escapes control characters, so that with these two nothing is ever quoted.
  const rowsOut = client.query(
    copyTo(`copy (${query}) to stdout with (format csv, quote E'\\x01', delimiter E'\\x02')`),
  );
  await Promise.all([pipeline(rowsOut, count), put(name, count)]);
  return { name, rows, sha256: digest.digest("hex") };
}
