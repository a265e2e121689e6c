/** Calls to the centre, and what each way in which one can end means to the till. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { z } from "zod";
import { refusalSchema } from "../protocol/schema.ts";

const compress = promisify(gzip);

/** How a call ended that did not bring an answer. */
export type Failure =
  /** Nothing is known: the same is sent again later. */
  | { kind: "unreachable"; reason: string; retryAfterMs?: number | undefined }
  /** The key is not good here any more: pushing stops, selling goes on. */
  | { kind: "refused"; reason: string }
  /** Too much at once. */
  | { kind: "too_large"; reason: string }
  /** This program and this centre do not understand each other. */
  | { kind: "not_understood"; reason: string };

/** What a call brought. */
export type Outcome<Data> =
  | { ok: true; data: Data; sentAt: number; receivedAt: number }
  | { ok: false; failure: Failure };

/** A call to the centre. */
export interface Call<Data extends z.ZodType> {
  centre: string;
  path: string;
  key?: string | undefined;
  /** Without one it is a GET. */
  body?: object | undefined;
  data: Data;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Makes the call. It never throws: a till without a network is in its usual state. */
export async function callCentre<Data extends z.ZodType>(
  call: Call<Data>,
): Promise<Outcome<z.infer<Data>>> {
  const sentAt = Date.now();
  try {
    const response = await send(call);
    const text = await response.text();
    const receivedAt = Date.now();
    return read(call, response, text, sentAt, receivedAt);
  } catch (error) {
    const { name, cause, message } = error as Error & { cause?: { code?: string } };
    const reason = name === "TimeoutError" ? "timeout" : (cause?.code ?? message);
    return { ok: false, failure: { kind: "unreachable", reason } };
  }
}

const goodSchema = z.object({ success: z.literal(true), data: z.unknown() });
const badSchema = z.object({ success: z.literal(false), message: z.string(), data: refusalSchema });

async function send<Data extends z.ZodType>(call: Call<Data>): Promise<Response> {
  const timeout = AbortSignal.timeout(call.timeoutMs);
  const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
  const headers: Record<string, string> = { accept: "application/json" };
  if (call.key !== undefined) headers["authorization"] = `Bearer ${call.key}`;
  const target = new URL(call.path, call.centre);
  // The key must not follow a redirection to another place.
  if (call.body === undefined) return await fetch(target, { headers, signal, redirect: "error" });
  headers["content-type"] = "application/json";
  let body: string | Uint8Array<ArrayBuffer> = JSON.stringify(call.body);
  if (body.length > 2048 && call.path.endsWith("/push")) {
    headers["content-encoding"] = "gzip";
    body = new Uint8Array(await compress(body));
  }
  return await fetch(target, { method: "POST", headers, body, signal, redirect: "error" });
}

function read<Data extends z.ZodType>(
  call: Call<Data>,
  response: Response,
  text: string,
  sentAt: number,
  receivedAt: number,
): Outcome<z.infer<Data>> {
  const { status } = response;
  const fail = (failure: Failure): Outcome<z.infer<Data>> => ({ ok: false, failure });
  const json = parseJson(text);
  const envelope = goodSchema.safeParse(json);
  if (status === 200 && envelope.success) {
    const { success, data } = call.data.safeParse(envelope.data.data);
    if (success) return { ok: true, data, sentAt, receivedAt };
  }
  const refusal = badSchema.safeParse(json).data;
  const code = refusal === undefined ? "" : ` ${refusal.data.code}: ${refusal.message}`;
  const reason = `${status}${code}`;
  // A gateway or a login page in between answers without a body of ours: nothing is known then.
  if (refusal === undefined && status !== 413) {
    return fail({ kind: "unreachable", reason, retryAfterMs: retryAfter(response) });
  }
  if (status === 401 || status === 403) return fail({ kind: "refused", reason });
  if (status === 413) return fail({ kind: "too_large", reason });
  if ([400, 415, 426].includes(status)) return fail({ kind: "not_understood", reason });
  return fail({ kind: "unreachable", reason, retryAfterMs: retryAfter(response) });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds or a date, as HTTP has it; more than an hour is not believed. */
function retryAfter(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), 3600) * 1000;
}
