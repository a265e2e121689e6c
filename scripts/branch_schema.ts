import { z } from "zod";
import {
  configSchema,
  enrolAnswerSchema,
  enrolSchema,
  keyAnswerSchema,
  protocol0Schema,
  pushAnswerSchema,
  pushSchema,
  refusalSchema,
  returnAnswerSchema,
  returnSchema,
  rowSchema,
  verdictSchema,
} from "../src/branch/protocol/schema.ts";

/** Where the JSON Schema of the branch protocol stands. */
export const branchSchemaPath = "docs/reference/branch-protocol.schema.json";

/** The JSON Schema of the branch protocol, of what the program itself checks bodies by. */
export function branchSchemaText(): string {
  const bodies = {
    row: rowSchema,
    push: pushSchema,
    push_0: protocol0Schema,
    verdict: verdictSchema,
    push_answer: pushAnswerSchema,
    enrol: enrolSchema,
    enrol_answer: enrolAnswerSchema,
    key_answer: keyAnswerSchema,
    config: configSchema,
    rows: returnSchema,
    rows_answer: returnAnswerSchema,
    refusal: refusalSchema,
  };
  const definitions = Object.entries(bodies).map(([name, schema]) => {
    // Not strict in what is read: a field that a later program adds is passed over.
    const { $schema: _, ...definition } = z.toJSONSchema(schema, { io: "input" });
    return [name, definition];
  });
  const whole = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Branch protocol",
    $defs: Object.fromEntries(definitions),
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
