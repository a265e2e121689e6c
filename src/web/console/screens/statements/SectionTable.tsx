/** A statement in sections: accounts, each with a way to its own statement, and the total below. */
import { Money } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import type { Range } from "./range.ts";
import { useStatementWords } from "./words.ts";

/** A line of a section. */
export interface SectionLine {
  readonly accountId: string | null;
  readonly code: string | null;
  readonly name: string | null;
  readonly amount: string | null;
}

/** A section with its total, as the database adds it up; `total` null = it has none. */
export interface Section {
  readonly title: string;
  readonly lines: readonly SectionLine[];
  readonly total: { readonly title: string; readonly amount: string | null } | null;
}

/** Whether a line says anything. */
export const isZero = (amount: string | null) => amount === null || /^-?0(\.0*)?$/.test(amount);

export function SectionTable({
  caption,
  currency,
  sections,
  range,
}: {
  caption: string;
  currency: string;
  sections: readonly Section[];
  range: Range;
}) {
  const words = useStatementWords();
  return (
    <table className="w-full max-w-4xl border-collapse">
      <caption className="pb-2 text-left text-lg font-bold">
        {caption}, {currency}
      </caption>
      <thead className="sr-only">
        <tr>
          <th scope="col">{words("account")}</th>
          <th scope="col">{words("amount")}</th>
        </tr>
      </thead>
      {sections.map((section) => (
        <SectionBody key={section.title} section={section} currency={currency} range={range} />
      ))}
    </table>
  );
}

function SectionBody({
  section,
  currency,
  range,
}: {
  section: Section;
  currency: string;
  range: Range;
}) {
  return (
    <tbody className="break-inside-avoid-page">
      {section.title !== "" && (
        <tr>
          <th scope="rowgroup" colSpan={2} className="pt-4 pb-1 text-left font-bold">
            {section.title}
          </th>
        </tr>
      )}
      {section.lines.map((line) => (
        <tr key={line.code ?? line.name} className="hover:bg-card">
          <td className="border-b border-line py-1 pr-2 pl-4">
            <AccountName line={line} range={range} />
          </td>
          <td className="border-b border-line py-1 text-right align-top">
            <Money amount={line.amount} currency={currency} />
          </td>
        </tr>
      ))}
      {section.total && (
        <tr className="font-bold">
          <th scope="row" className="py-1 pr-2 text-left">
            {section.total.title}
          </th>
          <td className="border-t-2 border-ink py-1 text-right">
            <Money amount={section.total.amount} currency={currency} />
          </td>
        </tr>
      )}
    </tbody>
  );
}

/** The account's code and name; behind it are the postings that make up the figure. */
export function AccountName({
  line,
  range,
}: {
  line: Pick<SectionLine, "accountId" | "code" | "name">;
  range: Range;
}) {
  const words = useStatementWords();
  if (line.accountId === null) return <em>{words("earnings")}</em>;
  return (
    <span className="[overflow-wrap:anywhere]">
      <Go to={`/accounts/${line.accountId}`} search={{ from: range.from, to: range.to }}>
        {line.code}
      </Go>{" "}
      {line.name}
    </span>
  );
}
