/** Makes this till a device of a branch, by the one-time code that its administrator was given. */
import { hostname } from "node:os";
import { keyProof } from "../protocol/key.ts";
import { enrolAnswerSchema } from "../protocol/schema.ts";
import type { Store } from "../store/store.ts";
import { TillError } from "../till_error.ts";
import { callCentre } from "./centre.ts";

/** What an enrolment needs. */
export interface Enrolment {
  centre: string;
  code: string;
}

/** Enrols; rows that were entered before keep their place, and are sent like any other. */
export async function enrol(store: Store, { centre, code }: Enrolment): Promise<void> {
  const { settings, chain } = store;
  const wasEnrolled = settings.get(`key:${chain.device}`) !== undefined;
  const ask = (device: string | null) =>
    callCentre({
      centre,
      path: "/api/v1/sync/enrol",
      body: {
        protocol: 1,
        program: store.program,
        code,
        device_name: hostname() || "till",
        device,
      },
      data: enrolAnswerSchema,
      timeoutMs: 30_000,
    });
  let outcome = await ask(wasEnrolled ? null : chain.device);
  // Another copy of this store has taken the id; the code is still good.
  if (!outcome.ok && outcome.failure.reason.startsWith("409 SB515")) outcome = await ask(null);
  if (!outcome.ok) {
    throw new TillError("not_allowed", `The centre did not enrol it: ${outcome.failure.reason}.`);
  }
  const { device, device_no, key, config } = outcome.data;
  store.transaction(() => {
    settings.set("centre", centre);
    settings.set("config", JSON.stringify(config));
    settings.set(`key:${device}`, key);
    settings.set(`device_no:${device}`, String(device_no));
    settings.remove(`key_refused:${device}`);
  });
  if (device !== chain.device) store.beginChain(device, "enrolled");
}

/** Takes a key that was made at the centre by hand; it is used from the next push on. */
export function takeKey(store: Store, key: string): void {
  if (keyProof(key) === null) {
    throw new TillError("input_invalid", "This is no key of a branch; is it whole?", {
      key: "key_invalid",
    });
  }
  const { settings, chain } = store;
  store.transaction(() => {
    settings.set(`next_key:${chain.device}`, key);
    settings.remove(`key_refused:${chain.device}`);
  });
}
