/** Freezes an account that is named by its code, and shows which one before it asks. */
import { useState } from "react";
import { Field } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Money } from "../../parts/figures.tsx";
import { Facts } from "../../parts/table.tsx";
import { AccountToFreeze, FreezeAccount } from "./frozen.documents.ts";
import { useHealWords } from "./words.ts";

export function FreezeButton() {
  const words = useHealWords();
  const [code, setCode] = useState("");
  const wanted = code.trim();
  const query = useDocument(AccountToFreeze, { code: wanted }, { enabled: wanted !== "" });
  const account = wanted === "" ? null : (query.data?.accountByCode ?? null);
  const isUnknown = wanted !== "" && query.data?.accountByCode === null;
  const isFrozen = account !== null && account.frozenAt !== null;
  const error = isUnknown ? "freezeUnknown" : isFrozen ? "freezeAlready" : undefined;
  return (
    <ActionButton
      label={words("freeze")}
      title={words("freeze")}
      document={FreezeAccount}
      variables={(reason) =>
        account === null || isFrozen ? null : { account: account.id, reason }
      }
      needsReason
      submit={words("freezeDo")}
      look="bad"
      onDone={() => {
        setCode("");
        return words("frozenDone");
      }}
    >
      <p>{words("freezeHelp")}</p>
      <Field
        label={words("freezeCode")}
        value={code}
        maxLength={200}
        error={error && words(error)}
        onChange={({ target }) => setCode(target.value)}
      />
      {account && (
        <Facts
          facts={[
            [words("account"), `${account.code} ${account.name}`],
            [
              words("balance"),
              <Money
                key="balance"
                amount={account.balances?.settledBalance}
                currency={account.currency}
              />,
            ],
          ]}
        />
      )}
    </ActionButton>
  );
}
