import type { OwnRuleQuery } from "./own_tables.documents.ts";

/** What the page of a rule knows of it. */
export type Rule = NonNullable<OwnRuleQuery["registeredRule"]>;
