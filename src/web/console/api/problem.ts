/** What went wrong with a request, as the server names it. */
export class Problem extends Error {
  readonly code: string;
  readonly condition: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** By which an administrator finds it in the server's log. */
  readonly errorId: string | undefined;

  constructor(message: string, more: { [name: string]: unknown } = {}) {
    super(message);
    this.code = text(more["code"]) ?? "";
    this.condition = text(more["condition"]) ?? "internal_error";
    this.detail = text(more["detail"]);
    this.hint = text(more["hint"]);
    this.errorId = text(more["errorId"]);
  }

  /** The server did not answer: nothing is known of what became of the request. */
  get isSilence(): boolean {
    return this.condition === "no_answer";
  }

  /** There is no session, or it has ended. */
  get isSignedOut(): boolean {
    return this.condition === "unauthenticated" || this.condition === "session_ended";
  }

  /** This role may not do that. */
  get isForbidden(): boolean {
    return this.condition === "forbidden";
  }
}

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

/** Any error as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Problem(message, { condition: "no_answer" });
}
