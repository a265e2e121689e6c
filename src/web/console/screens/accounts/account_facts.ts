import type { AccountPageQuery } from "./accounts.documents.ts";

/** What the page of an account knows of it. */
export type AccountFacts = NonNullable<AccountPageQuery["account"]>;
