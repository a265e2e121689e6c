import type { Answer } from "../_support/api.ts";

/** Codes with which a server says on purpose that it cannot do something now. */
const toldOnPurpose = new Set(["SB015", "SB016", "SB019", "SB021", "SB023"]);

/** What an answer has that no input should be able to cause; undefined when it is as it should be. */
export function faultOf({ status, text, errors }: Answer): string | undefined {
  for (const { message, extensions } of errors ?? []) {
    const code = extensions?.["code"];
    if (code === "SB017" || !/^SB\d{3}$/.test(String(code))) return `${code}: ${message}`;
  }
  if (
    status >= 500 &&
    !errors?.some((each) => toldOnPurpose.has(String(each.extensions["code"])))
  ) {
    return `${status}: ${text.slice(0, 200)}`;
  }
  return /\b(select|insert|update|delete)\b.*\b(from|into|set)\b.*\bsaldo/i.test(text)
    ? `SQL: ${text.slice(0, 200)}`
    : undefined;
}

/** Does some work for each item, so many at a time. */
export async function inParallel<Item>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const line = async () => {
    for (let { done, value } = rest.next(); !done; { done, value } = rest.next()) await work(value);
  };
  await Promise.all(Array.from({ length: width }, line));
}
