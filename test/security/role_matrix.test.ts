import test from "ava";
import {
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from "graphql";
import { DATABASE_ROLES, type TokenRole } from "../../src/auth/caller.ts";
import { openApi } from "../_support/api.ts";
import { inParallel } from "./_answers.ts";
import { freeFields, schema } from "./_inputs.ts";

/*
 * Every field of the top level, asked by every role that a token may name and by nobody: whoever the
 * catalogue gives no right is refused with SB006 (SB011 without a token), and whoever it gives one is not refused for that.
 */

const api = await openApi();
const anna = await api.member("anna", "500000");
test.after.always(() => api.close());

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A value of each type that is in order, and names nothing that is there. */
const values: Readonly<Record<string, unknown>> = {
  BigInt: "987654321",
  UUID: "00000000-0000-4000-8000-000000000000",
  String: "zz",
  Date: "2025-01-01",
  MonthStart: "2025-01-01",
  Datetime: "2025-01-01T00:00:00Z",
  Boolean: true,
  JSON: {},
  Int: 1,
  InternetAddress: "127.0.0.1",
  Base64EncodedBinary: "AAAA",
};

function fitting(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return fitting(type.ofType);
  if (isListType(type)) return [fitting(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type)) {
    const wanted = Object.values(type.getFields()).filter(({ type: each }) => isNonNullType(each));
    return Object.fromEntries(wanted.map(({ name, type: each }) => [name, fitting(each)]));
  }
  return values[type.name] ?? "1";
}

/** A request for the field, and for as little of its answer as can be asked for. */
function requestOf(kind: "query" | "mutation", field: GraphQLField<unknown, unknown>) {
  const given = field.args.filter(isRequiredArgument);
  const declared = given.map(({ name, type }) => `$${name}: ${type}`).join(", ");
  const passed = given.map(({ name }) => `${name}: $${name}`).join(", ");
  const type = getNamedType(field.type);
  const inner = isObjectType(type) ? freeFields(type) : [];
  // Nodes and results are what the right is about; an id alone is asked of each.
  const part = inner.find(({ name }) => /^(nodes|result)$/.test(name));
  const selection = !isObjectType(type)
    ? ""
    : part
      ? ` { ${part.name}${isObjectType(getNamedType(part.type)) ? " { __typename }" : ""} }`
      : ` { __typename }`;
  return {
    query: `${kind}${declared && ` (${declared})`} { ${field.name}${passed && `(${passed})`}${selection} }`,
    variables: Object.fromEntries(given.map(({ name, type: each }) => [name, fitting(each)])),
  };
}

/** The table whose rows a field shows. */
function tableOf(field: GraphQLField<unknown, unknown>): string {
  const type = getNamedType(field.type);
  const nodes = isObjectType(type) ? type.getFields()["nodes"] : undefined;
  return snake(
    getNamedType(nodes?.type ?? type).name.replace(/^[A-Z]/, (each) => each.toLowerCase()),
  );
}

/** Functions and tables by name, each with the roles that may call or read it. */
async function rights(): Promise<Map<string, Set<string>>> {
  const rows = await api.root(
    `select o.name, array_agg(r.rolname::text) filter (where
      case when o.is_function then has_function_privilege(r.oid, o.oid, 'execute')
      else has_any_column_privilege(r.oid, o.oid, 'select') end) as roles
    from (
      select oid, proname::text as name, true as is_function
      from pg_proc where pronamespace = 'saldo'::regnamespace
      union all
      select oid, relname, false
      from pg_class where relnamespace = 'saldo'::regnamespace and relkind in ('r', 'p', 'v')
    ) as o
    cross join pg_roles as r
    where r.rolname ~ '^saldo_'
    group by o.name`,
  );
  return new Map(rows.map(({ name, roles }) => [String(name), new Set((roles ?? []) as string[])]));
}

test("who has no right to a function is refused each field of it, and who has one is not", async (t) => {
  const mayUse = await rights();
  const tokens: [role: string, token: string | null][] = [["saldo_anonymous", null]];
  for (const [role, databaseRole] of Object.entries(DATABASE_ROLES)) {
    const token =
      role === "member"
        ? await api.memberToken(anna.id)
        : await api.token({ role: role as TokenRole });
    tokens.push([databaseRole, token]);
  }
  const wrong: string[] = [];
  let refusedCount = 0;
  let servedCount = 0;
  for (const kind of ["query", "mutation"] as const) {
    const root = kind === "query" ? schema.getQueryType() : schema.getMutationType();
    const objectOf = (field: GraphQLField<unknown, unknown>) =>
      mayUse.get(snake(field.name)) ?? mayUse.get(tableOf(field));
    const fields = Object.values(root?.getFields() ?? {});
    t.deepEqual(
      fields.filter((field) => !objectOf(field)).map(({ name }) => name),
      [],
    );
    await inParallel(fields, 4, async (field) => {
      const { query, variables } = requestOf(kind, field);
      for (const [role, token] of tokens) {
        const isAllowed = objectOf(field)?.has(role) ?? false;
        const { code, text } = await api.post(query, variables, token);
        // Whoever has no token is asked for one.
        const isRefused = code === (token === null ? "SB011" : "SB006");
        if (isRefused) refusedCount += 1;
        else servedCount += 1;
        if (isRefused === isAllowed) wrong.push(`${role} ${query}: ${text.slice(0, 200)}`);
      }
    });
  }
  t.log(`${refusedCount} refused, ${servedCount} not`);
  t.deepEqual(wrong, []);
  t.true(refusedCount > 200 && servedCount > 200);
});
