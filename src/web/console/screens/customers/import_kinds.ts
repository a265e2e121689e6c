/** The files that can be imported, with their columns, as npx saldo import has them. */
import type { Columns } from "./csv_file.ts";

export const kinds = ["customers", "meters", "deposits", "readings"] as const;
export type Kind = (typeof kinds)[number];

export const columnsOf: { readonly [Each in Kind]: Columns } = {
  customers: { required: ["code", "name"], optional: ["currency"] },
  meters: {
    required: ["customer", "code", "installed_at"],
    optional: ["kind", "start_index", "register_limit"],
  },
  deposits: { required: ["customer", "amount", "occurred_at"], optional: ["description", "key"] },
  readings: {
    required: ["customer", "meter", "read_at"],
    optional: ["index_value", "volume", "quality", "is_rollover", "key"],
  },
};
