/** A field for an amount: it shows what was understood of what is typed, before it is sent. */
import { useState } from "react";
import { useLanguage } from "../../shared/language.ts";
import { Field } from "../../shared/ui.tsx";
import { useSignedIn } from "../api/session.ts";
import { isZero, readAmountText } from "./amount.ts";
import { formatMoney, formatNumber, formatShort } from "./figures.tsx";
import { usePartWords } from "./words.ts";

/**
 * `value` is what is typed, and stays with the caller; amountToSend makes of it what the API takes.
 * When the field is left, its digits are put into groups as the language has them.
 */
export function AmountField({
  label,
  value,
  onChange,
  currency,
  isTried = false,
  isSigned = false,
  hint,
}: {
  label: string;
  value: string;
  onChange: (typed: string) => void;
  /** The currency of the business where none is given. */
  currency?: string | null | undefined;
  /** Whether somebody tried to send, so that what is missing is said. */
  isTried?: boolean;
  /** Whether it may be negative. */
  isSigned?: boolean;
  /** What is said while nothing is typed. */
  hint?: string;
}) {
  const words = usePartWords();
  const language = useLanguage();
  const session = useSignedIn();
  const [isLeft, setIsLeft] = useState(false);
  const amount = readAmountText(value, { isSigned });
  const isWrong = amount.kind === "wrong" && (isLeft || isTried);
  const isMissing = isTried && (amount.kind === "empty" || isZero(amount));
  const read = (text: string) => {
    const money = formatMoney(text, currency ?? session.currency, language);
    const short = formatShort(text, language);
    return short === undefined ? money : `${money} (${short})`;
  };
  return (
    <Field
      label={label}
      inputMode="decimal"
      maxLength={40}
      className="figures text-right text-xl font-bold"
      value={value}
      onFocus={() => setIsLeft(false)}
      onChange={({ target }) => onChange(target.value)}
      onBlur={() => {
        setIsLeft(true);
        if (amount.kind === "amount") onChange(formatNumber(amount.text, language));
      }}
      error={isWrong ? words("amountWrong") : isMissing ? words("amountMissing") : undefined}
      hint={amount.kind === "amount" ? read(amount.text) : (hint ?? words("amountHint"))}
    />
  );
}
