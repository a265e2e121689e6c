import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();
// While a batch is sealed, about a second, PostgreSQL cleans up after nobody. Smaller batches take
// longer in all.
const batchSize = 20_000;

/**
 * Seals what was posted, then rows that heals derive from, batch by batch, each in a transaction of
 * its own: a worker that is killed leaves seals that are whole. What comes meanwhile, less than a
 * batch, is left to the next run: on a busy system a run would never end otherwise, and seal a
 * handful of rows at a time. The log has the last hash, so that it is kept outside the database.
 */
const sealJournal: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  let sealedCount: number;
  do {
    const batch = await queryAsAdmin<{ entry_count: string; number: string; hash: string }>(
      helpers,
      `select coalesce(sum(entry_count), 0) as entry_count, max(number) as number,
        encode((array_agg(hash order by number desc))[1], 'hex') as hash
      from saldo.seal_journal(${batchSize})`,
    );
    sealedCount = Number(batch?.entry_count ?? 0);
    if (sealedCount > 0) {
      helpers.logger.info(
        `seal_journal: ${sealedCount} entries, seal ${batch?.number} ${batch?.hash}`,
      );
    }
  } while (sealedCount === batchSize && !helpers.abortSignal?.aborted);
  await sealRows(helpers);
};

/** A batch is of up to so many rows of hot accounts, and as many records. */
async function sealRows(helpers: Parameters<SaldoTask>[1]): Promise<void> {
  let sealedCount: number;
  do {
    const batch = await queryAsAdmin<{ count: string }>(
      helpers,
      `select saldo.seal_rows(${batchSize}) as count`,
    );
    sealedCount = Number(batch?.count ?? 0);
  } while (sealedCount >= batchSize && !helpers.abortSignal?.aborted);
}

export default sealJournal;
