import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codegen } from "@graphql-codegen/core";
import * as operations from "@graphql-codegen/typescript-operations";
import {
  buildSchema,
  type DocumentNode,
  type GraphQLSchema,
  isScalarType,
  isSpecifiedScalarType,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  validate,
} from "graphql";

/**
 * The console's GraphQL documents: beside each `x.graphql` of its folders an `x.documents.ts` with
 * the text and types of its operations, and one list of all of them, which a server may be told to
 * serve alone (SALDO_ALLOWED_DOCUMENTS).
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = "src/web/console";

/** Where the list of the console's documents stands: the SHA-256 of a text, and its operation. */
export const allowedDocumentsPath = `${folder}/allowed_documents.json`;

interface Source {
  readonly path: string;
  readonly document: DocumentNode;
}

function sources(): Source[] {
  const all = readdirSync(join(root, folder), { recursive: true }) as string[];
  return all
    .filter((path) => path.endsWith(".graphql"))
    .sort()
    .map((path) => ({
      path: `${folder}/${path}`,
      document: parse(readFileSync(join(root, folder, path), "utf8")),
    }));
}

const operationsOf = ({ document }: Source) =>
  document.definitions.filter(
    (each): each is OperationDefinitionNode => each.kind === Kind.OPERATION_DEFINITION,
  );

/** The text of one operation, with the fragments of its file that it needs. */
function textOf(source: Source, operation: OperationDefinitionNode): string {
  const needed = new Map<string, string>();
  const follow = (text: string) => {
    for (const [, name = ""] of text.matchAll(/\.\.\.\s*(?!on\b)(\w+)/g)) {
      const fragment = source.document.definitions.find(
        (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name,
      );
      if (fragment === undefined || needed.has(name)) continue;
      needed.set(name, print(fragment));
      follow(print(fragment));
    }
  };
  follow(print(operation));
  return [print(operation), ...needed.values()].join("\n\n");
}

/**
 * Who may ask for all of an operation's top level, by the comments of its fields, which the database
 * writes from its grants; null where no comment names anybody.
 */
function rolesOf(schema: GraphQLSchema, operation: OperationDefinitionNode): string[] | null {
  let roles: string[] | null = null;
  const type = schema.getRootType(operation.operation);
  for (const selection of operation.selectionSet.selections) {
    if (selection.kind !== Kind.FIELD) continue;
    const comment = type?.getFields()[selection.name.value]?.description ?? "";
    const named = /Who may: ([^.]+)\./.exec(comment)?.[1]?.split(", ");
    if (named !== undefined) roles = (roles ?? named).filter((role) => named.includes(role));
  }
  return roles;
}

/** Every scalar of our own is a text: an amount is never a double. */
function scalarsOf(schema: GraphQLSchema): Record<string, string> {
  const own = Object.values(schema.getTypeMap()).filter(
    (type) => isScalarType(type) && !isSpecifiedScalarType(type),
  );
  return Object.fromEntries(own.map(({ name }) => [name, name === "JSON" ? "unknown" : "string"]));
}

/** Where types of the schema stand that documents share: filters, requests and enumerations. */
const schemaTypesPath = `${folder}/api/schema_types.ts`;

/**
 * Keeps the types of the schema for the file that all documents share, and gives the rest: what an
 * operation takes and answers, below an import of what that names.
 */
function withoutSchemaTypes(
  generated: string,
  api: string,
  schema: GraphQLSchema,
  shared: Map<string, string>,
): string {
  // The generator writes UUIDFilter as UuidFilter.
  const ofSchema = new Set(Object.keys(schema.getTypeMap()).map((name) => name.toLowerCase()));
  const own: string[] = [];
  for (const block of generated.split(/^(?=(?:export )?type )/m)) {
    const [, name] = /^(?:export )?type (\w+)/.exec(block) ?? [];
    // Before the first type, and between two of them, stand comments of the generator.
    const text = block.replace(/\/\*\*[^*]*\*\/\s*$/, "").trim();
    if (name === undefined) continue;
    if (name === "Exact") shared.set(name, `export ${text}`);
    else if (ofSchema.has(name.toLowerCase())) shared.set(name, text);
    else if (name !== "Incremental") own.push(text);
  }
  const rest = own.join("\n\n");
  const named = [...shared.keys()].filter((name) => new RegExp(`\\b${name}\\b`).test(rest));
  if (named.length === 0) return rest;
  const told = named.filter((name) => name !== "Exact");
  return `import type { ${named.sort().join(", ")} } from "${api}schema_types.ts";
${told.length > 0 ? `\nexport type { ${told.sort().join(", ")} };\n` : ""}
${rest}`;
}

/** All that is generated: a text for each path. */
export async function consoleDocuments(): Promise<Map<string, string>> {
  const schemaText = readFileSync(`${root}schema.graphql`, "utf8");
  const schema = buildSchema(schemaText);
  const written = new Map<string, string>();
  const allowed: [hash: string, name: string][] = [];
  const shared = new Map<string, string>();
  for (const source of sources()) {
    const [error] = validate(schema, source.document);
    if (error !== undefined) throw new Error(`${source.path}: ${error.message}`);
    const types = await codegen({
      filename: source.path,
      schema: parse(schemaText),
      schemaAst: schema,
      documents: [{ location: source.path, document: source.document }],
      plugins: [{ operations: {} }],
      pluginMap: { operations },
      config: {
        scalars: scalarsOf(schema),
        strictScalars: true,
        enumType: "string-literal",
        skipTypename: true,
        // They stand in schema.graphql.
        disableDescriptions: true,
        useTypeImports: true,
      },
    });
    const parts = operationsOf(source).map((operation) => {
      const name = operation.name?.value ?? "";
      const kind = operation.operation;
      const text = textOf(source, operation);
      allowed.push([createHash("sha256").update(text).digest("hex"), name]);
      const suffix = `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
      const variables = `${name}${suffix}Variables`;
      const roles = rolesOf(schema, operation);
      return `export const ${name}: TypedDocument<${name}${suffix}, ${variables}> = {
  name: "${name}",
  kind: "${kind}",
  roles: ${JSON.stringify(roles)},
  text: ${JSON.stringify(text)},
};\n`;
    });
    const depth = source.path.split("/").length - 4;
    const api = `${"../".repeat(depth) || "./"}api/`;
    written.set(
      source.path.replace(/\.graphql$/, ".documents.ts"),
      `// Generated by npm run snapshot from the .graphql file beside it.
import type { TypedDocument } from "${api}document.ts";
${withoutSchemaTypes(types.trim(), api, schema, shared)}

${parts.join("\n")}`,
    );
  }
  const names = [...shared.keys()].sort();
  written.set(
    schemaTypesPath,
    `// Generated by npm run snapshot: types of the schema that the console's documents name.

${names.map((name) => shared.get(name)?.trim()).join("\n\n")}
`,
  );
  allowed.sort(([a], [b]) => (a < b ? -1 : 1));
  written.set(allowedDocumentsPath, `${JSON.stringify(Object.fromEntries(allowed), null, 2)}\n`);
  return written;
}
