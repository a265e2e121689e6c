import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { watchAlerts } from "../alerts/watch_without_worker.ts";
import { makePublicKeys } from "../auth/public_keys.ts";
import type { Config } from "../config.ts";
import { isPooled } from "../database/direct_connection.ts";
import { makeServerPool } from "../database/pools.ts";
import { serverLogin } from "../database/server_login.ts";
import { watchPromotion } from "../database/standby.ts";
import { announced } from "../database/start_wait.ts";
import type { Log } from "../log.ts";
import { consoleFolder } from "../paths.ts";
import { readAllowedDocuments } from "./allowed_documents.ts";
import { createApp } from "./app.ts";
import { makeHttpServer } from "./http_server.ts";

/** How a part is stopped. */
type Stop = () => Promise<void>;

/** What the HTTP side is beside, and of which database. */
export interface Surroundings {
  /** A process with jobs of its own says how to see whether they run. */
  areJobsRunning?: (() => boolean) | undefined;
  /** The database is a standby; this is told when it is one no longer. */
  tellPromoted?: (() => void) | undefined;
}

/**
 * Starts the HTTP side, and hands over how its parts are stopped, in the order of starting.
 * Resolves with its address.
 */
export async function startHttp(
  ownerUrl: string,
  config: Config,
  log: Log,
  stops: Stop[],
  { areJobsRunning, tellPromoted }: Surroundings = {},
): Promise<{ address: string; jwtSecret: string | undefined }> {
  const isStandby = tellPromoted !== undefined;
  const serverConnectionString = await announced(ownerUrl, "the login of the API", log, () =>
    serverLogin(ownerUrl, config.serverDatabaseUrl, isStandby),
  );
  const isBehindPooler =
    config.serverDatabaseUrl !== undefined && (await isPooled(serverConnectionString));
  const serverPool = makeServerPool(serverConnectionString, config.poolSize, log, isBehindPooler);
  stops.push(() => serverPool.end());
  // Alerts are rows: those of a standby are its primary's.
  const watch = isStandby
    ? watchPromotion(serverPool, tellPromoted)
    : watchAlerts(serverConnectionString, config, log, isBehindPooler);
  stops.push(() => watch.stop());
  const publicKeys = config.jwks === undefined ? undefined : makePublicKeys(config.jwks, log);
  await publicKeys?.begin();
  const jwtSecret = config.jwtSecret ?? (await secretOfOurOwn(config));
  const allowedDocuments = await readAllowedDocuments(config.allowedDocuments, consoleFolder);
  let isReady = true;
  const app = await createApp({
    config,
    serverPool,
    // A pooler does not pass notifications on: the listener connects directly.
    serverConnectionString: isBehindPooler ? ownerUrl : serverConnectionString,
    jwtSecret,
    publicKeys,
    log,
    isReady: () => isReady,
    isStandby,
    consoleFolder,
    allowedDocuments,
    ...(areJobsRunning && { areJobsRunning }),
  });
  stops.push(() => app.release());
  const http = makeHttpServer(config, app);
  await listen(http, config);
  stops.push(async () => {
    isReady = false;
    await closeHttp(http, config.shutdownGraceMs);
  });
  // Before the HTTP server, which waits for its connections.
  stops.push(() => app.websockets.release());
  const { port } = http.address() as AddressInfo;
  const address = `http://${config.host}:${port}`;
  log.info("listening", { address, ...(isStandby && { standby: "nothing can be changed here" }) });
  return { address, jwtSecret };
}

function listen(http: Server, config: Config): Promise<void> {
  return new Promise((done, refuse) => {
    http.once("error", refuse);
    http.listen(config.port, config.host, done);
  });
}

/** Takes no new connection, and ends each one that is open as soon as it has its answer. */
function closeHttp(http: Server, graceMs: number): Promise<void> {
  return new Promise((done) => {
    const sweep = setInterval(() => http.closeIdleConnections(), 50);
    const limit = setTimeout(() => http.closeAllConnections(), graceMs);
    http.close(() => {
      clearInterval(sweep);
      clearTimeout(limit);
      done();
    });
    http.closeIdleConnections();
  });
}

/** A server in production that others sign tokens for believes no secret that nobody has given it. */
async function secretOfOurOwn(config: Config): Promise<string | undefined> {
  if (config.environment === "production" && config.jwks !== undefined) return undefined;
  return await developmentSecret(config.dataFolder);
}

/** The secret of a server that was given none: made once, kept where only its owner reads it. */
async function developmentSecret(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "jwt-secret");
  const secret = randomBytes(32).toString("base64url");
  try {
    await writeFile(file, secret, { mode: 0o600, flag: "wx" });
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return (await readFile(file, "utf8")).trim();
  }
}
