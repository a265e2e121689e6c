import { randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { checkDigits } from "../../src/branch/protocol/key.ts";
import {
  type PushAnswer,
  type Row,
  type TillPush,
  tillPushSchema,
  type Verdict,
} from "../../src/branch/protocol/schema.ts";

/** A centre that keeps what it is sent in memory, and fails as it is told to. */
export class FakeCentre {
  readonly rows = new Map<string, Row & { epoch: string }>();
  readonly verdicts = new Map<string, Verdict>();
  readonly pushes: TillPush[] = [];
  readonly changes: Verdict[] = [];
  readonly keys = new Set<string>();
  epoch: string = randomUUID();
  device: string = randomUUID();
  verdictNo = 0;
  state: PushAnswer["device_state"] = "ok";
  shallRotate = false;
  /** Whether a till that enrols keeps the id that it made for itself. */
  takesDevices = true;
  configVersion = "1";
  /** How often it was asked for rows of before a copy: as an older centre it has no such call. */
  askedForRows = 0;
  /** What the centre says of a row instead of accepting it. */
  judge: (row: Row) => Partial<Verdict> = () => ({});
  /** Takes over an answer: gives true when it has answered, or has let the connection break. */
  meddle: (
    request: IncomingMessage,
    response: ServerResponse,
    when: "before" | "after",
  ) => boolean = () => false;
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  makeKey(): string {
    const id = randomBytes(6).toString("hex");
    const secret = randomBytes(32).toString("hex");
    const key = `sbk_${id}_${secret}${checkDigits(id, secret)}`;
    this.keys.add(key);
    return key;
  }

  config() {
    return {
      config_version: this.configVersion,
      branch: { code: "JKT1", name: "Toko Satu", time_zone: "Asia/Makassar", currency: "IDR" },
      categories: [{ type: "IN" as const, category: "Penjualan" }],
    };
  }

  /** A person decides on a row later. */
  change(id: string, verdict: Verdict["verdict"], reason: string | null): void {
    this.verdictNo += 1;
    const changed = { ...this.verdicts.get(id)!, verdict, reason, verdict_no: this.verdictNo };
    this.verdicts.set(id, changed);
    this.changes.push(changed);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (this.meddle(request, response, "before")) return;
    const raw = Buffer.concat(parts);
    const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    const [status, body] = this.#answer(request, text.length === 0 ? null : JSON.parse(`${text}`));
    if (this.meddle(request, response, "after")) return;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  #answer(request: IncomingMessage, body: unknown): [number, object] {
    const path = request.url ?? "";
    if (path.endsWith("/enrol")) return good(this.#enrol(body));
    const key = (request.headers.authorization ?? "").replace("Bearer ", "");
    if (!this.keys.has(key)) return bad(401, "SB504", "branch_key_invalid");
    if (path.endsWith("/rows")) {
      this.askedForRows += 1;
      return bad(404, "SB007", "not_found");
    }
    if (path.endsWith("/config")) return good(this.config());
    if (path.endsWith("/key")) return good({ key: this.makeKey() });
    return good(this.#push(tillPushSchema.parse(body)));
  }

  #enrol(body: unknown) {
    const asked = (body as { device?: string | null }).device;
    if (asked && this.takesDevices) this.device = asked;
    return {
      device: this.device,
      device_no: 3,
      key: this.makeKey(),
      centre_epoch: this.epoch,
      server_time: new Date().toISOString(),
      config: this.config(),
      limits: { rows: 256, bytes: 262_144 },
      protocol: { min: 0, max: 1 },
    };
  }

  #push(push: TillPush): PushAnswer {
    this.pushes.push(push);
    const known = push.have.centre_epoch === this.epoch ? push.have.verdict_no : 0;
    const verdicts = push.rows.map((row) => this.#take(push.epoch, row));
    const held = [...this.rows.values()].filter(({ epoch }) => epoch === push.epoch);
    const seqs = new Set(held.map(({ seq }) => seq));
    const top = Math.max(0, ...seqs);
    const missing: [number, number][] = [];
    for (let seq = 1; seq <= Math.max(top, push.head.seq); seq += 1) {
      if (!seqs.has(seq)) missing.push([seq, seq]);
    }
    const own = new Set(push.rows.map(({ id }) => id));
    return {
      server_time: new Date().toISOString(),
      centre_epoch: this.epoch,
      seen: {
        seq: top,
        hash: held.find(({ seq }) => seq === top)?.hash ?? null,
        missing: missing.slice(0, 100),
      },
      device_state: top > push.head.seq ? "restored" : this.state,
      verdicts,
      changes: this.changes.filter((each) => each.verdict_no > known && !own.has(each.id ?? "")),
      verdict_no: this.verdictNo,
      more: false,
      config_version: this.configVersion,
      rotate_key: this.shallRotate,
      limits: { rows: 256, bytes: 262_144 },
      protocol: { min: 0, max: 1 },
    };
  }

  #take(epoch: string, row: Row): Verdict {
    const before = this.verdicts.get(row.id);
    if (before !== undefined) return before;
    this.verdictNo += 1;
    const verdict: Verdict = {
      id: row.id,
      seq: row.seq,
      verdict: "accepted",
      reason: null,
      entry_id: randomUUID(),
      posting_date: row.business_date,
      ...this.judge(row),
      verdict_no: this.verdictNo,
    };
    this.rows.set(row.id, { ...row, epoch });
    this.verdicts.set(row.id, verdict);
    return verdict;
  }
}

function good(data: object): [number, object] {
  return [200, { success: true, message: "", data }];
}

export function bad(status: number, code: string, condition: string): [number, object] {
  const data = { code, condition, detail: null, hint: null };
  return [status, { success: false, message: condition, data }];
}
