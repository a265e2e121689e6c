/**
 * What the server refuses by itself, in the terms of the catalogue (sql/foundation/error.sql):
 * some input must not even reach the database.
 */
import { GraphQLError } from "graphql";

interface CatalogueEntry {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly status: number;
}

/**
 * The part of the catalogue that the server itself raises, since it refuses some input before the
 * database sees it. A test holds these texts equal to saldo.error_code.
 */
export const CATALOGUE = {
  amount_invalid: {
    code: "SB002",
    message: "The amount is not a positive number in plain digits.",
    hint: "Give it as 150000 or 12.50: a point before the decimals, and nothing between thousands.",
    status: 400,
  },
  amount_scale: {
    code: "SB003",
    message: "The amount is written with more than 2 decimals.",
    hint:
      "A point stands before decimals, never between thousands: write 250000, not 250.000. Round " +
      "what has more decimals before the call: Saldo never rounds money on its own.",
    status: 400,
  },
  amount_out_of_range: {
    code: "SB004",
    message: "The amount is too large.",
    hint: "An amount stays below 1,000,000,000,000,000.",
    status: 400,
  },
  idempotency_conflict: {
    code: "SB005",
    message: "The idempotency key was used before with another content.",
    hint: "Use a new key for a new request; repeat the old content to get the old result.",
    status: 409,
  },
  forbidden: {
    code: "SB006",
    message: "You may not do this.",
    hint: "Ask an administrator, or call with a token whose role allows it.",
    status: 403,
  },
  not_found: {
    code: "SB007",
    message: "There is no such thing, or it is not yours.",
    hint: "Check the id.",
    status: 404,
  },
  text_invalid: {
    code: "SB008",
    message: "The text has characters that are not allowed.",
    hint:
      "Remove control characters and broken Unicode; a code or a name is one line, without marks " +
      "of direction.",
    status: 400,
  },
  input_invalid: {
    code: "SB010",
    message: "The input has the wrong form.",
    hint: "DETAIL tells which part and what was expected.",
    status: 400,
  },
  unauthenticated: {
    code: "SB011",
    message: "The token is missing or not valid.",
    hint: "Send Authorization: Bearer with a token that is signed, not expired and made for Saldo.",
    status: 401,
  },
  query_too_complex: {
    code: "SB012",
    message: "The query is too large or too deep.",
    hint: "Split it; ask for fewer fields, aliases and levels.",
    status: 400,
  },
  page_invalid: {
    code: "SB013",
    message: "The page size or offset is out of range.",
    hint: "Ask for fewer rows and follow the cursor.",
    status: 400,
  },
  not_unique: {
    code: "SB014",
    message: "This code or key is taken.",
    hint: "Choose another one.",
    status: 409,
  },
  conflict_retry: {
    code: "SB015",
    message: "The request collided with another one; nothing was changed.",
    hint: "Send it again with the same idempotency key.",
    status: 409,
  },
  timeout: {
    code: "SB016",
    message: "The request took too long and was stopped; nothing was changed.",
    hint: "Ask for less at once, or try again later.",
    status: 503,
  },
  internal_error: {
    code: "SB017",
    message: "Something went wrong inside Saldo.",
    hint: "Tell the operator the error id: the log has the cause under it.",
    status: 500,
  },
  too_many_requests: {
    code: "SB018",
    message: "Too many requests with a token that is not valid.",
    hint: "Wait a moment, then send a valid token.",
    status: 429,
  },
  unavailable: {
    code: "SB019",
    message: "The database did not answer; whether anything was changed is not known.",
    hint: "Send it again with the same idempotency key.",
    status: 503,
  },
  read_only: {
    code: "SB021",
    message: "This is a standby: it answers questions, and nothing can be changed here.",
    hint: "Send it to a server of the primary.",
    status: 503,
  },
  already_done: {
    code: "SB022",
    message:
      "This was done before under the same idempotency key, whose record is not kept any more.",
    hint:
      "Nothing was done again. DETAIL tells what was made under the key: look there, and use a new " +
      "key for what is new.",
    status: 409,
  },
  account_frozen: {
    code: "SB121",
    message: "The account is frozen: nothing is posted to it.",
    hint: "An administrator looks at account_freeze, settles what is wrong, and unfreezes it.",
    status: 409,
  },
  busy: {
    code: "SB023",
    message: "Too many requests at once; this one was not begun.",
    hint: "Wait as long as Retry-After says, then send the same again.",
    status: 429,
  },
  session_ended: {
    code: "SB060",
    message: "The session has ended.",
    hint: "Sign in again.",
    status: 401,
  },
  session_refused: {
    code: "SB061",
    message: "The session is taken from the console's own pages only.",
    hint: "Open the console, or send Authorization: Bearer with a token; DETAIL tells what is missing.",
    status: 401,
  },
  link_invalid: {
    code: "SB062",
    message: "The link for signing in is not valid: it was used, or its ten minutes are over.",
    hint: "Make another one: npx saldo console.",
    status: 401,
  },
  sign_in_unavailable: {
    code: "SB063",
    message: "The identity provider does not answer as it should.",
    hint: "Try again later, or sign in by a link: npx saldo console. The log has the cause.",
    status: 503,
  },
  sign_in_failed: {
    code: "SB064",
    message: "Signing in with the identity provider did not work.",
    hint: "Begin again, from the console.",
    status: 401,
  },
  sign_in_without_role: {
    code: "SB065",
    message: "The identity provider knows you, but nothing says what you may do here.",
    hint: "Ask an administrator: SALDO_OIDC_ROLES says which role is whose.",
    status: 403,
  },
  document_refused: {
    code: "SB066",
    message: "The document is none of those that this server takes.",
    hint: "Send one of SALDO_ALLOWED_DOCUMENTS to the letter, or have it added there.",
    status: 403,
  },
  branch_key_invalid: {
    code: "SB504",
    message: "The branch key is missing or not valid.",
    hint: "Go on selling; ask an administrator for an enrolment code, and enrol again.",
    status: 401,
  },
  push_invalid: {
    code: "SB507",
    message: "The push has not the form of the protocol.",
    hint: "DETAIL tells the part; docs/reference/branch-protocol.md has the form.",
    status: 400,
  },
  push_too_large: {
    code: "SB508",
    message: "The push is too large.",
    hint: "Send 256 rows and 262,144 bytes at most, before gzip; halve the batch.",
    status: 413,
  },
  push_media_type: {
    code: "SB509",
    message: "The push is not JSON, or is encoded in another way.",
    hint: "Send application/json in UTF-8, as it is or with gzip.",
    status: 415,
  },
  push_rate: {
    code: "SB511",
    message: "Too many pushes at once with this key.",
    hint: "Wait as long as Retry-After says, then send the same again.",
    status: 429,
  },
  file_encoding_wrong: {
    code: "SB430",
    message: "The file is not in the encoding that was named.",
    hint: "Save it as UTF-8, or name its encoding with --encoding.",
    status: 400,
  },
  file_columns_wrong: {
    code: "SB431",
    message: "The columns of the file are not those of this import.",
    hint: "DETAIL tells which are missing, unknown or double; the first row names the columns.",
    status: 400,
  },
  file_malformed: {
    code: "SB432",
    message: "The file or the row is not well-formed CSV.",
    hint: "Close each quote, and give each row as many fields as the first one.",
    status: 400,
  },
} as const satisfies Record<string, CatalogueEntry>;

