import { readFile, writeFile } from "node:fs/promises";
import type { Client } from "pg";
import { z } from "zod";
import { pushText } from "../http/push_body.ts";
import { type Command, textOption, UsageError } from "./command.ts";

// What stands in a push is for the SQL function to judge.
const exportSchema = z.object({
  saldo_branch_export: z.literal(1),
  pushes: z.array(z.looseObject({ have: z.looseObject({}), rows: z.array(z.unknown()) })),
});
type Push = z.infer<typeof exportSchema>["pushes"][number];

interface Verdict {
  verdict: string;
}

interface Answer {
  data: { centre_epoch: string; verdict_no: number; more: boolean; verdicts: Verdict[] };
}

/** `saldo branch-file`: takes what a till without any network has exported, and answers by file. */
export const branchFileCommand: Command = {
  usage: "branch-file EXPORT ANSWERS [--code CODE]",
  help: [
    "At the centre: takes the file that a till exported, and writes the file that it imports.",
    "The same file again changes nothing. --code: an enrolment code of the branch, for a device",
    "that the centre does not know yet. 1 = rows wait for a person.",
  ],
  options: { code: { type: "string" } },
  prepare(words) {
    const [from, to, ...rest] = words.positionals;
    if (from === undefined || to === undefined || rest.length > 0) {
      throw new UsageError("Say branch-file EXPORT ANSWERS.");
    }
    const code = textOption(words, "code");
    return async () => {
      const pushes = await readExport(from);
      return async (client) => {
        const answers: Answer[] = [];
        try {
          for (const [index, push] of pushes.entries()) {
            answers.push(...(await take(client, push, index === 0 ? code : undefined)));
          }
        } finally {
          // Each push is in the books by itself: the answers until a failure are good.
          await writeFile(to, JSON.stringify({ saldo_branch_answers: 1, answers }));
        }
        return tell(answers);
      };
    };
  },
};

async function readExport(file: string): Promise<Push[]> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
  const { data } = exportSchema.safeParse(content);
  if (data === undefined) throw new UsageError(`${file} is no export of a till.`);
  return data.pushes;
}

/** The answers to a push, and to as many without rows as it takes to tell what else was decided. */
async function take(client: Client, push: Push, code: string | undefined): Promise<Answer[]> {
  const answers: Answer[] = [];
  let body = push;
  for (;;) {
    const { rows } = await client.query<{ answer: Answer }>(
      "select saldo.take_branch_push($1, $2) as answer",
      [pushText(body), answers.length === 0 ? code : null],
    );
    const answer = (rows[0] as { answer: Answer }).answer;
    answers.push(answer);
    const { centre_epoch, verdict_no, more } = answer.data;
    if (!more) return answers;
    body = { ...push, rows: [], have: { centre_epoch, verdict_no } };
  }
}

function tell(answers: Answer[]): number {
  const counts = new Map<string, number>();
  for (const { verdict } of answers.flatMap(({ data }) => data.verdicts)) {
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const each = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
  process.stdout.write(`${total} rows${each === "" ? "" : `: ${each}`}\n`);
  return counts.has("quarantined") || counts.has("conflict") ? 1 : 0;
}
