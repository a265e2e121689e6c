import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

// Then the next job goes on: a large re-rating leaves room for what else there is to do.
const RUN_MS = 5000;

interface Progress {
  id: string | null;
  status: string;
  done_count: string;
  reading_count: string;
  line_count: string;
  is_of_charges: boolean;
  error: string | null;
}

/** Rates what a large change of price or factor has left, or charges what one of a part has, slice by slice, for a while. */
const rerate: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const endAt = Date.now() + RUN_MS;
  do {
    const now = await queryAsAdmin<Progress>(
      helpers,
      `select id, status, done_count, reading_count, line_count, is_of_charges, error
      from saldo.continue_rerating()`,
    );
    if (now?.id == null) return; // nothing is open, or others are at it
    const { id, status, done_count: done, reading_count: all, line_count: lines, error } = now;
    const [things, changes] = now.is_of_charges
      ? ["months", "of them changed"]
      : ["readings", "lines written"];
    const words = `rerate ${id}: ${status}, ${done} of ${all} ${things}, ${lines} ${changes}`;
    if (error === null) helpers.logger.info(words);
    else helpers.logger.error(`${words}: ${error}`);
  } while (Date.now() < endAt && !helpers.abortSignal?.aborted);
};

export default rerate;
