/** The document of the simple door, in OpenAPI 3.1, made of its routes. */
import { z } from "zod";
import { readVersion } from "../../paths.ts";
import type { Described, Fields } from "./route.ts";

/** Where the document is served. */
export const OPEN_API_PATH = "/api/openapi.json";

const schemaOf = (schema: z.ZodType, io: "input" | "output") => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: "draft-2020-12" });
  return rest;
};

const refusal = z.strictObject({
  status: z.literal("error"),
  message: z.string(),
  data: z.strictObject({
    code: z.string().regex(/^SB\d{3}$/),
    condition: z.string(),
    detail: z.string().nullable(),
    hint: z.string().nullable(),
    error_id: z.string().optional().describe("stands in the log, with the cause"),
  }),
});

const answered = (description: string, schema: object) => ({
  description,
  content: { "application/json": { schema } },
});

const refused = (description: string) =>
  answered(description, { $ref: "#/components/schemas/Refusal" });

function parametersOf(where: "path" | "query", fields: Fields): object[] {
  return Object.entries(fields).map(([name, field]) => {
    const schema = field as z.ZodType;
    return {
      name,
      in: where,
      required: where === "path" || !schema.safeParse(undefined).success,
      ...(schema.description !== undefined && { description: schema.description }),
      schema: schemaOf(schema, "input"),
    };
  });
}

/** Answers by status: those that follow from roles and fields, and the route's own. */
function answersOf({ roles, data, answers, forms }: Described): Record<string, object> {
  if (forms !== undefined) {
    const all = Object.entries(forms);
    return Object.fromEntries(
      all.map(([status, { words, form }]) => [status, answered(words, schemaOf(form, "output"))]),
    );
  }
  const isOpen = roles.length === 0;
  const done = z.strictObject({ status: z.literal("success"), data });
  return {
    200: answered("Done.", schemaOf(done, "output")),
    ...(!isOpen && {
      400: refused("a field is missing, unknown or of the wrong form"),
      403: refused(`the role of the token may not: ${roles.join(", ")} may`),
    }),
    401: refused(isOpen ? "the token is not good" : "the token is missing or not good"),
    ...Object.fromEntries(
      Object.entries(answers).map(([status, words]) => [status, refused(words)]),
    ),
    default: refused(
      "429: too many requests at once; 503: the database is away, a standby, or took too long",
    ),
  };
}

const KEY_HEADER = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "instead of idempotency_key in the body",
  schema: { type: "string" },
};

function operationOf(route: Described): object {
  const { name, summary, roles, fields } = route;
  const hasBody = Object.keys(fields.body).length > 0;
  return {
    operationId: name,
    summary,
    description: roles.length === 0 ? "Everybody may." : `Roles that may: ${roles.join(", ")}.`,
    security: roles.length === 0 ? [{}, { token: [] }] : [{ token: [] }],
    parameters: [
      ...parametersOf("path", fields.path),
      ...parametersOf("query", fields.query),
      ...(Object.hasOwn(fields.body, "idempotency_key") ? [KEY_HEADER] : []),
    ],
    ...(route.method === "post" && {
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: schemaOf(z.strictObject(fields.body), "input"),
            ...(!hasBody && { example: {} }),
          },
        },
      },
    }),
    responses: answersOf(route),
  };
}

/** The document of these routes. */
export function openApi(routes: readonly Described[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Saldo: the simple door",
      version: readVersion(),
      description:
        "A plain face of some functions of Saldo; everything else is GraphQL at /graphql. Amounts " +
        "and 64-bit numbers of answers are text, exact to the last digit.",
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: { Refusal: schemaOf(refusal, "output") },
    },
  };
}
