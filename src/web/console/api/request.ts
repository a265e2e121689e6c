/** Asks the server. The browser adds the session's cookie; scripts never see it. */
import type { TypedDocument } from "./document.ts";
import { Problem, problemOf } from "./problem.ts";

const PATIENCE_MS = 30_000;

interface Answer {
  data?: unknown;
  errors?: { message: string; extensions?: { [name: string]: unknown } }[];
}

/** Sends an operation, and gives its data. @throws Problem */
export async function request<Result, Variables>(
  document: TypedDocument<Result, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Result> {
  const body = { query: document.text, variables, operationName: document.name };
  const answer = (await send("POST", "/graphql", body, signal)) as Answer;
  const [error] = answer.errors ?? [];
  if (error !== undefined) throw new Problem(error.message, error.extensions);
  return answer.data as Result;
}

/** A call of plain HTTP with JSON on both sides. @throws Problem */
export async function send(
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(path, {
    method,
    credentials: "same-origin",
    headers: { accept: "application/json", "content-type": "application/json" },
    signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw signal?.aborted ? error : problemOf(error);
  });
  if (response.status === 204) return undefined;
  const answer: unknown = await response.json().catch(() => undefined);
  const errors = (answer as Answer | undefined)?.errors;
  if (response.ok || (path === "/graphql" && errors !== undefined)) return answer;
  throw refusalOf(response.status, answer);
}

/** What an answer that is no success says of itself. */
function refusalOf(status: number, answer: unknown): Problem {
  const [error] = (answer as Answer | undefined)?.errors ?? [];
  if (error !== undefined) return new Problem(error.message, error.extensions);
  const condition = status === 502 || status === 503 || status === 504 ? "no_answer" : undefined;
  return new Problem(`HTTP ${status}`, { condition });
}
