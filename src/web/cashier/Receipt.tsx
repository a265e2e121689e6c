/** A receipt, to look at and to print; it is there only after its row is stored. */
import { Button, Dialog } from "../shared/ui.tsx";
import { type FactView, useStatus } from "./api.ts";
import { useMoment, useMoney } from "./figures.ts";
import { useWords } from "./words.ts";

export function Receipt({ fact, close }: { fact: FactView; close: () => void }) {
  const words = useWords();
  const money = useMoney();
  const moment = useMoment();
  const { data } = useStatus();
  const lines: [name: string, value: string][] = [
    [words.receiptNo, fact.receipt_no],
    [words.time, moment(fact.created_at)],
    [words.category, fact.category],
    ...(fact.description ? [[words.description, fact.description] as [string, string]] : []),
    ...(fact.cashier ? [[words.cashier, fact.cashier] as [string, string]] : []),
  ];
  return (
    <Dialog title={words.receipt} close={close}>
      <div className="mx-auto w-[72mm] max-w-full font-mono text-sm">
        <p className="text-center text-base font-bold">{data?.branch}</p>
        <dl className="my-2 border-y border-dashed border-line py-2">
          {lines.map(([name, value]) => (
            <div key={name} className="flex justify-between gap-2">
              <dt>{name}</dt>
              <dd className="text-right break-words">{value}</dd>
            </div>
          ))}
        </dl>
        <p className="flex justify-between text-lg font-bold">
          <span>{fact.type === "IN" ? words.in : words.out}</span>
          <span className="figures">{money.show(fact.amount)}</span>
        </p>
        {(fact.kind === "void" || fact.voided_by !== null) && (
          <p className="text-center font-bold uppercase">{words.voided}</p>
        )}
        <p className="mt-2 text-center">
          #{fact.short_hash}
          {fact.standing === "waiting" && ` · ${words.waiting}`}
        </p>
      </div>
      <div className="not-printed mt-4 flex gap-2">
        <Button look="main" onClick={() => print()}>
          {words.print}
        </Button>
        <Button onClick={close}>{words.close}</Button>
      </div>
    </Dialog>
  );
}
