/** Entering cash in and out: three fields, and the keyboard alone is enough. */
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { readAmount } from "../shared/money.ts";
import { Button, Card, Field, Notice } from "../shared/ui.tsx";
import { AmountField } from "./AmountField.tsx";
import { ApiError, type FactView, useCategories, useWrite } from "./api.ts";
import { emptyForm, failureText, useEntryForm } from "./entry_form.ts";
import { useMoney } from "./figures.ts";
import { Receipt } from "./Receipt.tsx";
import { useWords } from "./words.ts";

export function Entry() {
  const words = useWords();
  const money = useMoney();
  const [form, change] = useEntryForm();
  const [isWanted, setWanted] = useState(false);
  const [saved, setSaved] = useState<FactView>();
  const [isPrinting, setPrinting] = useState(false);
  const write = useWrite("/transactions");
  const frame = useRef<HTMLFormElement>(null);
  const focusOn = (field: string) =>
    frame.current?.querySelector<HTMLInputElement>(`[data-field="${field}"]`)?.focus();

  useTypeKeys((type) => {
    change({ ...form, type });
    focusOn("amount");
  });
  useEffect(() => {
    frame.current?.querySelector<HTMLInputElement>('[data-field="amount"]')?.focus();
  }, []);

  const amount = readAmount(form.amount, money.decimals);
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (write.isPending) return;
    setWanted(true);
    setSaved(undefined);
    if (amount.kind !== "amount" || amount.units === 0n) return focusOn("amount");
    if (form.category.trim() === "") return focusOn("category");
    write.mutate(
      { ...form, amount: String(amount.units) },
      {
        onSuccess({ transaction }) {
          setSaved(transaction);
          setWanted(false);
          change(emptyForm(form.type));
          focusOn("amount");
        },
        onError(error) {
          // The form is kept; under its old id it could not be stored once more.
          const isTaken = error instanceof ApiError && error.condition === "id_taken";
          if (isTaken) change({ ...form, id: crypto.randomUUID() });
        },
      },
    );
  };

  return (
    <Card title={words.entry}>
      <form ref={frame} onSubmit={save} noValidate className="flex flex-col gap-2">
        <TypeChoice type={form.type} choose={(type) => change({ ...form, type })} />
        <AmountField
          id="amount"
          label={words.amount}
          value={form.amount}
          change={(typed) => change({ ...form, amount: typed })}
          isWanted={isWanted}
        />
        <CategoryField
          type={form.type}
          value={form.category}
          change={(category) => change({ ...form, category })}
          isMissing={isWanted && form.category.trim() === ""}
        />
        <Field
          label={words.description}
          maxLength={500}
          value={form.description}
          onChange={({ target }) => change({ ...form, description: target.value })}
        />
        <Button
          type="submit"
          look="main"
          aria-disabled={write.isPending}
          className="min-h-14 text-lg"
        >
          {write.isPending ? words.saving : words.save}
        </Button>
        <p className="text-sm text-soft">{words.keys}</p>
        {write.isError && <Notice weight="bad">{failureText(write.error, words)}</Notice>}
        <div role="status" className="min-h-12">
          {saved && !write.isError && (
            <p className="flex flex-wrap items-center gap-3 font-semibold text-good">
              <span data-testid="saved">
                {words.saved}: {saved.type === "IN" ? words.in : words.out}{" "}
                {money.show(saved.amount)} · {saved.receipt_no}
              </span>
              <Button onClick={() => setPrinting(true)}>{words.receipt}</Button>
            </p>
          )}
        </div>
      </form>
      {isPrinting && saved && <Receipt fact={saved} close={() => setPrinting(false)} />}
    </Card>
  );
}

/** F2 and F3 choose the type from anywhere. */
function useTypeKeys(choose: (type: "IN" | "OUT") => void): void {
  const latest = useRef(choose);
  latest.current = choose;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const type = { F2: "IN", F3: "OUT" }[event.key] as "IN" | "OUT" | undefined;
      if (type === undefined || document.querySelector('[role="dialog"]') !== null) return;
      event.preventDefault();
      latest.current(type);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}

function TypeChoice({
  type,
  choose,
}: {
  type: "IN" | "OUT";
  choose: (type: "IN" | "OUT") => void;
}) {
  const words = useWords();
  const options = [
    ["IN", words.in],
    ["OUT", words.out],
  ] as const;
  return (
    <fieldset className="grid grid-cols-2 gap-2">
      <legend className="sr-only">{words.type}</legend>
      {options.map(([value, text]) => (
        <label
          key={value}
          className={`flex min-h-14 items-center justify-center rounded-lg border-2 text-lg font-bold has-focus-visible:outline-3 has-focus-visible:outline-offset-2 has-focus-visible:outline-brand ${type === value ? "border-brand bg-brand text-on-brand" : "border-line bg-card"}`}
        >
          <input
            type="radio"
            name="type"
            className="sr-only"
            checked={type === value}
            onChange={() => choose(value)}
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function CategoryField({
  type,
  value,
  change,
  isMissing,
}: {
  type: "IN" | "OUT";
  value: string;
  change: (category: string) => void;
  isMissing: boolean;
}) {
  const words = useWords();
  const list = useId();
  const { data } = useCategories();
  const own = (data?.categories ?? []).filter((each) => each.type === type);
  return (
    <div>
      <Field
        label={words.category}
        data-field="category"
        list={list}
        maxLength={100}
        value={value}
        onChange={({ target }) => change(target.value)}
        error={isMissing ? words.categoryMissing : undefined}
      />
      <datalist id={list}>
        {own.map(({ category }) => (
          <option key={category} value={category} />
        ))}
      </datalist>
      <div className="flex flex-wrap gap-2">
        {own.slice(0, 6).map(({ category }) => (
          <Button key={category} aria-pressed={value === category} onClick={() => change(category)}>
            {category}
          </Button>
        ))}
      </div>
    </div>
  );
}
