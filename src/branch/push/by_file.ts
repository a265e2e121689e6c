/** For a branch without any network: what waits goes out as a file of pushes, and answers come back. */
import { z } from "zod";
import { limits, pushAnswerSchema } from "../protocol/schema.ts";
import { allChains } from "../store/chain.ts";
import { keepAnswer } from "../store/queue.ts";
import type { Store } from "../store/store.ts";
import { TillError } from "../till_error.ts";
import { pushBody } from "./exchange.ts";

/** All that waits, as bodies of pushes; the rows go on waiting until an answer is imported. */
export function exportWaiting(store: Store) {
  const pushes = allChains(store.database).flatMap((chain) => {
    const bodies = [];
    for (let after = 0; ; ) {
      const body = pushBody(store, chain, limits, after, store.now());
      const last = body.rows.at(-1);
      if (last === undefined) break;
      bodies.push(body);
      after = last.seq;
    }
    return bodies;
  });
  return { saldo_branch_export: 1, program: store.program, pushes };
}

const answersSchema = z.object({
  saldo_branch_answers: z.literal(1),
  answers: z.array(z.object({ epoch: z.string(), data: pushAnswerSchema })),
});

/** Keeps the answers of a file; all of them or, where one is not this till's, none. */
export function importAnswers(store: Store, input: unknown): number {
  const { success, data } = answersSchema.safeParse(input);
  if (!success) throw new TillError("input_invalid", "This is no file of answers for a till.");
  const chains = allChains(store.database);
  return store.transaction(() => {
    for (const { epoch, data: answer } of data.answers) {
      const chain = chains.find((each) => each.epoch === epoch);
      if (chain === undefined) {
        throw new TillError("input_invalid", "These answers are for another till.");
      }
      keepAnswer(store.database, store.settings, chain, answer, store.now());
    }
    return data.answers.length;
  });
}
