/** Evidence of an item: the first things that are open, each with a way to where it is shown. */
import { Go } from "../../parts/page.tsx";

/** Where the things that evidence names are shown. */
const placeOf = (name: string, value: string): string | undefined =>
  name === "account_id"
    ? `/accounts/${value}`
    : name === "draft_id"
      ? `/journal/drafts/${value}`
      : name === "waits_for_decision"
        ? "/branches"
        : name === "rule"
          ? "/health"
          : name === "customer"
            ? `/customers?search=${encodeURIComponent(value)}`
            : undefined;

const textOf = (value: unknown) =>
  value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

export function Evidence({ evidence }: { evidence: unknown }) {
  const things = (Array.isArray(evidence) ? evidence : evidence ? [evidence] : []).filter(
    (each): each is { [name: string]: unknown } => typeof each === "object" && each !== null,
  );
  if (things.length === 0) return <>–</>;
  return (
    <ul className="flex list-disc flex-col gap-1 pl-4 text-sm">
      {things.map((thing) => (
        <li key={JSON.stringify(thing)} className="[overflow-wrap:anywhere]">
          {Object.entries(thing).map(([name, value], place) => (
            <span key={name}>
              {place > 0 && ", "}
              {name.replaceAll("_", " ")}: <Value name={name} text={textOf(value)} />
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}

function Value({ name, text }: { name: string; text: string }) {
  const [to, query] = (placeOf(name, text) ?? "").split("?");
  if (!to) return <>{text}</>;
  return (
    <Go to={to} search={Object.fromEntries(new URLSearchParams(query))}>
      {text}
    </Go>
  );
}
