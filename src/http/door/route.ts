/** What a route of the simple door is: its words for people and programs, and one call of SQL. */
import type { ClientBase } from "pg";
import { z } from "zod";
import type { TokenRole } from "../../auth/caller.ts";
import { Refusal } from "../../errors/refusal.ts";

/** Fields of a path, a query or a body. */
export type Fields = z.ZodRawShape;

type Values<Each extends Fields> = z.output<z.ZodObject<Each>>;

/** A route as the document of the API describes it. */
export interface Described {
  readonly method: "get" | "post";
  /** As OpenAPI writes it: `/api/v1/balance/{account}`. */
  readonly path: string;
  /** Name in generated clients. */
  readonly name: string;
  readonly summary: string;
  /** Roles of tokens that may; empty = everybody, without a token too. */
  readonly roles: readonly TokenRole[];
  readonly fields: { readonly path: Fields; readonly query: Fields; readonly body: Fields };
  /** What `data` of the answer is. */
  readonly data: z.ZodType;
  /** Answers beside 200 and those that follow from roles and fields: status, and when. */
  readonly answers: Readonly<Record<number, string>>;
  /** Whole answers by status, of a route whose answers have a form of their own. */
  readonly forms?: Readonly<Record<number, { readonly words: string; readonly form: z.ZodType }>>;
}

/** What a request brought, before it was looked at. */
export interface Brought {
  readonly path: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** A route that can be served. */
export interface Route extends Described {
  /** Whether it changes anything: a standby refuses it. */
  readonly isWrite: boolean;
  /** Whether it reads more than a page, or goes through tables: these wait in a lane of their own. */
  readonly isReport: boolean;
  /**
   * Looks at what was brought, and gives what is to be done in a transaction of the caller.
   *
   * @throws Refusal input_invalid
   */
  prepare(brought: Brought): (client: ClientBase) => Promise<object>;
}

/** What a route is made of. */
export interface RouteParts<Path extends Fields, Query extends Fields, Body extends Fields> {
  readonly method: "get" | "post";
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly roles?: readonly TokenRole[];
  readonly inPath?: Path;
  readonly inQuery?: Query;
  readonly inBody?: Body;
  readonly data: z.ZodType;
  readonly answers?: Readonly<Record<number, string>>;
  readonly isReport?: boolean;
  /** Asks the database. */
  ask(client: ClientBase, given: Values<Path> & Values<Query> & Values<Body>): Promise<object>;
}

// biome-ignore lint/complexity/noBannedTypes: no fields at all
type None = {};

/** A route of its parts. What is brought and not known is refused: a misspelt field would go unseen. */
export function route<
  Path extends Fields = None,
  Query extends Fields = None,
  Body extends Fields = None,
>(parts: RouteParts<Path, Query, Body>): Route {
  const { inPath = {}, inQuery = {}, inBody = {}, isReport = false } = parts;
  const { method, path, name, summary, roles = [], data, answers = {} } = parts;
  const schemas = {
    path: z.strictObject(inPath),
    query: z.strictObject(inQuery),
    body: z.strictObject(inBody),
  };
  return {
    method,
    path,
    name,
    summary,
    roles,
    fields: { path: inPath, query: inQuery, body: inBody },
    data,
    answers,
    isWrite: method === "post",
    isReport,
    prepare(brought) {
      const given = {
        ...read(schemas.path, brought.path),
        ...read(schemas.query, brought.query),
        ...(method === "post" && read(schemas.body, brought.body)),
      } as Values<Path> & Values<Query> & Values<Body>;
      return (client) => parts.ask(client, given);
    },
  };
}

function read(schema: z.ZodType, value: unknown): object {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data as object;
  const [issue] = error.issues;
  const where = issue?.path.join(".");
  throw new Refusal("input_invalid", `${where ? `${where}: ` : ""}${issue?.message}`);
}
