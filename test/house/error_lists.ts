import { codeOf } from "./sql_text.ts";

/**
 * Which errors a function of sql/ can raise, as its text tells: its own calls of
 * saldo_private.fail, and those of what it calls or sets off. What only a run would tell (whether
 * a branch is ever taken) is not seen, so this is more than what happens; see `never`.
 */

/** Functions of sql/, by schema and name. */
export interface SqlFacts {
  /** Condition and code of each error of the catalogue. */
  codes: Map<string, string>;
  /** What each function's own text raises. */
  raised: Map<string, Set<string>>;
  /** What each function calls, and the triggers of the tables that it writes. */
  calls: Map<string, Set<string>>;
  /** What each function's comment says. */
  comments: Map<string, string>;
  /** Functions that members may call. */
  forMembers: Set<string>;
}

/** Codes that do not come out of a function although its text reads so, and why. */
export interface Never {
  /** The function that would raise them, or would hand them on. */
  function: RegExp;
  codes: readonly string[];
  why: string;
}

const functionForm =
  /^create or replace function (\w+\.\w+)\(([\s\S]*?)^as (\$\w*\$)\n([\s\S]*?)^\3;/gm;
const commentForm = /^comment on function (\w+\.\w+) is\s*((?:E?'(?:[^']|'')*'\s*)+);/gm;
const triggerForm =
  /create (?:or replace )?(?:constraint )?trigger \w+\s+(?:before|after) ([\w ,]+?) on (\w+\.\w+)[\s\S]*?execute function (\w+\.\w+)\(/g;
const writeForm =
  /\b(insert) into (saldo\w*\.\w+)|\b(update) (saldo\w*\.\w+)|\b(delete) from (saldo\w*\.\w+)/g;
const events = ["insert", "update", "delete"] as const;

/** Reads the files of sql/. */
export function factsOf(texts: readonly string[]): SqlFacts {
  const all = texts.map((text) => text.replace(/--[^\n]*/g, "")).join("\n");
  const codes = new Map(
    [...all.matchAll(/\('(SB\d{3})',\s*'([a-z_]+)'/g)].map(([, code = "", name = ""]) => [
      name,
      code,
    ]),
  );
  const triggers = new Map<string, string[]>();
  for (const [, when = "", table, name = ""] of all.matchAll(triggerForm)) {
    for (const event of events.filter((each) => when.includes(each))) {
      const key = `${event} ${table}`;
      triggers.set(key, [...(triggers.get(key) ?? []), name]);
    }
  }
  const bodies = new Map(
    [...all.matchAll(functionForm)].map(([, name = "", head, , body]) => [name, `${head}${body}`]),
  );
  return {
    codes,
    raised: new Map([...bodies].map(([name, body]) => [name, raisedIn(body, codes)])),
    calls: new Map(
      [...bodies].map(([name, body]) => [name, callsIn(name, body, bodies, triggers)]),
    ),
    comments: new Map(
      [...all.matchAll(commentForm)].map(([, name = "", text = ""]) => [
        name,
        [...text.matchAll(/'((?:[^']|'')*)'/g)].map(([, piece]) => piece).join(""),
      ]),
    ),
    forMembers: new Set(
      [...all.matchAll(/grant execute on function ([\s\S]*?) to ([\s\S]*?);/g)].flatMap(
        ([, names = "", roles = ""]) =>
          roles.includes("saldo_member") ? names.split(/,\s*/).map((name) => name.trim()) : [],
      ),
    ),
  };
}

/** Codes of the conditions that stand in the first argument of a call of fail. */
function raisedIn(body: string, codes: ReadonlyMap<string, string>): Set<string> {
  const raised = new Set<string>();
  for (const { index } of body.matchAll(/\bfail\(/g)) {
    for (const [, name = ""] of firstArgument(body, index + 5).matchAll(/'([a-z_]+)'/g)) {
      const code = codes.get(name);
      if (code) raised.add(code);
    }
  }
  return raised;
}

function firstArgument(text: string, start: number): string {
  let depth = 1;
  let isText = false;
  for (let place = start; place < text.length; place += 1) {
    const sign = text[place];
    if (sign === "'") isText = !isText;
    if (isText) continue;
    if (sign === "(") depth += 1;
    if (sign === ")") depth -= 1;
    if (depth === 0 || (depth === 1 && sign === ",")) return text.slice(start, place);
  }
  return text.slice(start);
}

function callsIn(
  name: string,
  body: string,
  bodies: ReadonlyMap<string, string>,
  triggers: ReadonlyMap<string, string[]>,
): Set<string> {
  const code = codeOf(body);
  const called = [...code.matchAll(/\b(saldo\w*\.\w+)\s*\(/g)].map(([, each = ""]) => each);
  const setOff = [...code.matchAll(writeForm)].flatMap((match) => {
    const [event, table] = match.slice(1).filter((part) => part !== undefined);
    const isUpsert = event === "insert" && /\bdo update\b/.test(code);
    return [
      ...(triggers.get(`${event} ${table}`) ?? []),
      ...(isUpsert ? (triggers.get(`update ${table}`) ?? []) : []),
    ];
  });
  return new Set([...called, ...setOff].filter((each) => bodies.has(each) && each !== name));
}

/** What each function can raise, with all that it calls, except what never comes. */
export function raisable(
  facts: SqlFacts,
  never: readonly Never[],
  unseen: readonly Never[] = [],
): Map<string, Set<string>> {
  const codesOf = (list: readonly Never[], name: string) =>
    new Set(list.flatMap((each) => (each.function.test(name) ? each.codes : [])));
  const bars = new Map([...facts.raised.keys()].map((name) => [name, codesOf(never, name)]));
  const can = new Map([...facts.raised.keys()].map((name) => [name, codesOf(unseen, name)]));
  for (let isGrowing = true; isGrowing; ) {
    isGrowing = false;
    for (const [name, codes] of can) {
      const sources = [...(facts.calls.get(name) ?? [])].flatMap((each) => [
        ...(can.get(each) ?? []),
      ]);
      for (const code of [...(facts.raised.get(name) ?? []), ...sources]) {
        if (codes.has(code) || bars.get(name)?.has(code)) continue;
        codes.add(code);
        isGrowing = true;
      }
    }
  }
  return can;
}

/** Codes that a comment names, with those of other functions that it refers to by name. */
export function listedIn(
  comment: string,
  can: ReadonlyMap<string, ReadonlySet<string>>,
): Set<string> {
  const others = [...comment.matchAll(/\bthose of ([a-z_ ]+)/g)].flatMap(([, words = ""]) =>
    words.includes("posting")
      ? [...(can.get("saldo_private.post_entry") ?? [])]
      : words
          .split(" ")
          .flatMap((word) => [
            ...(can.get(`saldo_private.${word}`) ?? can.get(`saldo.${word}`) ?? []),
          ]),
  );
  return new Set([...(comment.match(/\bSB\d{3}\b/g) ?? []), ...others]);
}
