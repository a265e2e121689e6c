/** Fields that changes of prices, factors and parts of the tariff have in common. */
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Field } from "../../../shared/ui.tsx";
import { request } from "../../api/request.ts";
import { formatNumber } from "../../parts/figures.tsx";
import { figureToSend } from "./price.ts";
import { CustomerOfCode, type CustomerOfCodeQuery } from "./prices.documents.ts";
import { usePriceWords } from "./words.ts";

/** The customer whom a change is for; nobody = all, undefined = there is no such customer. */
export function useCustomerField() {
  const words = usePriceWords();
  const [code, setCode] = useState("");
  const [isUnknown, setIsUnknown] = useState(false);
  const read = async (): Promise<CustomerOfCodeQuery["customerByCode"] | undefined> => {
    setIsUnknown(false);
    if (code.trim() === "") return null;
    const { customerByCode } = await request(CustomerOfCode, { code: code.trim() });
    setIsUnknown(customerByCode === null);
    return customerByCode ?? undefined;
  };
  const content = (
    <Field
      label={words("customer")}
      maxLength={90}
      value={code}
      hint={words("customerHint")}
      error={isUnknown ? words("customerNone") : undefined}
      onChange={({ target }) => setCode(target.value)}
    />
  );
  return { content, read, typed: code };
}

/** The days from which and until which it counts. */
export function useDayFields(
  old: { effectiveFrom: string; effectiveTo: string | null } | undefined,
) {
  const words = usePriceWords();
  const [from, setFrom] = useState(old?.effectiveFrom ?? "");
  const [to, setTo] = useState(old?.effectiveTo ?? "");
  const [isTried, setIsTried] = useState(false);
  const read = () => {
    setIsTried(true);
    return from === "" ? null : { effectiveFrom: from, effectiveTo: to || null };
  };
  const content = (
    <>
      <Field
        label={words("from")}
        type="date"
        value={from}
        error={isTried && from === "" ? words("fromMissing") : undefined}
        onChange={({ target }) => setFrom(target.value)}
      />
      <Field
        label={words("to")}
        type="date"
        value={to}
        hint={words("toHint")}
        onChange={({ target }) => setTo(target.value)}
      />
    </>
  );
  return { content, read, typed: [from, to] };
}

/** A figure with decimals, as a factor or a share: it has no groups of thousands. */
export function FigureField({
  label,
  value,
  onChange,
  isTried,
}: {
  label: string;
  value: string;
  onChange: (typed: string) => void;
  isTried: boolean;
}) {
  const words = usePriceWords();
  const language = useLanguage();
  const sent = figureToSend(value);
  return (
    <Field
      label={label}
      inputMode="decimal"
      maxLength={30}
      value={value}
      error={isTried && sent === null ? words("figureWrong") : undefined}
      hint={sent === null ? words("figureHint") : `= ${formatNumber(sent, language)}`}
      onChange={({ target }) => onChange(target.value)}
    />
  );
}
