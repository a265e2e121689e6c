/** What becomes of a purchase: it is paid, given up, or paid back. */
import { useState } from "react";
import { Field } from "../../../shared/ui.tsx";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionButton, ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { amountToSend } from "../../parts/amount.ts";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Money } from "../../parts/figures.tsx";
import { wholeNumber } from "./money_dialogs.tsx";
import {
  CompletePurchase,
  FailPurchase,
  type PurchaseRowFragment,
  RefundPurchase,
} from "./purchases.documents.ts";
import { useMembersWords } from "./words.ts";

type Sold = PurchaseRowFragment & { product: { isStockTracked: boolean } | null };

export function PurchaseActions({ purchase }: { purchase: Sold }) {
  const words = useMembersWords();
  const { id: purchaseId, status, amount, product } = purchase;
  if (status === "pending") {
    return (
      <>
        <ActionButton
          label={words("complete")}
          title={words("completeTitle")}
          look="main"
          document={CompletePurchase}
          variables={() => ({ input: { purchaseId } })}
          submit={words("complete")}
          onDone={() => words("completed")}
        >
          <p>
            {words("completeLead")}
            <Money amount={amount} currency={product?.currency} />
          </p>
        </ActionButton>
        <ActionButton
          label={words("fail")}
          title={words("failTitle")}
          look="bad"
          document={FailPurchase}
          needsReason
          variables={(reason) => ({ input: { purchaseId, reason } })}
          submit={words("fail")}
          onDone={() => words("failed")}
        >
          <p>{words("failLead")}</p>
        </ActionButton>
      </>
    );
  }
  if (status !== "completed" && status !== "partially_refunded") return null;
  return (
    <DialogButton label={words("refund")} document={RefundPurchase}>
      {(close) => <RefundDialog purchase={purchase} close={close} />}
    </DialogButton>
  );
}

function RefundDialog({ purchase, close }: { purchase: Sold; close: () => void }) {
  const words = useMembersWords();
  const idempotencyKey = useIdempotencyKey();
  const [typed, setTyped] = useState("");
  const [restock, setRestock] = useState("");
  const [isTried, setIsTried] = useState(false);
  const { id: purchaseId, amount: paid, product } = purchase;
  const isPart = typed.trim() !== "";
  const isRestockWrong = restock.trim() !== "" && wholeNumber(restock, 0, 1000) === null;
  return (
    <ActionDialog
      title={words("refundTitle")}
      document={RefundPurchase}
      close={close}
      needsReason
      submit={words("refund")}
      onDone={() => words("refunded")}
      variables={(reason) => {
        setIsTried(true);
        const amount = isPart ? amountToSend(typed) : null;
        if ((isPart && amount === null) || isRestockWrong) return null;
        const items = restock.trim() === "" ? null : wholeNumber(restock, 0, 1000);
        return { input: { purchaseId, reason, amount, restock: items, idempotencyKey } };
      }}
    >
      <p>
        {words("refundLead")}
        <Money amount={paid} currency={product?.currency} />
      </p>
      <AmountField
        label={words("refundAmount")}
        value={typed}
        onChange={setTyped}
        currency={product?.currency}
        isTried={isTried && isPart}
        hint={words("refundAll")}
      />
      {product?.isStockTracked && (
        <Field
          label={words("restock")}
          inputMode="numeric"
          maxLength={4}
          hint={words("restockHint")}
          value={restock}
          error={isRestockWrong ? words("restockWrong") : undefined}
          onChange={({ target }) => setRestock(target.value)}
        />
      )}
    </ActionDialog>
  );
}
