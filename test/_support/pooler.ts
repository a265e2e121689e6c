import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A PgBouncer of its own in front of a server. */
export interface Pooler {
  /** The same address, through it. */
  through(connectionString: string): string;
  stop(): Promise<void>;
}

const program = "/usr/sbin/pgbouncer";

/** Installs Debian's PgBouncer where that may be done; says why there is none otherwise. */
export function poolerMissing(): string | undefined {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    if (process.getuid?.() !== 0) return "PgBouncer is not installed, and only root could do so";
  }
  try {
    execFileSync("apt-get", ["install", "-y", "pgbouncer"], { stdio: "ignore", timeout: 90_000 });
    return undefined;
  } catch {
    return "PgBouncer is not installed, and apt-get could not do so";
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Starts it in a pool mode, with so many connections to PostgreSQL at most. */
export async function startPooler(
  connectionStrings: string[],
  settings: Record<string, string | number>,
): Promise<Pooler> {
  const folder = await mkdtemp(join(tmpdir(), "saldo-pooler-"));
  await chmod(folder, 0o755);
  const port = await freePort();
  const addresses = connectionStrings.map((each) => new URL(each));
  const [server] = addresses;
  const users = addresses.map(
    ({ username, password }) => `"${username}" "${decodeURIComponent(password)}"`,
  );
  const lines = Object.entries({
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: join(folder, "users"),
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`);
  await writeFile(join(folder, "users"), `${users.join("\n")}\n`);
  await writeFile(
    join(folder, "pooler.ini"),
    `[databases]\n* = host=${server?.hostname} port=${server?.port}\n[pgbouncer]\n${lines.join("\n")}\n`,
  );
  const asRoot = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child: ChildProcess = spawn(program, [...asRoot, join(folder, "pooler.ini")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  await new Promise<void>((done, refuse) => {
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk;
      if (/process up/.test(output)) done();
    });
    void exited.then(() => refuse(new Error(`PgBouncer ended: ${output}`)));
  });
  return {
    through(connectionString) {
      const url = new URL(connectionString);
      url.hostname = "127.0.0.1";
      url.port = String(port);
      return url.href;
    },
    async stop() {
      child.kill("SIGKILL");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
