/** A top-up is charged back: what becomes of it where the wallet has less. */
import { useState } from "react";
import { Choice } from "../../../shared/ui.tsx";
import { useDocument } from "../../api/query_client.ts";
import type { TopUpShortfall } from "../../api/schema_types.ts";
import { ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import type { HistoryLine } from "../wallet/History.tsx";
import { ExpenseAccounts, ReverseTopUp } from "./members.documents.ts";
import { useMembersWords } from "./words.ts";

export function ReverseTopUpDialog({
  line,
  currency,
  close,
}: {
  line: HistoryLine;
  currency: string;
  close: () => void;
}) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const [shortfall, setShortfall] = useState<TopUpShortfall>("refuse");
  const [lossAccountId, setLossAccountId] = useState("");
  const [isTried, setIsTried] = useState(false);
  const isLoss = shortfall === "loss";
  return (
    <ActionDialog
      title={words("reverseTitle")}
      document={ReverseTopUp}
      close={close}
      needsReason
      look="bad"
      submit={words("reverse")}
      onDone={() => words("reversed")}
      variables={(reason) => {
        setIsTried(true);
        if (line.id === null || (isLoss && lossAccountId === "")) return null;
        const loss = isLoss ? lossAccountId : null;
        const input = { entryId: line.id, reason, shortfall, lossAccountId: loss, idempotencyKey };
        return { input };
      }}
    >
      <p className="text-soft">{words("reverseLead")}</p>
      <p>
        {words("topUpAmount")}
        <Money amount={line.amount} currency={currency} />
      </p>
      <Choice
        label={words("shortfall")}
        value={shortfall}
        onChange={({ target }) => setShortfall(target.value as TopUpShortfall)}
        options={[
          ["refuse", words("shortfallRefuse")],
          ["debt", words("shortfallDebt")],
          ["loss", words("shortfallLoss")],
        ]}
      />
      {isLoss && (
        <LossAccount
          currency={currency}
          value={lossAccountId}
          onChange={setLossAccountId}
          isMissing={isTried && lossAccountId === ""}
        />
      )}
    </ActionDialog>
  );
}

function LossAccount({
  currency,
  value,
  onChange,
  isMissing,
}: {
  currency: string;
  value: string;
  onChange: (id: string) => void;
  isMissing: boolean;
}) {
  const words = useMembersWords();
  const query = useDocument(ExpenseAccounts, { currency });
  return (
    <Loaded query={query} document={ExpenseAccounts} lines={1}>
      {({ accounts }) => (
        <div>
          <Choice
            label={words("lossAccount")}
            value={value}
            onChange={({ target }) => onChange(target.value)}
            options={[
              ["", words("chooseAccount")],
              ...(accounts?.nodes ?? [])
                .filter((row) => row !== null)
                .map(({ id, code, name }): [string, string] => [id, `${code} · ${name}`]),
            ]}
          />
          {isMissing && <p className="text-sm text-bad">{words("lossAccountMissing")}</p>}
        </div>
      )}
    </Loaded>
  );
}
