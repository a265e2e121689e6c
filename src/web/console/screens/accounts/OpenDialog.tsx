/** Opens an account. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Choice, Field } from "../../../shared/ui.tsx";
import { useSignedIn } from "../../api/session.ts";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionDialog } from "../../parts/action_dialog.tsx";
import { readAmountText } from "../../parts/amount.ts";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { accountTypes } from "./account_types.ts";
import { AccountOpen, type AccountType } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

export function OpenDialog({ close }: { close: () => void }) {
  const words = useAccountWords();
  const ledger = useLedgerWords();
  const session = useSignedIn();
  const navigate = useNavigate();
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [type, setType] = useState<AccountType>("asset");
  const [currency, setCurrency] = useState(session.currency);
  const [minimum, setMinimum] = useState("");
  const [isTried, setIsTried] = useState(false);
  const missing = (value: string) =>
    isTried && value.trim() === "" ? words("fieldMissing") : undefined;
  const variables = () => {
    setIsTried(true);
    const least = readAmountText(minimum, { isSigned: true });
    if (least.kind === "wrong" || [code, name, currency].some((each) => each.trim() === "")) {
      return null;
    }
    return {
      code: code.trim(),
      name: name.trim(),
      type,
      currency: currency.trim().toUpperCase(),
      minBalance: least.kind === "amount" ? least.text : null,
    };
  };
  return (
    <ActionDialog
      title={words("open")}
      document={AccountOpen}
      variables={variables}
      close={close}
      submit={words("open")}
      onDone={({ openAccount }) => {
        const account = openAccount?.result;
        if (account) void navigate({ to: `/accounts/${account.id}` });
        return words("opened", { code: account?.code });
      }}
    >
      <Field
        label={words("code")}
        hint={words("codeHint")}
        value={code}
        maxLength={100}
        error={missing(code)}
        onChange={({ target }) => setCode(target.value)}
      />
      <Field
        label={words("name")}
        value={name}
        maxLength={200}
        error={missing(name)}
        onChange={({ target }) => setName(target.value)}
      />
      <Choice
        label={words("type")}
        value={type}
        options={accountTypes.map((each) => [each, ledger(each)])}
        onChange={({ target }) => setType(target.value as AccountType)}
      />
      <Field
        label={words("currency")}
        value={currency}
        maxLength={3}
        error={missing(currency)}
        onChange={({ target }) => setCurrency(target.value.toUpperCase())}
      />
      <AmountField
        label={words("minimum")}
        hint={words("minimumHint")}
        value={minimum}
        onChange={setMinimum}
        currency={/^[A-Z]{3}$/.test(currency) ? currency : session.currency}
        isSigned
      />
    </ActionDialog>
  );
}
