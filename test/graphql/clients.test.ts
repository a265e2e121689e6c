import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codegen } from "@graphql-codegen/core";
import * as typescript from "@graphql-codegen/typescript";
import * as operations from "@graphql-codegen/typescript-operations";
import test from "ava";
import {
  buildSchema,
  getNamedType,
  isObjectType,
  isRequiredArgument,
  isScalarType,
  isSpecifiedScalarType,
  parse,
} from "graphql";
import { createClient } from "graphql-ws";
import { openApi } from "../_support/api.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const guide = readFileSync(`${root}docs/guides/clients.md`, "utf8");
const schemaText = readFileSync(`${root}schema.graphql`, "utf8");
const schema = buildSchema(schemaText);

/** The JSON of the guide that stands after a mark. */
function jsonAfter(mark: string): Record<string, unknown> {
  const [, text = ""] =
    new RegExp(`<!-- ${mark} -->\n\`\`\`json\n([\\s\\S]*?)\`\`\``).exec(guide) ?? [];
  return JSON.parse(text);
}

test("the guide maps every scalar of the schema, and none that is not there", (t) => {
  const scalars = Object.values(schema.getTypeMap())
    .filter((type) => isScalarType(type) && !isSpecifiedScalarType(type))
    .map(({ name }) => name);
  t.deepEqual(Object.keys(jsonAfter("scalars")).sort(), scalars.sort());
});

test("the guide has the key of every type that has one other than id", (t) => {
  const keys = jsonAfter("keys") as Record<string, string[]>;
  const lookups = new Map<string, string[]>();
  for (const field of Object.values(schema.getQueryType()?.getFields() ?? {})) {
    const type = getNamedType(field.type);
    if (!isObjectType(type) || type.getFields()["id"]) continue;
    const isOwn = field.name.toLowerCase() === type.name.toLowerCase();
    // An id that a code may stand for is one of the two, so neither is required.
    const given = field.args.map(({ name }) => name);
    const names = field.args
      .filter((arg) => isRequiredArgument(arg) || given.includes(`${arg.name.slice(0, -2)}Code`))
      .map(({ name }) => name);
    if (isOwn && names.length > 0 && names.every((name) => name in type.getFields())) {
      lookups.set(type.name, names);
    }
  }
  t.deepEqual(Object.keys(keys).sort(), [...lookups.keys()].sort());
  for (const [type, names] of lookups) {
    // Of a line entry and number are enough; account and day are where it is looked for.
    const enough = type === "JournalLine" ? ["entryId", "lineNo"] : names;
    t.deepEqual(keys[type], enough, type);
  }
});

test("what is generated with the guide's scalars compiles, and amounts are texts", async (t) => {
  const document = parse(`query Wallet($id: BigInt!) {
    walletBalance(memberId: $id) { balance }
    members(first: 1) { nodes { id createdAt } }
  }`);
  const generated = await codegen({
    filename: "saldo.ts",
    schema: parse(schemaText),
    documents: [{ location: "wallet.graphql", document }],
    plugins: [{ typescript: {} }, { operations: {} }],
    pluginMap: { typescript, operations },
    config: { scalars: jsonAfter("scalars"), strictScalars: true, enumsAsTypes: true },
  });
  const folder = mkdtempSync(join(root, "node_modules", ".generated-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "saldo.ts"), generated);
  writeFileSync(
    join(folder, "use.ts"),
    `import type { WalletQuery, WalletQueryVariables } from "./saldo.ts";
    export const variables: WalletQueryVariables = { id: "1" };
    export const balanceOf = (answer: WalletQuery): string => answer.walletBalance?.balance ?? "0";
    // @ts-expect-error an amount is no number
    export const wrong = (answer: WalletQuery): number => answer.walletBalance?.balance ?? 0;
    `,
  );
  const options = [
    "--ignoreConfig",
    "--noEmit",
    "--strict",
    "--allowImportingTsExtensions",
    "--module",
    "nodenext",
  ];
  const compile = () =>
    execFileSync(
      join(root, "node_modules/.bin/tsc"),
      [...options, "--types", "", join(folder, "use.ts")],
      {
        encoding: "utf8",
        stdio: "pipe",
      },
    );
  t.notThrows(compile);
});

/** A way to the server that can be cut and laid again, as in a restart. */
function makeWay(port: number): { server: Server; cut(): void } {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return { server, cut };
}

test("the guide's client of subscriptions goes on after a restart, with a fresh token", async (t) => {
  const api = await openApi();
  t.teardown(() => api.close());
  const [account] = await api.root("select id from saldo.open_account('s', 'S', 'liability')");
  const way = makeWay(Number(new URL(api.url).port));
  way.server.listen(0, "127.0.0.1");
  await once(way.server, "listening");
  const { port } = way.server.address() as { port: number };
  t.teardown(() => way.server.close());

  // The options stand in the guide as they are tested here.
  const [, options = ""] = /createClient\((\{[\s\S]*?\n\})\);/.exec(guide) ?? [];
  const process_ = { env: { SALDO_URL: `http://127.0.0.1:${port}/graphql` } };
  let tokenCount = 0;
  const tokenOf = () => {
    tokenCount += 1;
    return api.token({});
  };
  const make = new Function("process", "tokenOf", `return ${options};`);
  const client = createClient(make(process_, tokenOf));
  t.teardown(() => void client.dispose());
  const events = client.iterate<{ accountChanged: { event: string } }>({
    query: `subscription { accountChanged(accountId: "${account?.["id"]}") { event } }`,
  });
  const next = async () => (await events.next()).value?.data?.accountChanged.event;
  t.is(await next(), "subscribed");
  // Nobody listens for a while.
  const closed = once(way.server, "close");
  way.server.close();
  way.cut();
  await closed;
  way.server.listen(port, "127.0.0.1");
  t.is(await next(), "subscribed");
  t.is(tokenCount, 2);
});
