/**
 * Which mutations can be carried out together with those of others, and how that is said to the
 * database. What the library asks for is told by its text: a call of one function, columns of what it
 * returns, and nothing else. Any other text, and any argument that is not plain, goes its own way.
 */
import type { RoleSettings } from "../database/with_role.ts";

/** A mutation that may be carried out together with others. */
export interface JointCall {
  /** Calls of the same group go together. */
  readonly group: string;
  /** The statement that carries out a group; its answer has the place of each row, from 1, first. */
  readonly together: string;
  /** What the statement takes beside the calls. */
  readonly values: readonly string[];
  /** Longest time of the statement, as the setting has it. */
  readonly timeout: string;
  /** The arguments, and who calls. */
  readonly row: Readonly<Record<string, string>>;
}

type Fits = (value: string) => boolean;

const isId: Fits = (value) => /^[1-9]\d{0,17}$/.test(value);
const isAmount: Fits = (value) => /^\d{1,15}(\.\d{1,2})?$/.test(value);
const isKey: Fits = (value) => value.length <= 200;
const isSide: Fits = (value) => value === "debit" || value === "credit";

interface Joint {
  /** Parameters of the function in their order; undefined = not when it is given. */
  readonly parameters: readonly (readonly [name: string, fits: Fits | undefined])[];
  readonly from: string;
  /** Whether a group is of one caller. */
  readonly isOfOneCaller?: boolean;
}

const FUNCTIONS: Readonly<Record<string, Joint>> = {
  purchase_with_balance_deduction: {
    parameters: [
      ["member_id", isId],
      ["product_id", isId],
      ["amount", isAmount],
      ["quantity", (value) => /^\d{1,4}$/.test(value)],
      ["idempotency_key", isKey],
      ["occurred_at", undefined],
      ["hold_only", undefined],
    ],
    from: "saldo_private.purchases_of_callers($1::json)",
  },
  submit_transaction: {
    parameters: [
      ["account_id", isId],
      ["amount", isAmount],
      ["direction", isSide],
      ["counter_account_id", isId],
      ["idempotency_key", isKey],
      ["metadata", undefined],
    ],
    from: "saldo_private.submissions_of_caller($2, $3, $1::jsonb)",
    isOfOneCaller: true,
  },
};

/** Fields of GraphQL whose mutations these are. */
export const JOINT_FIELDS: ReadonlySet<string> = new Set([
  "purchaseWithBalanceDeduction",
  "submitTransaction",
]);

/** A text of the library, understood. */
interface Shape {
  readonly joint: Joint;
  readonly together: string;
  /** For each parameter that is given: its name, whether a value fits, and which value it is. */
  readonly given: readonly { name: string; fits: Fits; index: number }[];
}

const TEXT_COUNT_MAX = 500;
const shapes = new Map<string, Shape | undefined>();

/** What a statement is as a joint call; undefined where it is none. */
export function jointCallOf(
  settings: RoleSettings,
  text: string,
  values: readonly unknown[],
): JointCall | undefined {
  if (!shapes.has(text)) {
    const [oldest] = shapes.keys();
    if (shapes.size >= TEXT_COUNT_MAX && oldest !== undefined) shapes.delete(oldest);
    shapes.set(text, shapeOf(text));
  }
  const shape = shapes.get(text);
  const subject = settings["saldo.subject"];
  if (shape === undefined || !subject || shape.given.length !== values.length) return undefined;
  const { role, "saldo.member_id": member = "" } = settings;
  const row: Record<string, string> = { role, subject, member };
  for (const { name, fits, index } of shape.given) {
    const value = values[index];
    if (typeof value !== "string" || !fits(value)) return undefined;
    row[name] = value;
  }
  const { together, joint } = shape;
  const ofCaller = joint.isOfOneCaller ? [role, subject] : [];
  const group = [together, ...ofCaller].join("\n");
  return { group, together, values: ofCaller, timeout: settings["statement_timeout"] ?? "0", row };
}

function shapeOf(text: string): Shape | undefined {
  const [, columns = "", name = "", argumentsText = "", alias = ""] =
    /^select\n([\s\S]*?)\nfrom "saldo"\."(\w+)"\(([^()]*)\) as (__\w+__);$/.exec(text) ?? [];
  const joint = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (joint === undefined || !columns.split(",\n").every((each) => isColumn(each, alias))) {
    return undefined;
  }
  const given: Shape["given"][number][] = [];
  for (const [place, each] of argumentsText.split(",\n").entries()) {
    const [, named, number] = /^(?:"(\w+)" := )?\$(\d+)::"[\w"."]+"$/.exec(each) ?? [];
    const parameter =
      named === undefined
        ? joint.parameters[place]
        : joint.parameters.find(([each]) => each === named);
    if (number === undefined || parameter?.[1] === undefined) return undefined;
    given.push({ name: parameter[0], fits: parameter[1], index: Number(number) - 1 });
  }
  const together = `select b.request_no::text, x.* from ${joint.from} as b
cross join lateral (select ${columns} from (select (b.result).*) as ${alias}) as x`;
  return { joint, together, given };
}

/** A column of the row, as the library writes it; nothing that looks at a table or calls a function of ours. */
function isColumn(text: string, alias: string): boolean {
  const field = `${alias}\\."\\w+"`;
  return new RegExp(
    `^(?:${field}(?:::text)?|to_char\\(${field}, '[^'\\\\]*'(?:::text)?\\)) as "\\d+"$`,
  ).test(text);
}
