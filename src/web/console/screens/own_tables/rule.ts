import type { OwnRuleQuery } from "./own_tables.documents.ts";

/** A registered rule with all that its screen shows. */
export type Rule = NonNullable<OwnRuleQuery["registeredRule"]>;
