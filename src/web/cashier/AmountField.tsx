import { useState } from "react";
import { groupAmount, readAmount } from "../shared/money.ts";
import { Field } from "../shared/ui.tsx";
import { useMoney } from "./figures.ts";
import { useWords } from "./words.ts";

/** An amount: what is typed is shown below as it is understood, before anything is saved. */
export function AmountField({
  label,
  value,
  change,
  isWanted,
  id,
}: {
  label: string;
  value: string;
  change: (typed: string) => void;
  /** Whether a save was tried, so that what is missing is said. */
  isWanted: boolean;
  id: string;
}) {
  const words = useWords();
  const money = useMoney();
  const [isLeft, setLeft] = useState(false);
  const amount = readAmount(value, money.decimals);
  const isWrong = amount.kind === "wrong" && (isLeft || isWanted);
  const isMissing = isWanted && (amount.kind === "empty" || isZero(amount));
  return (
    <Field
      label={label}
      data-field={id}
      inputMode="decimal"
      className="figures text-right text-2xl font-bold"
      value={value}
      onFocus={() => setLeft(false)}
      onChange={({ target }) => change(target.value)}
      onBlur={() => {
        setLeft(true);
        if (amount.kind === "amount") change(groupAmount(amount.units, money.decimals));
      }}
      error={isWrong ? words.amountWrong : isMissing ? words.amountMissing : undefined}
      hint={amount.kind === "amount" ? money.show(amount.units) : words.amountHint}
    />
  );
}

function isZero(amount: ReturnType<typeof readAmount>): boolean {
  return amount.kind === "amount" && amount.units === 0n;
}
