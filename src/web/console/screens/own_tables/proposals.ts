/** Rules that the server proposes for tables that it may read. */
import { useQuery } from "@tanstack/react-query";
import { send } from "../../api/request.ts";

/** A column that looks like a balance. */
export interface Balance {
  readonly table: string;
  readonly balance: string;
  readonly is_readable: boolean;
  /** What the table's owner runs first; null where nothing is missing. */
  readonly grants: string | null;
}

/** A sum that was tried for a balance, and how many rows it explains. */
export interface Trial {
  readonly sum: string;
  readonly row_count: number;
  readonly fit_count: number;
}

/** The best sum for a balance, and the rule that it makes where it explains nearly all rows. */
export interface Proposal extends Trial {
  readonly table: string;
  readonly balance: string;
  /** Rows of the table, where the sum is for some of them. */
  readonly all_count: number;
  readonly is_fit: boolean;
  readonly sql: string | null;
  readonly rule: {
    readonly name: string;
    readonly stored_table?: string;
    readonly key_column?: string;
    readonly balance_column?: string;
    readonly stored?: string;
    readonly derived: string;
    readonly items: string;
    readonly guard?: "record";
  } | null;
  readonly tried: readonly Trial[];
}

// Each look reads whole tables: none is made that nobody asked for.
const asked = { staleTime: Number.POSITIVE_INFINITY, networkMode: "always", retry: false } as const;

/** What looks like a balance in the tables of this database. */
export const useBalances = (isWanted: boolean) =>
  useQuery({
    ...asked,
    queryKey: ["own-balances"],
    enabled: isWanted,
    queryFn: async ({ signal }) =>
      (await send("GET", "/console/proposals/balances", undefined, signal)) as {
        readonly balances: readonly Balance[];
      },
  });

/** What is proposed for the balances of a table. */
export const useProposals = (table: string | undefined) =>
  useQuery({
    ...asked,
    queryKey: ["own-proposals", table],
    enabled: table !== undefined,
    queryFn: async ({ signal }) =>
      (await send("POST", "/console/proposals", { table }, signal)) as {
        readonly proposals: readonly Proposal[];
      },
  });
