/** Parts that the lists of healing share. */
import { Figure } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { FigureText, valueText } from "../../parts/values.tsx";

/** What a heal is about; a finding that has gone with its check leaves its rule and key. */
export function About({
  rule,
  of,
  findingId,
}: {
  rule: string;
  of: string;
  findingId: string | null | undefined;
}) {
  const text = `${rule} ${of}`;
  if (!findingId) return <span className="break-words">{text}</span>;
  return <Go to={`/health/findings/${findingId}`}>{text}</Go>;
}

/** An account with a link, or nothing. */
export function AccountLink({
  account,
}: {
  account: { readonly id: string; readonly code: string; readonly name: string } | null;
}) {
  if (account === null) return null;
  return (
    <>
      <Go to={`/accounts/${account.id}`}>{account.code}</Go> {account.name}
    </>
  );
}

/** A cache before or after a heal: its balance where it has one, and all of it otherwise. */
export function Cached({
  cache,
  currency,
}: {
  cache: unknown;
  currency: string | null | undefined;
}) {
  if (cache === null || cache === undefined) return <Figure value={null} />;
  if (typeof cache === "object" && !Array.isArray(cache)) {
    const row = cache as { readonly [name: string]: unknown };
    const balance = row["balance"];
    if (balance !== undefined) {
      return <FigureText text={valueText(balance)} currency={currency} />;
    }
    return (
      <ul>
        {Object.entries(row).map(([name, value]) => (
          <li key={name} className="figures break-words">
            <span className="text-soft">{name.replaceAll("_", " ")}</span> {valueText(value)}
          </li>
        ))}
      </ul>
    );
  }
  return <FigureText text={valueText(cache)} currency={currency} />;
}
