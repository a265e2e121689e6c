import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";

/** What the network does to a request and to its answer. */
export const faults = [
  "nothing",
  "request lost",
  "request cut",
  "request twice",
  "request twice at once",
  "request late",
  "answer lost",
  "answer cut",
  "answer of before",
  "answer never",
  "answer of a gateway",
  "answer that is busy",
  "answer too large",
] as const;
export type Fault = (typeof faults)[number];

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

interface Answer {
  status: number;
  body: Buffer;
}

/** A network between a till and the centre that fails as it is told, request by request. */
export class RoughNetwork {
  #centre: URL;
  readonly #server = createServer((incoming, response) => {
    const taken = this.#take(incoming, response).finally(() => this.#underWay.delete(taken));
    this.#underWay.add(taken);
  });
  readonly #underWay = new Set<Promise<void>>();
  readonly #late: Sent[] = [];
  readonly #before = new Map<string, Answer>();
  #faults: Fault[] = [];
  /** How often each fault was done. */
  readonly counts = new Map<Fault, number>();
  /** Runs at a stage of each request; a test may end a process there. */
  notice: (stage: "arrived" | "answered" | "passed on", path: string) => Promise<void> | void =
    () => {};

  constructor(centre: string) {
    this.#centre = new URL(centre);
  }

  /** The centre has come up again at another address. */
  set target(address: string) {
    this.#centre = new URL(address);
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** The next requests have these faults, one each; those after them have none. */
  fail(next: readonly Fault[]): void {
    this.#faults.push(...next);
  }

  /** From now on nothing fails, and what is late arrives. */
  async calm(): Promise<void> {
    this.#faults = [];
    await this.idle();
    for (const sent of this.#late.splice(0)) await this.#send(sent);
  }

  /** Resolves when no request is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  async #take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const headers: Record<string, string> = {};
    for (const name of ["content-type", "content-encoding", "authorization"]) {
      const value = incoming.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const path = incoming.url ?? "";
    const sent = { method: incoming.method ?? "", path, headers, body: Buffer.concat(parts) };
    const fault = this.#faults.shift() ?? "nothing";
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    await this.notice("arrived", path);
    try {
      await this.#pass(sent, fault, response);
    } catch {
      // The centre is gone: so is the connection.
      response.destroy();
    }
    await this.notice("passed on", path);
    const late = fault === "request late" ? undefined : this.#late.shift();
    if (late !== undefined) await this.#send(late);
  }

  async #pass(sent: Sent, fault: Fault, response: ServerResponse): Promise<void> {
    if (fault === "request late") this.#late.push(sent);
    if (fault === "request lost" || fault === "request late") return void response.destroy();
    if (fault === "request cut") {
      await this.#sendCut(sent);
      return void response.destroy();
    }
    if (fault === "answer of a gateway") return answer(response, 502, "<h1>Bad gateway</h1>");
    if (fault === "answer too large") return answer(response, 413, "<h1>Too large</h1>");
    if (fault === "answer that is busy") {
      response.setHeader("retry-after", "1");
      return answer(response, 503, "{}");
    }
    const known = this.#before.get(`${sent.path} ${sent.headers["authorization"]}`);
    if (fault === "answer of before" && known !== undefined) {
      return answer(response, known.status, known.body);
    }
    const copies = fault === "request twice at once" ? [this.#send(sent)] : [];
    if (fault === "request twice") await this.#send(sent);
    const { status, body } = await this.#send(sent);
    await Promise.all(copies);
    await this.notice("answered", sent.path);
    if (fault === "answer lost") return void response.destroy();
    // The till has to notice it by its own clock.
    if (fault === "answer never") return;
    if (fault === "answer cut") {
      response.writeHead(status, { "content-length": body.length });
      response.write(body.subarray(0, body.length / 2), () => response.destroy());
      return;
    }
    answer(response, status, body);
  }

  /** Sends to the centre, and keeps the answer as a cache that should not be there would. */
  async #send(sent: Sent): Promise<Answer> {
    const { method, path, headers, body } = sent;
    const given = await new Promise<Answer>((done, refuse) => {
      const outgoing = request(new URL(path, this.#centre), { method, headers }, (incoming) => {
        const parts: Buffer[] = [];
        incoming.on("data", (part: Buffer) => parts.push(part));
        incoming.on("error", refuse);
        incoming.on("end", () => {
          done({ status: incoming.statusCode ?? 0, body: Buffer.concat(parts) });
        });
      });
      outgoing.on("error", refuse);
      outgoing.end(body);
    });
    this.#before.set(`${path} ${headers["authorization"]}`, given);
    return given;
  }

  /** Half of the body, then the connection breaks. */
  async #sendCut({ method, path, headers, body }: Sent): Promise<void> {
    const head = Object.entries({ ...headers, host: this.#centre.host })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("");
    const start = `${method} ${path} HTTP/1.1\r\n${head}content-length: ${body.length}\r\n\r\n`;
    await new Promise<void>((done, refuse) => {
      const socket = connect(Number(this.#centre.port), this.#centre.hostname);
      socket.on("error", refuse);
      socket.on("close", () => done());
      socket.write(start);
      socket.write(body.subarray(0, body.length / 2), () => socket.destroy());
    });
  }
}

function answer(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body);
}
