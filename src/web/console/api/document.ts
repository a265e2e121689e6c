/** An operation of the API with the types of what it takes and gives. */
export interface TypedDocument<Result, Variables> {
  readonly name: string;
  readonly kind: "query" | "mutation" | "subscription";
  /** Who may ask for all of it, as the database's grants say; null where no comment names anybody. */
  readonly roles: readonly string[] | null;
  readonly text: string;
  /** Never there: it carries the types. */
  readonly types?: (variables: Variables) => Result;
}
