import type { AccountType } from "./accounts.documents.ts";

/** Types of accounts, in the order of the books. */
export const accountTypes: readonly AccountType[] = [
  "asset",
  "liability",
  "equity",
  "revenue",
  "expense",
];
