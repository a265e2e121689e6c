/** Values whose shape only the database knows: figures as text, and objects of JSON. */
import { Figure, Money } from "./figures.tsx";
import { Facts } from "./table.tsx";

/** A figure that came as text: money where there is a currency, and the text where it is no figure. */
export function FigureText({
  text,
  currency,
}: {
  text: string | null | undefined;
  currency?: string | null | undefined;
}) {
  if (text === null || text === undefined) return <span className="text-soft">–</span>;
  if (!/^-?\d+(\.\d+)?$/.test(text)) return <span className="break-words">{text}</span>;
  return currency ? <Money amount={text} currency={currency} /> : <Figure value={text} />;
}

/** A value of JSON as a reader wants it: a text without its quotes, the rest as it is written. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const countable = /(amount|balance|total|difference|value|count|held|sum|rows)$/;

/** A value under its name: figures are written as figures, ids and texts as they are. */
function Value({ name, value }: { name: string; value: unknown }) {
  const isNumber = /^-?\d+(\.\d+)?$/.test(valueText(value));
  if (isNumber && countable.test(name)) return <FigureText text={valueText(value)} />;
  if (!Array.isArray(value)) return valueText(value);
  return (
    <ul>
      {value.map((each: unknown, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the list is shown as it is, and never changes
        <li key={place}>{lineOf(each)}</li>
      ))}
    </ul>
  );
}

/** An object in a line. */
function lineOf(value: unknown): string {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return valueText(value);
  return Object.entries(value)
    .map(([name, each]) => `${name.replaceAll("_", " ")} ${valueText(each)}`)
    .join(", ");
}

/** An object of JSON, name by name; names are the database's own. */
export function JsonFacts({ value }: { value: unknown }) {
  if (value === null || typeof value !== "object") {
    return <p className="break-words">{valueText(value)}</p>;
  }
  if (Array.isArray(value)) return <Value name="" value={value} />;
  return (
    <Facts
      facts={Object.entries(value).map(
        ([name, each]) =>
          [name.replaceAll("_", " "), <Value key={name} name={name} value={each} />] as const,
      )}
    />
  );
}
