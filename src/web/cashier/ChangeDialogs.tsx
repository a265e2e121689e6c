/** Voiding and correcting: the old row stays, and what takes it back is a row of its own. */
import { type FormEvent, useState } from "react";
import { groupAmount, readAmount } from "../shared/money.ts";
import { Button, Dialog, Field, Notice } from "../shared/ui.tsx";
import { AmountField } from "./AmountField.tsx";
import { type FactView, useWrite } from "./api.ts";
import { failureText } from "./entry_form.ts";
import { useMoney } from "./figures.ts";
import { useWords } from "./words.ts";

interface Props {
  fact: FactView;
  close: () => void;
}

export function VoidDialog({ fact, close }: Props) {
  const words = useWords();
  const money = useMoney();
  const [id] = useState(() => crypto.randomUUID());
  const [reason, setReason] = useState("");
  const [isWanted, setWanted] = useState(false);
  const write = useWrite(`/transactions/${fact.id}/void`);
  const save = (event: FormEvent) => {
    event.preventDefault();
    setWanted(true);
    if (reason.trim() === "" || write.isPending) return;
    write.mutate({ id, reason }, { onSuccess: close });
  };
  return (
    <Dialog title={words.voidTitle} close={close}>
      <form onSubmit={save} noValidate className="flex flex-col gap-2">
        <p>
          <strong className="figures">{money.show(fact.amount)}</strong> · {fact.category} ·{" "}
          {fact.receipt_no}
        </p>
        <p className="text-sm text-soft">{words.voidHelp}</p>
        <Reason reason={reason} change={setReason} isWanted={isWanted} />
        {write.isError && <Notice weight="bad">{failureText(write.error, words)}</Notice>}
        <Buttons name={words.void} isPending={write.isPending} close={close} />
      </form>
    </Dialog>
  );
}

export function CorrectDialog({ fact, close }: Props) {
  const words = useWords();
  const money = useMoney();
  const [id] = useState(() => crypto.randomUUID());
  const [typed, setTyped] = useState(() => groupAmount(BigInt(fact.amount), money.decimals));
  const [category, setCategory] = useState(fact.category);
  const [reason, setReason] = useState("");
  const [isWanted, setWanted] = useState(false);
  const write = useWrite("/transactions");
  const save = (event: FormEvent) => {
    event.preventDefault();
    setWanted(true);
    const amount = readAmount(typed, money.decimals);
    if (amount.kind !== "amount" || amount.units === 0n || write.isPending) return;
    if (reason.trim() === "" || category.trim() === "") return;
    const { type, description } = fact;
    const body = { id, type, description, category, reason, corrects: fact.id };
    write.mutate({ ...body, amount: String(amount.units) }, { onSuccess: close });
  };
  return (
    <Dialog title={words.correctTitle} close={close}>
      <form onSubmit={save} noValidate className="flex flex-col gap-2">
        <p className="text-sm text-soft">{words.correctHelp}</p>
        <AmountField
          id="correct"
          label={words.amount}
          value={typed}
          change={setTyped}
          isWanted={isWanted}
        />
        <Field
          label={words.category}
          maxLength={100}
          value={category}
          onChange={({ target }) => setCategory(target.value)}
          error={isWanted && category.trim() === "" ? words.categoryMissing : undefined}
        />
        <Reason reason={reason} change={setReason} isWanted={isWanted} />
        {write.isError && <Notice weight="bad">{failureText(write.error, words)}</Notice>}
        <Buttons name={words.correct} isPending={write.isPending} close={close} />
      </form>
    </Dialog>
  );
}

function Reason(props: { reason: string; change: (reason: string) => void; isWanted: boolean }) {
  const words = useWords();
  return (
    <Field
      label={words.reason}
      maxLength={500}
      value={props.reason}
      onChange={({ target }) => props.change(target.value)}
      error={props.isWanted && props.reason.trim() === "" ? words.reasonMissing : undefined}
    />
  );
}

function Buttons(props: { name: string; isPending: boolean; close: () => void }) {
  const words = useWords();
  return (
    <div className="flex gap-2">
      <Button type="submit" look="main" aria-disabled={props.isPending}>
        {props.isPending ? words.saving : props.name}
      </Button>
      <Button onClick={props.close}>{words.close}</Button>
    </div>
  );
}
