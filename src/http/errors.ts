/**
 * Errors as clients see them: a code and a condition of the catalogue, what was wrong, and what to
 * do. Anything that is not listed here stays inside, under an id that is in the log as well. SQL
 * text never leaves the server.
 */
import "../graphql/graphile_env.ts";
import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import { isSafeError } from "postgraphile/grafast";
import type { Log } from "../log.ts";
import {
  CATALOGUE,
  type Condition,
  type Description,
  type ErrorExtensions,
  extensionsOf,
  shorten,
} from "./refusal.ts";

interface DatabaseErrorLike {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly constraint?: string;
}

function asDatabaseError(error: unknown): DatabaseErrorLike | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? (error as DatabaseErrorLike) : undefined;
}

// Conditions by SQLSTATE, for what PostgreSQL refuses on its own. 22012 (division by zero) and
// 23503 (foreign key) are not here: a request that gets so far has found a fault of ours.
const CONDITION_BY_SQLSTATE: Readonly<Record<string, Condition>> = {
  "22003": "input_invalid",
  "22007": "input_invalid",
  "22008": "input_invalid",
  "22009": "input_invalid",
  "22021": "text_invalid",
  "22023": "input_invalid",
  "22P02": "input_invalid",
  "22P05": "text_invalid",
  "23502": "input_invalid",
  "23505": "not_unique",
  "40001": "conflict_retry",
  "40P01": "conflict_retry",
  "42501": "forbidden",
  "53300": "unavailable",
  "55P03": "conflict_retry",
  "57014": "timeout",
  "57P01": "unavailable",
  "57P02": "unavailable",
  "57P03": "unavailable",
  ECONNREFUSED: "unavailable",
  ECONNRESET: "unavailable",
};

// Checks of the domain saldo.amount, which speak before the function does in a few places.
const CONDITION_BY_CONSTRAINT: Readonly<Record<string, Condition>> = {
  amount_is_a_number: "amount_invalid",
  amount_has_two_decimals: "amount_scale",
  amount_is_in_range: "amount_out_of_range",
};

/** What a client may know of an error that the database raised; undefined when nothing. */
export function describeDatabaseError(error: unknown): Description | undefined {
  const cause = asDatabaseError(error);
  if (cause === undefined) {
    return isLostConnection(error) ? described("unavailable") : undefined;
  }
  if (/^SB\d{3}$/.test(cause.code)) {
    return {
      message: cause.message,
      extensions: {
        code: cause.code,
        condition: cause.constraint ?? "",
        ...(cause.detail ? { detail: shorten(cause.detail) } : {}),
        ...(cause.hint ? { hint: cause.hint } : {}),
      },
    };
  }
  if (cause.code === "23514" && cause.constraint !== undefined) {
    const condition = CONDITION_BY_CONSTRAINT[cause.constraint];
    // A check is named after its rule, so that the name explains the refusal.
    return condition ? described(condition) : described("input_invalid", cause.constraint);
  }
  const condition = CONDITION_BY_SQLSTATE[cause.code];
  if (condition === undefined) {
    return undefined;
  }
  // These messages quote the client's own value, and nothing else says which one it was.
  return described(condition, condition === "input_invalid" ? cause.message : "");
}

function described(condition: Condition, detail = ""): Description {
  return { message: CATALOGUE[condition].message, extensions: extensionsOf(condition, detail) };
}

// The driver gives an error of its own, without a code, when the server dies under a query.
function isLostConnection(error: unknown): boolean {
  return (
    error instanceof Error && /^Connection terminated|^timeout exceeded when/.test(error.message)
  );
}

/** What masking goes by. */
export interface MaskOptions {
  /** Whether names that would have been right are suggested: they tell the schema bit by bit. */
  readonly suggestions: boolean;
  /** Whether the request that is being answered came without a token. */
  isAnonymous(): boolean;
}

/** Makes the function that every error of GraphQL passes on its way out. */
export function makeMaskError(log: Log, options: MaskOptions) {
  return function maskError(error: GraphQLError): GraphQLError {
    const cause = error.originalError;
    const known = describeDatabaseError(cause) ?? describeRefusal(error);
    if (known?.extensions.condition === "forbidden" && options.isAnonymous()) {
      return rebuilt(error, described("unauthenticated"));
    }
    if (known !== undefined) {
      return rebuilt(error, known);
    }
    if (isClientMistake(error)) {
      const message = options.suggestions
        ? error.message
        : error.message.replace(/ Did you mean .*\?/s, "");
      return rebuilt(error, describeMistake(message));
    }

    const errorId = randomUUID();
    log.error("request failed", {
      errorId,
      path: error.path?.join("."),
      ...causeOf(cause ?? error),
    });
    return rebuilt(error, {
      message: CATALOGUE.internal_error.message,
      extensions: { ...extensionsOf("internal_error"), errorId },
    });
  };
}

/** What the log keeps of an error: as an object it would be written as {}. */
export function causeOf(error: unknown): Record<string, unknown> {
  const { message, stack, code, where } = error as Partial<Error> & {
    code?: string;
    where?: string;
  };
  return { reason: message ?? String(error), sqlstate: code, where, stack };
}

/** Whether what the client wrote is at fault: an unknown field, a variable of a wrong type. */
function isClientMistake({ originalError: cause, path }: GraphQLError): boolean {
  // With a path it is the execution that failed, on a null where none may be: that is our fault.
  if (cause == null) {
    return path === undefined;
  }
  return (
    cause instanceof GraphQLError ||
    isSafeError(cause) ||
    // The filter plugin throws this without any mark.
    / are forbidden in filter argument input/.test(cause.message)
  );
}

function describeMistake(message: string): Description {
  // GraphQL itself refuses a missing or null amount, before our scalar sees it.
  if (/type "(BigFloat|Amount|Total)!"/.test(message) && !message.includes("in position")) {
    return described("amount_invalid", "an amount is missing");
  }
  return {
    message: shorten(message),
    extensions: extensionsOf("input_invalid", "", "Compare the query with the schema."),
  };
}

function describeRefusal(error: GraphQLError): Description | undefined {
  for (const source of [error.originalError, error] as const) {
    const extensions = (source as { extensions?: Partial<ErrorExtensions> } | null | undefined)
      ?.extensions;
    const entry = Object.hasOwn(CATALOGUE, extensions?.condition ?? "")
      ? CATALOGUE[extensions?.condition as Condition]
      : undefined;
    if (entry !== undefined) {
      return { message: entry.message, extensions: extensions as ErrorExtensions };
    }
  }
  return undefined;
}

function rebuilt(error: GraphQLError, { message, extensions }: Description): GraphQLError {
  return new GraphQLError(message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions,
  });
}
