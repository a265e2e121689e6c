import type { AddressInfo } from "node:net";
import pg from "pg";
import { signToken, type TokenClaims } from "../../src/auth/token.ts";
import { NobodyClient } from "../../src/database/own_client.ts";
import { createApp } from "../../src/http/app.ts";
import type { AppContext } from "../../src/http/app_context.ts";
import { makeHttpServer } from "../../src/http/http_server.ts";
import { openTestDatabase } from "./database.ts";

export const SECRET = "a secret for tests of more than 32 characters";

/** An answer of the API: GraphQL's parts of it, and what HTTP adds. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
  data: any;
  errors: { message: string; extensions: Record<string, string> }[] | undefined;
  /** extensions.code of the first error. */
  code: string | undefined;
}

export interface ApiOptions {
  config?: Partial<AppContext["config"]>;
  /** Statements run as the superuser before the schema is read. */
  prepare?: string;
  isReady?: () => boolean;
  /** Folder of a built console. */
  consoleFolder?: string;
  /** The only documents that are taken. */
  allowedDocuments?: AppContext["allowedDocuments"];
  /** Where the process has jobs of its own: whether they run. */
  areJobsRunning?: () => boolean;
}

/** The app of one test database, listening on a free port. */
export interface Api {
  url: string;
  /** The database's address, as the superuser. */
  connectionString: string;
  log: Record<string, unknown>[];
  request(path: string, init?: RequestInit): Promise<Answer>;
  /** Posts a query; the token is an administrator's unless another one, or null, is given. */
  post(query: string, variables?: object, token?: string | null): Promise<Answer>;
  /** Sends a body as it is. */
  send(body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>): Promise<Answer>;
  token(claims: Partial<TokenClaims>, expiresIn?: string): Promise<string>;
  memberToken(memberId: string): Promise<string>;
  /** Runs a statement as the superuser. */
  root(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** One text for the content of all tables. */
  digest(): Promise<string>;
  /** A new member with money in the wallet. */
  member(code: string, amount?: string): Promise<{ id: string; accountId: string }>;
  product(code: string, price: string): Promise<{ id: string }>;
  close(): Promise<void>;
}

const DEFAULT_CONFIG = {
  environment: "test",
  isGraphiqlEnabled: false,
  isIntrospectionEnabled: false,
  statementTimeoutMs: 10_000,
  bodyByteCountMax: 200_000,
  bodyValueCountMax: 20_000,
  anonymousBodyByteCountMax: 10_000,
  poolSize: 8,
  reportSlotCount: 3,
  callerQueueMax: 500,
  requestTimeoutMs: 30_000,
  socketCountMax: 1000,
  socketCountPerAddressMax: 500,
  socketCountPerSubjectMax: 100,
  socketIdleSeconds: 60,
  pageSizeDefault: 50,
  pageSizeMax: 1000,
  exportTimeoutMs: 60_000,
  oidcScope: "openid profile",
  oidcRoleClaim: "groups",
  oidcSubjectClaim: "sub",
};

export const BUY = `mutation (
  $member: BigInt!, $product: BigInt!, $amount: BigFloat!, $key: String
) {
  purchaseWithBalanceDeduction(input: {
    memberId: $member, productId: $product, amount: $amount, idempotencyKey: $key
  }) { result { id amount } }
}`;

export const TOP_UP = `mutation (
  $member: BigInt!, $amount: BigFloat!, $text: String, $key: String
) {
  topUp(input: { memberId: $member, amount: $amount, description: $text, idempotencyKey: $key }) {
    result { id description }
  }
}`;

const CREATE_MEMBER = `mutation ($code: String!) {
  createMember(input: { code: $code, name: $code }) { result { id accountId } }
}`;

const CREATE_PRODUCT = `mutation ($code: String!, $price: BigFloat!) {
  createProduct(input: { code: $code, name: $code, price: $price }) { result { id } }
}`;

/** Starts the app on a database of its own. */
export async function openApi(options: ApiOptions = {}): Promise<Api> {
  const database = await openTestDatabase(5);
  const root: Api["root"] = async (text, values) => (await database.pool.query(text, values)).rows;
  if (options.prepare !== undefined) {
    await root(options.prepare);
  }
  const serverPool = new pg.Pool({
    Client: NobodyClient,
    connectionString: database.serverConnectionString,
    max: 8,
    pipeline: true,
  });
  // One test ends a connection from within: the pool hears of it twice.
  serverPool.on("error", () => {});
  serverPool.on("connect", (client) => client.on("error", () => {}));
  const log: Api["log"] = [];
  const write = (message: string, fields?: object) => void log.push({ message, ...fields });
  const app = await createApp({
    config: { ...DEFAULT_CONFIG, ...options.config },
    serverPool,
    serverConnectionString: database.serverConnectionString,
    jwtSecret: SECRET,
    log: { info: write, warn: write, error: write },
    isReady: options.isReady ?? (() => true),
    consoleFolder: options.consoleFolder,
    allowedDocuments: options.allowedDocuments,
    ...(options.areJobsRunning && { areJobsRunning: options.areJobsRunning }),
  } as unknown as AppContext);
  const server = makeHttpServer({ ...DEFAULT_CONFIG, ...options.config }, app);
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    ...makeClient(url, root),
    url,
    connectionString: database.connectionString,
    log,
    root,
    async close() {
      await app.websockets.release();
      server.closeAllConnections();
      server.close();
      await app.release();
      await serverPool.end();
      await database.close();
    },
  };
}

function makeClient(url: string, root: Api["root"]) {
  const token: Api["token"] = (claims, expiresIn = "1h") =>
    signToken(SECRET, { sub: "root", role: "admin", ...claims }, expiresIn);

  const request: Api["request"] = async (path, init) => {
    const response = await fetch(url + path, { redirect: "manual", ...init });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    const { data, errors } = isJson && text !== "" ? JSON.parse(text) : {};
    const { status, headers } = response;
    return { status, headers, text, data, errors, code: errors?.[0]?.extensions?.code };
  };
  const send: Api["send"] = (body, headers = {}) =>
    request("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
  const post: Api["post"] = async (query, variables = {}, given = undefined) => {
    const bearer = given === undefined ? await token({}) : given;
    const headers = bearer === null ? {} : { authorization: `Bearer ${bearer}` };
    return send(JSON.stringify({ query, variables }), headers as Record<string, string>);
  };

  return {
    request,
    send,
    post,
    token,
    memberToken: (memberId: string) =>
      token({ sub: `member ${memberId}`, role: "member", member_id: memberId }),
    async digest() {
      const tables = await root(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname in ('saldo', 'saldo_private') order by 1`,
      );
      const parts = tables.map(
        ({ name }) =>
          `select '${name}' as name, md5(string_agg(t::text, ';' order by t::text)) from ${name} t`,
      );
      return JSON.stringify(await root(`${parts.join(" union all ")} order by name`));
    },
    async member(code: string, amount?: string) {
      const { data } = await post(CREATE_MEMBER, { code });
      const member = data.createMember.result;
      if (amount !== undefined) {
        await post(TOP_UP, { member: member.id, amount });
      }
      return member;
    },
    async product(code: string, price: string) {
      return (await post(CREATE_PRODUCT, { code, price })).data.createProduct.result;
    },
  };
}
