/** Load that is offered at a rate, whether answers come or not: a slow server gets no rest. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** Where a server is, and who asks it. */
export interface Target {
  readonly url: string;
  readonly token: string;
}

/** What a request is credited with. */
export const AMOUNT = "1.25";

const SUBMIT = `mutation ($account: BigInt!, $key: String!) {
  submitTransaction(input: {
    accountId: $account, amount: "${AMOUNT}", direction: credit, idempotencyKey: $key
  }) { result { id } }
}`;

/** What became of one request; its time counts from when it should have been sent. */
export interface Outcome {
  readonly account: string;
  readonly key: string;
  readonly ms: number;
  /** Of the transaction; undefined where it was not acknowledged. */
  readonly id: string | undefined;
  /** Why it was refused: then it is not there. Undefined where nothing is known. */
  readonly code: string | undefined;
}

// These say that nothing is known, or that the server itself failed.
const UNKNOWN = new Set(["SB016", "SB017", "SB019"]);

/** Asks the API, and gives what it answered; undefined where it gave no answer in JSON. */
export async function ask<Data>(
  { url, token }: Target,
  query: string,
  variables: object = {},
): Promise<{ data?: Data; code?: string; message?: string } | undefined> {
  try {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as {
      data?: Data;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const [error] = errors ?? [];
    return {
      ...(data != null && { data }),
      ...(error !== undefined && { code: error.extensions?.code ?? "", message: error.message }),
    };
  } catch {
    return undefined;
  }
}

/** Sends a transaction; with the key of an earlier one it learns what became of that. */
export async function send(
  target: Target,
  account: string,
  key: string,
  dueAt: number,
): Promise<Outcome> {
  const answer = await ask<{ submitTransaction?: { result?: { id: string } } }>(target, SUBMIT, {
    account,
    key,
  });
  const code = answer?.code;
  return {
    account,
    key,
    ms: performance.now() - dueAt,
    id: answer?.data?.submitTransaction?.result?.id,
    code: code === undefined || UNKNOWN.has(code) ? undefined : code,
  };
}

/** Sends so many a second for so long, and waits for the answers. */
export async function drive(
  target: Target,
  accounts: readonly string[],
  rate: number,
  seconds: number,
): Promise<Outcome[]> {
  const startAt = performance.now();
  const run = randomBytes(6).toString("hex");
  const sent: Promise<Outcome>[] = [];
  for (let index = 0; index < rate * seconds; index += 1) {
    const dueAt = startAt + (index * 1000) / rate;
    const wait = dueAt - performance.now();
    if (wait > 0) await sleep(wait);
    sent.push(send(target, accounts[index % accounts.length] ?? "", `${run}-${index}`, dueAt));
  }
  return Promise.all(sent);
}

/** The time that this share of requests did not exceed, in milliseconds. */
export function quantile(sorted: readonly number[], share: number): string {
  return (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(1);
}
