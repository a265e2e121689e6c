/** Filters in an address are plain texts: "?search=0812" is a text, and stays one. */

/** Reads what stands after the question mark. */
export function readSearch(text: string): { [name: string]: string } {
  return Object.fromEntries(new URLSearchParams(text));
}

/** Writes it; what is not set is not written. */
export function writeSearch(search: { [name: string]: unknown }): string {
  const set = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}
