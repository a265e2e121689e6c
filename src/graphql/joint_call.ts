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
  readonly row: Readonly<Record<string, unknown>>;
}

type Fits = (value: unknown) => boolean;

const text =
  (fits: (value: string) => boolean): Fits =>
  (value) =>
    typeof value === "string" && fits(value);
const orNone =
  (fits: Fits): Fits =>
  (value) =>
    value === null || fits(value);

const isId = text((value) => /^[1-9]\d{0,17}$/.test(value));
const isUuid = text((value) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value));
const isAmount = text((value) => /^\d{1,15}(\.\d{1,2})?$/.test(value));
const isKey = orNone(text((value) => value.length <= 200));
const isDescription = orNone(text((value) => value.length <= 500 && !value.includes("\0")));
const isSide = text((value) => value === "debit" || value === "credit");
const isSmallCount = text((value) => /^\d{1,4}$/.test(value));
const isYesOrNo = orNone(text((value) => value === "t" || value === "f"));

interface Joint {
  /** The mutation of GraphQL. */
  readonly field: string;
  /** Parameters of the function in their order; undefined = not when it is given. */
  readonly parameters: readonly (readonly [name: string, fits: Fits | undefined])[];
  readonly from: string;
  /** Whether a group is of one caller. */
  readonly isOfOneCaller?: boolean;
}

/** The mutations that can be carried out together, by the names of their functions. */
const FUNCTIONS: Readonly<Record<string, Joint>> = {
  purchase_with_balance_deduction: {
    field: "purchaseWithBalanceDeduction",
    parameters: [
      ["member_id", isId],
      ["product_id", isId],
      ["amount", isAmount],
      ["quantity", isSmallCount],
      ["idempotency_key", isKey],
      ["occurred_at", undefined],
      ["hold_only", undefined],
    ],
    from: "saldo_private.purchases_of_callers($1::json)",
  },
  submit_transaction: {
    field: "submitTransaction",
    parameters: [
      ["account_id", isId],
      ["amount", isAmount],
      ["direction", isSide],
      ["counter_account_id", orNone(isId)],
      ["idempotency_key", isKey],
      ["metadata", undefined],
    ],
    from: "saldo_private.submissions_of_caller($2, $3, $1::jsonb)",
    isOfOneCaller: true,
  },
  top_up: {
    field: "topUp",
    parameters: [
      ["member_id", isId],
      ["amount", isAmount],
      ["idempotency_key", isKey],
      ["occurred_at", undefined],
      ["description", isDescription],
    ],
    from: "saldo_private.top_ups_of_callers($1::json)",
  },
  transfer: {
    field: "transfer",
    parameters: [
      ["debit_account_id", isId],
      ["credit_account_id", isId],
      ["amount", isAmount],
      ["description", isDescription],
      ["idempotency_key", isKey],
      ["occurred_at", undefined],
    ],
    from: "saldo_private.transfers_of_callers($1::json)",
  },
  place_hold: {
    field: "placeHold",
    parameters: [
      ["account_id", isId],
      ["amount", isAmount],
      ["expires_in", undefined],
      ["description", isDescription],
      ["counter_account_id", orNone(isId)],
      ["idempotency_key", isKey],
      ["metadata", undefined],
    ],
    from: "saldo_private.holds_of_callers($1::json)",
  },
  capture_hold: {
    field: "captureHold",
    parameters: [
      ["hold_id", isUuid],
      ["amount", orNone(isAmount)],
      ["keep_rest", isYesOrNo],
      ["idempotency_key", isKey],
    ],
    from: "saldo_private.captures_of_callers($1::json)",
  },
};

/** Fields of GraphQL whose mutations these are. */
export const JOINT_FIELDS: ReadonlySet<string> = new Set(
  Object.values(FUNCTIONS).map(({ field }) => field),
);

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
  const { together, joint } = shape;
  const { role, "saldo.member_id": member = "" } = settings;
  // Where all are of one caller it is named once, beside them.
  const row: Record<string, unknown> = joint.isOfOneCaller ? {} : { role, subject, member };
  for (const { name, fits, index } of shape.given) {
    const value = values[index];
    if (!fits(value)) return undefined;
    row[name] = value;
  }
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
