/** For a branch without any network: what waits goes out as a file of pushes, and answers come back. */
import { z } from "zod";
import { configSchema, limits, pushAnswerSchema } from "../protocol/schema.ts";
import { allChains, headOf } from "../store/chain.ts";
import { keepAnswer } from "../store/queue.ts";
import type { Store } from "../store/store.ts";
import { TillError } from "../till_error.ts";
import { goOnAfter, pushBody } from "./exchange.ts";

/**
 * All that waits, as bodies of pushes; the rows go on waiting until an answer is imported. A chain
 * that the centre has, and of which nothing waits, has a push without rows: its answer tells what was
 * decided, and what is missing.
 */
export function exportWaiting(store: Store) {
  const pushes = allChains(store.database).flatMap((chain) => {
    const first = pushBody(store, chain, limits, 0, store.now());
    // One that the centre was never told of, and that has nothing for it, is nothing to ask about.
    const isKnown = store.settings.get(`seen_by:${chain.epoch}`) !== undefined;
    if (first.rows.length === 0 && !isKnown) return [];
    const bodies = [first];
    for (;;) {
      const after = bodies.at(-1)?.rows.at(-1)?.seq;
      if (after === undefined) break;
      const body = pushBody(store, chain, limits, after, store.now());
      if (body.rows.length === 0) break;
      bodies.push(body);
    }
    return bodies;
  });
  return { saldo_branch_export: 1, program: store.program, pushes };
}

const answersSchema = z.object({
  saldo_branch_answers: z.literal(1),
  answers: z.array(
    z.object({
      epoch: z.string(),
      device_no: z.int().optional(),
      config: configSchema.optional(),
      data: pushAnswerSchema.omit({ limits: true, protocol: true }),
    }),
  ),
});

/** Keeps the answers of a file; all of them or, where one is not this till's, none. */
export function importAnswers(store: Store, input: unknown): number {
  const { success, data } = answersSchema.safeParse(input);
  if (!success) throw new TillError("input_invalid", "This is no file of answers for a till.");
  const { database, settings } = store;
  const chains = allChains(database);
  store.transaction(() => {
    for (const { epoch, device_no, config, data: answer } of data.answers) {
      const chain = chains.find((each) => each.epoch === epoch);
      if (chain === undefined) {
        throw new TillError("input_invalid", "These answers are for another till.");
      }
      keepAnswer(database, settings, chain, answer, store.now());
      if (config !== undefined) settings.set("config", JSON.stringify(config));
      if (device_no !== undefined) settings.set(`device_no:${chain.device}`, String(device_no));
    }
  });
  for (const { epoch, data: answer } of data.answers) {
    const chain = chains.find((each) => each.epoch === epoch);
    if (chain !== undefined) goOnAfter(store, chain, answer, headOf(database, chain).seq);
  }
  return data.answers.length;
}
