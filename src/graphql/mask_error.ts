/**
 * Errors of GraphQL as clients see them: a code and a condition of the catalogue, what was wrong,
 * and what to do. Anything that is not known stays inside, under an id that is in the log as well.
 */
import "./graphile_env.ts";
import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import { isSafeError } from "postgraphile/grafast";
import { causeOf, describeDatabaseError } from "../errors/database_error.ts";
import {
  CATALOGUE,
  type Condition,
  type Description,
  described,
  type ErrorExtensions,
  extensionsOf,
  shorten,
} from "../errors/refusal.ts";
import type { Log } from "../log.ts";
import { currentTurn } from "./turn.ts";

/** What masking goes by. */
export interface MaskOptions {
  /** Whether correct names are suggested: suggestions reveal the schema bit by bit. */
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
      requestId: currentTurn()?.requestId,
      path: error.path?.join("."),
      ...causeOf(cause ?? error),
    });
    return rebuilt(error, {
      message: CATALOGUE.internal_error.message,
      extensions: { ...extensionsOf("internal_error"), errorId },
    });
  };
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
  currentTurn()?.refused?.(extensions.code);
  return new GraphQLError(message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions,
  });
}