/** Name of a condition that the server may raise itself. */
export type Condition = keyof typeof CATALOGUE;

/** What the part `extensions` of an error tells. */
export interface ErrorExtensions {
  readonly [key: string]: unknown;
  readonly code: string;
  readonly condition: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly errorId?: string;
}

/** What a client gets to know of an error. */
export interface Description {
  readonly message: string;
  readonly extensions: ErrorExtensions;
}

/** A refusal in the catalogue's terms, with the HTTP status that fits it. */
export class Refusal extends Error {
  readonly condition: Condition;
  readonly status: number;
  readonly extensions: ErrorExtensions;

  constructor(condition: Condition, detail = "", extra: { status?: number; hint?: string } = {}) {
    const entry = CATALOGUE[condition];
    super(entry.message);
    this.name = "Refusal";
    this.condition = condition;
    this.status = extra.status ?? entry.status;
    this.extensions = extensionsOf(condition, detail, extra.hint);
  }
}

/** The extensions of an error that has this condition. */
export function extensionsOf(condition: Condition, detail = "", hint?: string): ErrorExtensions {
  const entry = CATALOGUE[condition];
  return {
    code: entry.code,
    condition,
    ...(detail === "" ? {} : { detail: shorten(detail) }),
    hint: hint ?? entry.hint,
  };
}

/** What a client gets to know of an error that has this condition. */
export function described(condition: Condition, detail = ""): Description {
  return { message: CATALOGUE[condition].message, extensions: extensionsOf(condition, detail) };
}

/** A refusal in the form that GraphQL's own validation and coercion pass on. */
export function refusalError(condition: Condition, detail = "", hint?: string): GraphQLError {
  return new GraphQLError(CATALOGUE[condition].message, {
    extensions: extensionsOf(condition, detail, hint),
  });
}

/** The JSON body that a refused request is answered with, shaped like any GraphQL answer. */
export function refusalBody(refusal: Refusal): { errors: object[] } {
  return { errors: [{ message: refusal.message, extensions: refusal.extensions }] };
}

/** Cuts a text: the client's own comes back in some messages, and not all of it is needed. */
export function shorten(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}...`;
}
