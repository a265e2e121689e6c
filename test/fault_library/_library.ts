/** What a heal makes of a fault. */
export type Outcome =
  /** It is rewritten from the truth, and all figures are as before the fault. */
  | "healed"
  /** It is not healed, as the journal itself is in question. */
  | "refused"
  /** The same, and accounts are frozen. */
  | "frozen"
  /** It was healed before, and came again: a human decides. */
  | "escalated"
  /** It is above a limit: a human approves. */
  | "needs approval"
  /** It is told, and nothing is done by itself. */
  | "reported";

/** What is done to the books past the engine, and what has to come of it. */
export interface Fault {
  fault: string;
  /** SQL of a superuser whose session has silenced the ordinary triggers. */
  plant: string;
  /** Whether it is done in a way that the guard does not record. */
  unseen?: true;
  /** What the engine does before that. */
  before?: string;
  /** Exactly these rules find something. The first one is what the rest is about. */
  rules: [string, ...string[]];
  /** The best causes of the findings of the first rule, each with its confidence. */
  cause: string;
  outcome: Outcome;
  /** Whether it is healed, and then done again. */
  twice?: true;
}

/** The faults of a room, over the same books. */
export interface Room {
  room: string;
  /** What is in the books besides: SQL. */
  books: string;
  faults: Fault[];
}
