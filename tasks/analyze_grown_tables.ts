import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

/**
 * Has the tables analyzed that have grown since they were last: until then connections keep plans
 * that were made when there were few rows, and read all that there are now.
 */
const analyzeGrownTables: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const grown = await queryAsAdmin<{ names: string | null }>(
    helpers,
    "select string_agg(name, ', ') as names from saldo_private.analyze_grown_tables() as name",
  );
  if (grown?.names) helpers.logger.info(`analyze_grown_tables: ${grown.names}`);
};

export default analyzeGrownTables;
