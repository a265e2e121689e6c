/** A field for an account: its code, with what begins like it or is named like it offered. */
import { useQueries } from "@tanstack/react-query";
import { useId } from "react";
import { Field } from "../../shared/ui.tsx";
import { rowsOf, useDocument } from "../api/query_client.ts";
import { request } from "../api/request.ts";
import { AccountByCode, AccountSuggestions } from "./account.documents.ts";
import { useTypedFilter } from "./filters.tsx";
import { useLedgerWords } from "./ledger_words.ts";
import { useSettled } from "./settled.ts";

/** The account of a code: undefined while it is looked up, null where there is none. */
export function useAccountOfCode(code: string) {
  const trimmed = code.trim();
  const query = useDocument(AccountByCode, { code: trimmed }, { enabled: trimmed !== "" });
  if (trimmed === "") return null;
  return query.data === undefined ? undefined : query.data.accountByCode;
}

/** The accounts of several codes, in their order: as useAccountOfCode gives each. */
export function useAccountsOfCodes(codes: readonly string[]) {
  const answers = useQueries({
    queries: codes.map((code) => ({
      queryKey: [AccountByCode.name, { code: code.trim() }],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        request(AccountByCode, { code: code.trim() }, signal),
      enabled: code.trim() !== "",
    })),
  });
  return codes.map((code, place) => {
    if (code.trim() === "") return null;
    const data = answers[place]?.data;
    return data === undefined ? undefined : data.accountByCode;
  });
}

/** `value` is the code as it is typed. */
export function AccountField({
  label,
  value,
  onChange,
  isTried = false,
  hint,
}: {
  label: string;
  value: string;
  onChange: (code: string) => void;
  /** Whether somebody tried to send, so that what is missing is said. */
  isTried?: boolean;
  hint?: string;
}) {
  const words = useLedgerWords();
  const id = useId();
  const search = useSettled(value).trim().slice(0, 200);
  const account = useAccountOfCode(search);
  const query = useDocument(AccountSuggestions, { search }, { enabled: search !== "" });
  const isKnown = account !== null && account !== undefined;
  const isWrong = account === null && (isTried || (search !== "" && isUnlike(query.data)));
  return (
    <>
      <Field
        label={label}
        value={value}
        maxLength={100}
        list={id}
        hint={isKnown ? `${account.name} (${account.currency})` : (hint ?? words("accountHint"))}
        error={isWrong ? words("accountUnknown") : undefined}
        onChange={({ target }) => onChange(target.value)}
      />
      <datalist id={id}>
        {rowsOf(query.data?.findAccounts).map((each) => (
          <option key={each.id} value={each.code}>
            {each.name}
          </option>
        ))}
      </datalist>
    </>
  );
}

/** Whether no account begins or is named like what is typed. */
const isUnlike = (data: { readonly findAccounts: unknown } | undefined) =>
  data !== undefined && rowsOf(data.findAccounts as never).length === 0;

/** A filter by the code of an account. */
export function AccountFilter({ name, label }: { name: string; label: string }) {
  const [typed, setTyped] = useTypedFilter(name);
  return (
    <div className="w-64 max-w-full sm:-mb-6">
      <AccountField label={label} value={typed} onChange={setTyped} hint=" " />
    </div>
  );
}
