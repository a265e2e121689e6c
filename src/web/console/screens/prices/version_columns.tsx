/** What all versions have, whatever they are versions of: their days, whose they are, who recorded them. */
import { Badge } from "../../../shared/ui.tsx";
import { Day, Moment } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import type { Column } from "../../parts/table.tsx";
import { useToday } from "../../parts/today.ts";
import { usePriceWords } from "./words.ts";

/** A version of a price, a factor or a part of the tariff. */
export interface Version {
  readonly effectiveFrom: string;
  readonly effectiveTo: string | null;
  readonly removedAt: string | null;
  readonly recordedAt: string;
  readonly recordedBy: string;
  readonly account: { readonly id: string; readonly code: string; readonly name: string } | null;
}

/** The columns, by name, to be put around those of its kind. */
export function useVersionColumns() {
  const words = usePriceWords();
  const today = useToday();
  const days: Column<Version>[] = [
    { title: words("from"), cell: ({ effectiveFrom }) => <Day day={effectiveFrom} /> },
    {
      title: words("to"),
      cell: ({ effectiveTo }) =>
        effectiveTo === null ? words("noEnd") : <Day day={effectiveTo} />,
    },
  ];
  const scope: Column<Version> = {
    title: words("scope"),
    cell: ({ account }) =>
      account === null ? (
        words("allCustomers")
      ) : (
        <>
          <Go to={`/customers/${account.id}`}>{account.code}</Go> {account.name}
        </>
      ),
  };
  const record: Column<Version>[] = [
    {
      title: words("status"),
      cell: ({ removedAt, effectiveFrom }) =>
        removedAt !== null ? (
          <Badge tone="wait">{words("removed")}</Badge>
        ) : (
          <Badge tone="good">{words(effectiveFrom > today ? "future" : "stands")}</Badge>
        ),
    },
    {
      title: words("recorded"),
      cell: ({ recordedAt, recordedBy }) => (
        <span className="break-words">
          <Moment at={recordedAt} />, {recordedBy}
        </span>
      ),
    },
  ];
  return { days, scope, record };
}
