import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { signToken } from "../src/auth/token.ts";
import type { Target } from "./offered_load.ts";

/** A server in a process of its own, as a user runs it. */
export interface Server extends Target {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts the server of this code on a database. */
export async function startServer(connectionString: string): Promise<Server> {
  const secret = randomBytes(32).toString("base64url");
  const port = await freePort();
  const child: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(new URL("../src/main.ts", import.meta.url))],
    {
      stdio: "ignore",
      env: {
        ...process.env,
        NODE_ENV: "production",
        DATABASE_URL: connectionString,
        SALDO_JWT_SECRET: secret,
        PORT: String(port),
      },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    await sleep(100);
  }
  return {
    pid: child.pid ?? 0,
    url,
    token: await signToken(secret, { sub: "bench", role: "admin" }, "1h"),
    async stop() {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}
