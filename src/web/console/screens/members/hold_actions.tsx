/** What becomes of a hold: it is captured, or given up. */
import { useState } from "react";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionButton, ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { amountToSend } from "../../parts/amount.ts";
import { Check, DialogButton } from "../../parts/dialog_button.tsx";
import { Money } from "../../parts/figures.tsx";
import type { HoldRow } from "../wallet/Holds.tsx";
import { CaptureHold, VoidHold } from "./members.documents.ts";
import { useMembersWords } from "./words.ts";

export function HoldActions({ hold, currency }: { hold: HoldRow; currency: string }) {
  const words = useMembersWords();
  // That of a purchase ends with its purchase.
  if (hold.status !== "HELD" || hold.source === "purchase") return null;
  return (
    <div className="flex flex-wrap gap-2">
      <DialogButton label={words("capture")} document={CaptureHold}>
        {(close) => <CaptureDialog hold={hold} currency={currency} close={close} />}
      </DialogButton>
      <ActionButton
        label={words("void")}
        title={words("voidTitle")}
        look="bad"
        document={VoidHold}
        needsReason
        variables={(reason) => ({ input: { holdId: hold.id, reason } })}
        submit={words("void")}
        onDone={() => words("voided")}
      >
        <p>
          {words("voidLead")}
          <Money amount={hold.openAmount} currency={currency} />
        </p>
      </ActionButton>
    </div>
  );
}

function CaptureDialog({
  hold,
  currency,
  close,
}: {
  hold: HoldRow;
  currency: string;
  close: () => void;
}) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const [typed, setTyped] = useState(hold.openAmount.replace(".", ","));
  const [keepRest, setKeepRest] = useState(false);
  const [isTried, setIsTried] = useState(false);
  return (
    <ActionDialog
      title={words("captureTitle")}
      document={CaptureHold}
      close={close}
      submit={words("capture")}
      onDone={() => words("captured")}
      variables={() => {
        setIsTried(true);
        const amount = amountToSend(typed);
        if (amount === null) return null;
        return { input: { holdId: hold.id, amount, keepRest, idempotencyKey } };
      }}
    >
      <p>
        {words("captureLead")}
        <Money amount={hold.openAmount} currency={currency} />
      </p>
      <AmountField
        label={words("captureAmount")}
        value={typed}
        onChange={setTyped}
        currency={currency}
        isTried={isTried}
      />
      <Check
        label={words("keepRest")}
        hint={words("keepRestHint")}
        checked={keepRest}
        onChange={setKeepRest}
      />
    </ActionDialog>
  );
}
