/** What may be done with a period as it stands; the server decides again. */
import { useState } from "react";
import { Field } from "../../../shared/ui.tsx";
import { ActionButton } from "../../parts/action_dialog.tsx";
import {
  BeginClosing,
  CancelClosing,
  ClosePeriod,
  CloseYear,
  LockPeriod,
  type PeriodStateFragment as Period,
  ProposeClosing,
  ReopenPeriod,
} from "./closing.documents.ts";
import { type Item, ItemName } from "./ItemName.tsx";
import { keyOf, usePeriodName } from "./PeriodName.tsx";
import { useClosingWords } from "./words.ts";

export function PeriodActions({ period, items }: { period: Period; items: readonly Item[] }) {
  if (period.status === "locked") return null;
  if (period.status === "closed") {
    return (
      <>
        <Reopen period={period} />
        <Lock period={period} />
      </>
    );
  }
  if (period.number === 13) return <EndOfYear period={period} />;
  return (
    <>
      <Close period={period} items={items} />
      {items.some(isInTheWay) && <Propose period={period} items={items} />}
      {period.status === "open" ? <Begin period={period} /> : <Cancel period={period} />}
    </>
  );
}

/** Closing checks the rules itself: that no check was made yet is in nobody's way. */
const isInTheWay = ({ isPassed, item }: Item) => isPassed !== true && item !== "rules";

function Close({ period, items }: { period: Period; items: readonly Item[] }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  const [waived, setWaived] = useState<readonly string[]>([]);
  const [reason, setReason] = useState("");
  return (
    <ActionButton
      label={words("closeIt")}
      look="main"
      title={words("closeTitle", { period: name })}
      document={ClosePeriod}
      submit={words("closeIt")}
      confirmWord={keyOf(period)}
      variables={() => ({
        month: period.startsOn,
        waive: waived.length > 0 ? [...waived] : null,
        reason: reason.trim() || null,
      })}
      onDone={() => words("closeDone", { period: name })}
    >
      <p>{words("closeHelp")}</p>
      <Waive items={items} waived={waived} onChange={setWaived} />
      <Field
        label={words("reason")}
        hint={waived.length > 0 ? words("waiveReason") : ""}
        value={reason}
        maxLength={500}
        onChange={({ target }) => setReason(target.value)}
      />
    </ActionButton>
  );
}

/** Items that are open, each to be waived by itself. */
function Waive({
  items,
  waived,
  onChange,
}: {
  items: readonly Item[];
  waived: readonly string[];
  onChange: (waived: readonly string[]) => void;
}) {
  const words = useClosingWords();
  return (
    <ul className="flex flex-col gap-2">
      {items
        .filter(({ isPassed }) => isPassed !== true)
        .map(({ item, title, openCount }) => {
          const name = item ?? "";
          return (
            <li key={name}>
              <label className="flex min-h-11 items-start gap-2">
                <input
                  type="checkbox"
                  className="mt-1 size-5"
                  checked={waived.includes(name)}
                  onChange={({ target }) =>
                    onChange(
                      target.checked ? [...waived, name] : waived.filter((each) => each !== name),
                    )
                  }
                />
                <span>
                  {words("waive", { count: Number(openCount) })}{" "}
                  <ItemName item={item} title={title} />
                </span>
              </label>
            </li>
          );
        })}
    </ul>
  );
}

function Propose({ period, items }: { period: Period; items: readonly Item[] }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  const [waived, setWaived] = useState<readonly string[]>([]);
  return (
    <ActionButton
      label={words("propose")}
      title={words("proposeTitle", { period: name })}
      document={ProposeClosing}
      submit={words("propose")}
      needsReason
      variables={(reason) =>
        waived.length === 0 ? null : { month: period.startsOn, waive: [...waived], reason }
      }
      onDone={() => words("proposed")}
    >
      <p>{words("proposeHelp")}</p>
      <Waive items={items} waived={waived} onChange={setWaived} />
    </ActionButton>
  );
}

function Begin({ period }: { period: Period }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  return (
    <ActionButton
      label={words("begin")}
      title={words("beginTitle", { period: name })}
      document={BeginClosing}
      submit={words("begin")}
      variables={() => ({ month: period.startsOn })}
      onDone={() => words("begun", { period: name })}
    >
      <p>{words("beginHelp")}</p>
    </ActionButton>
  );
}

function Cancel({ period }: { period: Period }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  return (
    <ActionButton
      label={words("cancelClosing")}
      title={words("cancelTitle", { period: name })}
      document={CancelClosing}
      submit={words("cancelClosing")}
      needsReason
      variables={(reason) => ({ month: period.startsOn, reason })}
      onDone={() => words("cancelled", { period: name })}
    >
      <p>{words("cancelHelp")}</p>
    </ActionButton>
  );
}

function EndOfYear({ period }: { period: Period }) {
  const words = useClosingWords();
  const year = period.fiscalYear;
  return (
    <ActionButton
      label={words("closeYear")}
      look="main"
      title={words("closeYearTitle", { year })}
      document={CloseYear}
      submit={words("closeYear")}
      confirmWord={String(year)}
      variables={() => ({ year })}
      onDone={() => words("yearClosed", { year })}
    >
      <p>{words("closeYearHelp")}</p>
    </ActionButton>
  );
}

function Reopen({ period }: { period: Period }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  return (
    <ActionButton
      label={words("reopenIt")}
      title={words("reopenTitle", { period: name })}
      document={ReopenPeriod}
      submit={words("reopenIt")}
      needsReason
      variables={(reason) => ({ year: period.fiscalYear, number: period.number, reason })}
      onDone={() => words("reopened", { period: name })}
    >
      <p>{words("reopenHelp")}</p>
    </ActionButton>
  );
}

function Lock({ period }: { period: Period }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  return (
    <ActionButton
      label={words("lockIt")}
      look="bad"
      title={words("lockTitle", { period: name })}
      document={LockPeriod}
      submit={words("lockIt")}
      needsReason
      confirmWord={keyOf(period)}
      variables={(reason) => ({ year: period.fiscalYear, number: period.number, reason })}
      onDone={() => words("lockDone", { period: name })}
    >
      <p>{words("lockHelp")}</p>
    </ActionButton>
  );
}
