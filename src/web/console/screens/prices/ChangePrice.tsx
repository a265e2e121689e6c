/** A price is changed in two steps: what it would change is seen first. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Button, Card, Field, Notice } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { formatMoney } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded, ProblemNotice } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Preview, type PreviewRow } from "./Preview.tsx";
import { priceToSend } from "./price.ts";
import {
  AddPrice,
  ChangePrice,
  CustomerOfCode,
  PreviewPrice,
  Tariffs,
  type TariffsQuery,
} from "./prices.documents.ts";
import { usePriceWords } from "./words.ts";

type Tariff = NonNullable<NonNullable<TariffsQuery["tariffVersions"]>["nodes"][number]>;

export function Screen() {
  const words = usePriceWords();
  const version = useFilters().filters["version"];
  const isVersion = version !== undefined && /^\d{1,18}$/.test(version);
  const filter = { id: { equalTo: version ?? "0" }, removedAt: { isNull: true } };
  const query = useDocument(Tariffs, { filter }, { enabled: isVersion });
  return (
    <Page
      title={words(isVersion ? "changeTitle" : "newTitle")}
      lead={words("changeLead")}
      actions={<Go to="/prices">{words("toPrices")}</Go>}
    >
      {isVersion ? (
        <Loaded query={query} document={Tariffs}>
          {({ tariffVersions }) => {
            const [old] = rowsOf(tariffVersions);
            return old === undefined ? (
              <Notice weight="warn">{words("noVersion")}</Notice>
            ) : (
              <PriceForm key={old.id} old={old} />
            );
          }}
        </Loaded>
      ) : (
        <PriceForm old={undefined} />
      )}
    </Page>
  );
}

/** What is sent, both to look and to do. */
interface Asked {
  readonly price: string;
  readonly effectiveFrom: string;
  readonly effectiveTo: string | null;
  readonly customerId: string | null;
}

interface Seen {
  readonly key: string;
  readonly asked: Asked;
  readonly rows: readonly PreviewRow[];
}

function PriceForm({ old }: { old: Tariff | undefined }) {
  const words = usePriceWords();
  const language = useLanguage();
  const fields = useFields(old);
  const [seen, setSeen] = useState<Seen>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setIsBusy] = useState(false);
  const key = JSON.stringify(fields.typed);
  const look = async () => {
    if (isBusy) return;
    setIsBusy(true);
    setError(undefined);
    try {
      const asked = await fields.read();
      if (asked !== null) setSeen({ key, asked, rows: await preview(asked, old) });
    } catch (problem) {
      setError(problem);
    }
    setIsBusy(false);
  };
  return (
    <>
      <Card title={words(old === undefined ? "newTitle" : "changeTitle")}>
        {old && (
          <p className="mb-2">
            {words("old", {
              price: formatMoney(old.price, old.currency, language),
              from: old.effectiveFrom,
              scope: old.account?.code ?? words("allCustomers"),
            })}
          </p>
        )}
        <form
          noValidate
          className="grid gap-x-4 sm:grid-cols-2"
          onSubmit={(event) => {
            event.preventDefault();
            void look();
          }}
        >
          {fields.content}
          <div>
            <Button type="submit" look="main" aria-disabled={isBusy}>
              {words("preview")}
            </Button>
          </div>
        </form>
      </Card>
      <div role="status" aria-live="polite">
        {isBusy && <p className="text-soft">{words("previewing")}</p>}
      </div>
      {error !== undefined && <ProblemNotice problem={problemOf(error)} document={PreviewPrice} />}
      {seen &&
        (seen.key === key ? (
          <>
            <Preview rows={seen.rows} />
            <div>
              <Make old={old} asked={seen.asked} rows={seen.rows} />
            </div>
          </>
        ) : (
          <Notice weight="warn">{words("stale")}</Notice>
        ))}
    </>
  );
}

async function preview(asked: Asked, old: Tariff | undefined): Promise<PreviewRow[]> {
  const version = old === undefined ? {} : { versionId: old.id, customerId: null };
  const { previewTariffVersion } = await request(PreviewPrice, { ...asked, ...version });
  return (previewTariffVersion?.result ?? []).filter((row) => row !== null);
}

/** The fields, and what they come to; null while one of them is wrong. */
function useFields(old: Tariff | undefined) {
  const words = usePriceWords();
  const language = useLanguage();
  const [code, setCode] = useState("");
  const [price, setPrice] = useState("");
  const [from, setFrom] = useState(old?.effectiveFrom ?? "");
  const [to, setTo] = useState(old?.effectiveTo ?? "");
  const [isTried, setIsTried] = useState(false);
  const [isUnknown, setIsUnknown] = useState(false);
  const sent = priceToSend(price);
  const priceError =
    price.trim() === "" ? words("priceMissing") : sent === null ? words("priceWrong") : undefined;
  const read = async (): Promise<Asked | null> => {
    setIsTried(true);
    setIsUnknown(false);
    if (sent === null || from === "") return null;
    const found =
      old === undefined && code.trim() !== ""
        ? await request(CustomerOfCode, { code: code.trim() })
        : undefined;
    if (found?.customerByCode === null) {
      setIsUnknown(true);
      return null;
    }
    const customerId = found?.customerByCode?.id ?? null;
    return { price: sent, effectiveFrom: from, effectiveTo: to || null, customerId };
  };
  const content = (
    <>
      <Field
        label={words("price")}
        inputMode="decimal"
        maxLength={30}
        value={price}
        error={isTried ? priceError : undefined}
        hint={sent === null ? "" : formatMoney(sent, old?.currency ?? "IDR", language)}
        onChange={({ target }) => setPrice(target.value)}
      />
      {old === undefined && (
        <Field
          label={words("customer")}
          maxLength={90}
          value={code}
          hint={words("customerHint")}
          error={isUnknown ? words("customerNone") : undefined}
          onChange={({ target }) => setCode(target.value)}
        />
      )}
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
  return { content, read, typed: [code, price, from, to] };
}

/** Makes the change that was looked at; its count has to be typed where it touches readings. */
function Make({
  old,
  asked,
  rows,
}: {
  old: Tariff | undefined;
  asked: Asked;
  rows: readonly PreviewRow[];
}) {
  const words = usePriceWords();
  const navigate = useNavigate();
  const all = rows.filter(({ month, customerId }) => month === null && customerId === null);
  const count = all[0]?.readingCount ?? "0";
  const common = {
    label: words("make"),
    look: "main",
    title: words("makeTitle"),
    submit: words("make"),
    ...(Number(count) > 1 && { confirmWord: count }),
    onDone: () => {
      void navigate({ to: "/prices" });
      return words("made");
    },
    children: (
      <p>{Number(count) > 0 ? words("makeHelp", { count: Number(count) }) : words("makeNone")}</p>
    ),
  } as const;
  if (old === undefined) {
    return <ActionButton {...common} document={AddPrice} variables={() => asked} />;
  }
  const { price, effectiveFrom, effectiveTo } = asked;
  return (
    <ActionButton
      {...common}
      document={ChangePrice}
      variables={() => ({ versionId: old.id, price, effectiveFrom, effectiveTo })}
    />
  );
}
