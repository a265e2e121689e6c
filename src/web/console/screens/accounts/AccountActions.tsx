/** What one may do with an account, each in a dialog that says what will happen. */
import { useState } from "react";
import { Choice, Field } from "../../../shared/ui.tsx";
import { AmountField } from "../../parts/AmountField.tsx";
import { ActionButton, ActionDialog, useIdempotencyKey } from "../../parts/action_dialog.tsx";
import { readAmountText } from "../../parts/amount.ts";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Money } from "../../parts/figures.tsx";
import type { AccountFacts } from "./account_facts.ts";
import {
  AccountAdjust,
  AccountClose,
  AccountFreeze,
  AccountMakeHot,
  AccountMakeImmediate,
  AccountProposeAdjustment,
  AccountProposeUnfreeze,
  AccountUnfreeze,
} from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

export function AccountActions({ account }: { account: AccountFacts }) {
  if (account.closedAt) return null;
  return (
    <>
      <Adjusting account={account} />
      {account.frozenAt ? <Unfreezing account={account} /> : <Freezing account={account} />}
      <Mode account={account} />
      {account.mode === "immediate" && !account.frozenAt && <Closing account={account} />}
    </>
  );
}

function Freezing({ account: { id } }: { account: AccountFacts }) {
  const words = useAccountWords();
  return (
    <ActionButton
      label={words("freeze")}
      look="bad"
      title={words("freezeTitle")}
      document={AccountFreeze}
      variables={(reason) => ({ id, reason })}
      submit={words("freeze")}
      needsReason
      onDone={() => words("frozen")}
    >
      <p>{words("freezeHelp")}</p>
    </ActionButton>
  );
}

function Unfreezing({ account: { id } }: { account: AccountFacts }) {
  const words = useAccountWords();
  return (
    <>
      <ActionButton
        label={words("unfreeze")}
        title={words("unfreezeTitle")}
        document={AccountUnfreeze}
        variables={(reason) => ({ id, reason })}
        submit={words("unfreeze")}
        needsReason
        onDone={() => words("unfrozen")}
      >
        <p>{words("unfreezeHelp")}</p>
      </ActionButton>
      <ActionButton
        label={words("proposeUnfreeze")}
        title={words("proposeUnfreeze")}
        document={AccountProposeUnfreeze}
        variables={(reason) => ({ id, reason })}
        submit={words("propose")}
        needsReason
        onDone={() => words("proposed")}
      >
        <p>{words("proposeHelp")}</p>
      </ActionButton>
    </>
  );
}

function Adjusting({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  return (
    <>
      <DialogButton label={words("adjust")} document={AccountAdjust}>
        {(close) => <AdjustDialog account={account} close={close} />}
      </DialogButton>
      <DialogButton label={words("proposeAdjustment")} document={AccountProposeAdjustment}>
        {(close) => <AdjustDialog account={account} close={close} isProposal />}
      </DialogButton>
    </>
  );
}

/** The new balance beside the present one; nothing is worked out here, the engine does that. */
function AdjustDialog({
  account: { id, currency, code, balances },
  close,
  isProposal = false,
}: {
  account: AccountFacts;
  close: () => void;
  isProposal?: boolean;
}) {
  const words = useAccountWords();
  const idempotencyKey = useIdempotencyKey();
  const [typed, setTyped] = useState("");
  const [isTried, setIsTried] = useState(false);
  const amount = readAmountText(typed, { isSigned: true });
  const given = (reason: string) => {
    setIsTried(true);
    return amount.kind === "amount" ? { id, newBalance: amount.text, reason } : null;
  };
  const fields = (
    <>
      <p>{words(isProposal ? "proposeHelp" : "adjustHelp")}</p>
      <AmountField
        label={words("newBalance")}
        value={typed}
        onChange={setTyped}
        currency={currency}
        isTried={isTried && amount.kind !== "amount"}
        isSigned
      />
      <p>
        {words("from")} <Money amount={balances?.settledBalance} currency={currency} />{" "}
        {words("to")}{" "}
        <Money amount={amount.kind === "amount" ? amount.text : null} currency={currency} />
      </p>
    </>
  );
  const dialog = { title: words("adjustTitle", { code }), close, needsReason: true };
  if (isProposal) {
    return (
      <ActionDialog
        {...dialog}
        document={AccountProposeAdjustment}
        variables={given}
        submit={words("propose")}
        onDone={() => words("proposed")}
      >
        {fields}
      </ActionDialog>
    );
  }
  return (
    <ActionDialog
      {...dialog}
      document={AccountAdjust}
      variables={(reason) => {
        const wanted = given(reason);
        return wanted && { ...wanted, idempotencyKey };
      }}
      submit={words("adjust")}
      onDone={() => words("adjusted")}
    >
      {fields}
    </ActionDialog>
  );
}

function Mode({ account }: { account: AccountFacts }) {
  const words = useAccountWords();
  const { id, mode } = account;
  return (
    <>
      <DialogButton
        label={words(mode === "hot" ? "changeSlots" : "makeHot")}
        document={AccountMakeHot}
      >
        {(close) => <HotDialog account={account} close={close} />}
      </DialogButton>
      {mode === "hot" && (
        <ActionButton
          label={words("makeImmediate")}
          title={words("makeImmediate")}
          document={AccountMakeImmediate}
          variables={() => ({ id })}
          submit={words("makeImmediate")}
        >
          <p>{words("makeImmediateHelp")}</p>
        </ActionButton>
      )}
    </>
  );
}

function HotDialog({ account, close }: { account: AccountFacts; close: () => void }) {
  const words = useAccountWords();
  const [slots, setSlots] = useState(account.slots === null ? "" : String(account.slots));
  const [isAtOnce, setIsAtOnce] = useState(account.isPendingAvailable);
  const [isTried, setIsTried] = useState(false);
  const isRight = slots === "" || /^(?:[1-9]\d{0,2}|1000)$/.test(slots);
  return (
    <ActionDialog
      title={words(account.mode === "hot" ? "changeSlots" : "makeHot")}
      document={AccountMakeHot}
      variables={() => {
        setIsTried(true);
        if (!isRight) return null;
        const count = slots === "" ? null : Number(slots);
        return { id: account.id, slots: count, isPendingAvailable: isAtOnce };
      }}
      close={close}
      submit={words("apply")}
    >
      <p>{words("makeHotHelp")}</p>
      <Field
        label={words("slots")}
        inputMode="numeric"
        maxLength={4}
        value={slots}
        hint={words("slotsHint")}
        error={isTried && !isRight ? words("slotsWrong") : undefined}
        onChange={({ target }) => setSlots(target.value.trim())}
      />
      <Choice
        label={words("pendingAvailable")}
        value={isAtOnce ? "atOnce" : "whenSettled"}
        options={[
          ["atOnce", words("atOnce")],
          ["whenSettled", words("whenSettled")],
        ]}
        onChange={({ target }) => setIsAtOnce(target.value === "atOnce")}
      />
    </ActionDialog>
  );
}

function Closing({ account: { id, code } }: { account: AccountFacts }) {
  const words = useAccountWords();
  return (
    <ActionButton
      label={words("close")}
      look="bad"
      title={words("closeTitle", { code })}
      document={AccountClose}
      variables={() => ({ id })}
      submit={words("close")}
    >
      <p>{words("closeHelp")}</p>
    </ActionButton>
  );
}
