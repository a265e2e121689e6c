/** Opening and closing a shift: the drawer is counted, and its difference noted as it is. */
import { type FormEvent, useState } from "react";
import { readAmount } from "../../shared/money.ts";
import { Button, Card, Choice, Field, Notice } from "../../shared/ui.tsx";
import { AmountField } from "../AmountField.tsx";
import { useDashboard, useStatus, useTransactions, useWrite } from "../api.ts";
import { failureText } from "../entry_form.ts";
import { useMoment, useMoney } from "../figures.ts";
import { useWords } from "../words.ts";

export function Shift() {
  const words = useWords();
  const money = useMoney();
  const dashboard = useDashboard();
  const status = useStatus();
  const [id, setId] = useState(() => crypto.randomUUID());
  const [at, setAt] = useState("close");
  const [typed, setTyped] = useState("");
  const [note, setNote] = useState("");
  const [isWanted, setWanted] = useState(false);
  const write = useWrite("/shifts");
  const amount = readAmount(typed, money.decimals);
  const balance = BigInt(dashboard.data?.balance ?? 0);
  const waiting = status.data?.unsynced_count ?? 0;
  const save = (event: FormEvent) => {
    event.preventDefault();
    setWanted(true);
    if (amount.kind !== "amount" || write.isPending) return;
    write.mutate(
      { id, at, counted: String(amount.units), note },
      {
        onSuccess() {
          setId(crypto.randomUUID());
          setTyped("");
          setNote("");
          setWanted(false);
        },
      },
    );
  };
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      <h1 className="sr-only">{words.shift}</h1>
      <Card title={words.shift}>
        <form onSubmit={save} noValidate className="flex flex-col gap-2">
          <p className="text-sm text-soft">{words.shiftHelp}</p>
          {waiting > 0 && (
            <p className="text-sm font-semibold text-warn">
              {words.waitingHere} {waiting}
            </p>
          )}
          <Choice
            label={words.shiftAt}
            value={at}
            onChange={({ target }) => setAt(target.value)}
            options={[
              ["open", words.openShift],
              ["close", words.closeShift],
            ]}
          />
          <AmountField
            id="counted"
            label={words.counted}
            value={typed}
            change={setTyped}
            isWanted={isWanted && amount.kind !== "amount"}
          />
          <dl className="figures grid grid-cols-2 gap-1">
            <dt>{words.expected}</dt>
            <dd className="text-right">{money.show(balance)}</dd>
            <dt>{words.difference}</dt>
            <dd data-testid="difference" className="text-right font-bold">
              {amount.kind === "amount" ? money.show(amount.units - balance) : "–"}
            </dd>
          </dl>
          <Field
            label={words.description}
            maxLength={500}
            value={note}
            onChange={({ target }) => setNote(target.value)}
          />
          <Button type="submit" look="main" aria-disabled={write.isPending}>
            {write.isPending ? words.saving : words.record}
          </Button>
          {write.isError && <Notice weight="bad">{failureText(write.error, words)}</Notice>}
          <p role="status" className="min-h-6 font-semibold text-good">
            {write.isSuccess && `${words.saved}: ${write.data.transaction.receipt_no}`}
          </p>
        </form>
      </Card>
      <Counts />
    </div>
  );
}

function Counts() {
  const words = useWords();
  const money = useMoney();
  const moment = useMoment();
  const { data } = useTransactions("kind=count&limit=10");
  return (
    <Card title={words.kindCount}>
      {data?.total === 0 && <p className="text-soft">{words.none}</p>}
      <ul className="flex flex-col gap-2">
        {data?.transactions.map((count) => (
          <li key={count.id} className="flex flex-wrap justify-between gap-x-3">
            <span>
              {moment(count.created_at)} ·{" "}
              {count.category === "open" ? words.openShift : words.closeShift}
            </span>
            <strong className="figures">{money.show(count.amount)}</strong>
          </li>
        ))}
      </ul>
    </Card>
  );
}
