/** What was entered: found again by filters that stand in the address, with its state and reason. */
import { useState } from "react";
import { goTo, useParameters } from "../../shared/route.ts";
import { Badge, Button, Choice, Field } from "../../shared/ui.tsx";
import { type FactView, useTransactions } from "../api.ts";
import { CorrectDialog, VoidDialog } from "../ChangeDialogs.tsx";
import { useMoment, useMoney } from "../figures.ts";
import { Receipt } from "../Receipt.tsx";
import { useWords } from "../words.ts";

type Opened = { what: "receipt" | "void" | "correct"; fact: FactView };

export function Transactions() {
  const words = useWords();
  const parameters = new URLSearchParams(useParameters());
  const [opened, setOpened] = useState<Opened>();
  const { data } = useTransactions(parameters.toString());
  const set = (name: string, value: string) => {
    const next = new URLSearchParams(parameters);
    if (value === "") next.delete(name);
    else next.set(name, value);
    if (name !== "page") next.delete("page");
    const text = next.toString();
    goTo(text === "" ? "/transactions" : `/transactions?${text}`, { replace: name === "q" });
  };
  const page = data?.page ?? 1;
  const close = () => setOpened(undefined);
  return (
    <div className="flex flex-col gap-3">
      <h1 className="text-xl font-bold">{words.transactions}</h1>
      <search className="grid gap-2 sm:grid-cols-4">
        <div className="sm:col-span-2">
          <Field
            label={words.search}
            hint={words.searchHint}
            type="search"
            value={parameters.get("q") ?? ""}
            onChange={({ target }) => set("q", target.value)}
          />
        </div>
        <Choice
          label={words.type}
          value={parameters.get("type") ?? ""}
          onChange={({ target }) => set("type", target.value)}
          options={[
            ["", words.all],
            ["IN", words.in],
            ["OUT", words.out],
          ]}
        />
        <Choice
          label={words.standing}
          value={parameters.get("standing") ?? ""}
          onChange={({ target }) => set("standing", target.value)}
          options={[
            ["", words.all],
            ["waiting", words.waiting],
            ["sent", words.sent],
            ["attention", words.attention],
          ]}
        />
      </search>
      {data === undefined && <p className="text-soft">{words.loading}</p>}
      {data?.total === 0 && (
        <p className="rounded-lg border border-line bg-card p-6 text-center text-soft">
          {parameters.size === 0 ? words.noneYet : words.none}
        </p>
      )}
      <ul className="flex flex-col gap-2">
        {data?.transactions.map((fact) => (
          <Fact key={fact.id} fact={fact} open={(what) => setOpened({ what, fact })} />
        ))}
      </ul>
      {data !== undefined && data.total_pages > 1 && (
        <div className="flex flex-wrap items-center justify-between gap-2">
          <Button disabled={page <= 1} onClick={() => set("page", String(page - 1))}>
            {words.previous}
          </Button>
          <span className="figures text-sm">
            {words.page} {page} {words.of} {data.total_pages}
          </span>
          <Button disabled={page >= data.total_pages} onClick={() => set("page", String(page + 1))}>
            {words.next}
          </Button>
        </div>
      )}
      {opened?.what === "receipt" && <Receipt fact={opened.fact} close={close} />}
      {opened?.what === "void" && <VoidDialog fact={opened.fact} close={close} />}
      {opened?.what === "correct" && <CorrectDialog fact={opened.fact} close={close} />}
    </div>
  );
}

function Fact({ fact, open }: { fact: FactView; open: (what: Opened["what"]) => void }) {
  const words = useWords();
  const money = useMoney();
  const moment = useMoment();
  const isOpen = fact.kind === "entry" && fact.voided_by === null;
  const name = `${fact.category} ${money.show(fact.amount)}`;
  const sign = fact.type === null ? "" : fact.type === "IN" ? "+" : "−";
  return (
    <li className="rounded-lg border border-line bg-card p-3">
      <div className="flex flex-wrap items-baseline justify-between gap-x-3">
        <p className="min-w-0 font-semibold break-words">
          {fact.kind === "count" ? words.kindCount : fact.category}
          {fact.kind === "void" && ` · ${words.kindVoid}`}
          {fact.description && <span className="font-normal"> · {fact.description}</span>}
        </p>
        <p
          className={`figures text-lg font-bold ${fact.type === "IN" ? "text-good" : fact.type === "OUT" ? "text-bad" : ""} ${fact.voided_by ? "line-through" : ""}`}
        >
          {sign} {money.show(fact.amount)}
        </p>
      </div>
      <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-soft">
        <span>{moment(fact.created_at)}</span>
        <span className="figures">{fact.receipt_no}</span>
        <StandingBadge fact={fact} />
        {fact.voided_by !== null && (
          <Badge tone="wait">{fact.corrected_by === null ? words.voided : words.corrected}</Badge>
        )}
        {fact.reason && <span>{fact.reason}</span>}
      </p>
      {fact.verdict_reason !== null && (
        <p className="mt-1 text-sm font-medium text-bad">
          {words.reasons[fact.verdict_reason] ?? fact.verdict_reason}
        </p>
      )}
      {fact.kind !== "count" && (
        <div className="mt-2 flex flex-wrap gap-2">
          <Button aria-label={`${words.receipt} ${name}`} onClick={() => open("receipt")}>
            {words.receipt}
          </Button>
          {isOpen && (
            <>
              <Button aria-label={`${words.correct} ${name}`} onClick={() => open("correct")}>
                {words.correct}
              </Button>
              <Button look="bad" aria-label={`${words.void} ${name}`} onClick={() => open("void")}>
                {words.void}
              </Button>
            </>
          )}
        </div>
      )}
    </li>
  );
}

function StandingBadge({ fact }: { fact: FactView }) {
  const words = useWords();
  const tone = { waiting: "wait", sent: "good", attention: "bad" } as const;
  return <Badge tone={tone[fact.standing]}>{words[fact.standing]}</Badge>;
}
