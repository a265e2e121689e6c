/** Rows as a table of text: a line of names, a rule, a line for each row, and how many there are. */
export function tableOf(names: readonly string[], rows: readonly (string | null)[][]): string {
  const lines = [names, ...rows].map((row) => row.map((value) => shown(value)));
  const widths = names.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  const written = lines.map((line) =>
    line
      .map((value, column) => value.padEnd(widths[column] ?? 0))
      .join(" | ")
      .trimEnd(),
  );
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  const count = rows.length === 1 ? "(1 row)" : `(${rows.length} rows)`;
  return [written[0], rule, ...written.slice(1), count, ""].join("\n");
}

/** What stands in a row must not steer the terminal, nor break the line. */
function shown(value: string | null): string {
  return (value ?? "").replaceAll(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
