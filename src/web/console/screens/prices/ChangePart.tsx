/** A part of the tariff comes or goes, after it was seen what that does to months that are charged. */
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Choice, Field, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { formatMoney, formatNumber } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { ChangeForm, Make } from "./ChangeForm.tsx";
import { FigureField, useCustomerField, useDayFields } from "./fields.tsx";
import { hasVolume, isRounding, type Part, PartPrice } from "./PartList.tsx";
import type { PreviewRow } from "./Preview.tsx";
import {
  AddPart,
  PreviewPart,
  type PreviewPartMutationVariables,
  RemovePart,
  TariffParts,
} from "./parts.documents.ts";
import { figureToSend, rateToSend } from "./price.ts";
import { usePriceWords } from "./words.ts";

export function Screen() {
  const words = usePriceWords();
  const { filters } = useFilters();
  const id = filters["part"];
  const isPart = id !== undefined && /^\d{1,18}$/.test(id);
  const isRemoval = isPart && filters["do"] === "remove";
  const filter = { id: { equalTo: id ?? "0" }, removedAt: { isNull: true } };
  const query = useDocument(TariffParts, { filter }, { enabled: isPart });
  return (
    <Page
      title={words(isRemoval ? "removePartTitle" : isPart ? "changePartTitle" : "newPart")}
      lead={words(isRemoval ? "removePartLead" : "changePartLead")}
      actions={
        <Go to="/prices" search={{ view: "parts" }}>
          {words("toParts")}
        </Go>
      }
    >
      {isPart ? (
        <Loaded query={query} document={TariffParts}>
          {({ tariffParts }) => {
            const [old] = rowsOf(tariffParts);
            if (old === undefined) return <Notice weight="warn">{words("noPart")}</Notice>;
            return isRemoval ? <Removal part={old} /> : <PartForm key={old.id} old={old} />;
          }}
        </Loaded>
      ) : (
        <PartForm old={undefined} />
      )}
    </Page>
  );
}

/** A part in a line: what it is, for whom, from when, and what it costs. */
function PartLine({ part }: { part: Part }) {
  const words = usePriceWords();
  const line = words("oldPart", {
    kind: words(part.kind),
    name: part.name,
    from: part.effectiveFrom,
    scope: part.account?.code ?? words("allCustomers"),
  });
  return (
    <>
      {line}: <PartPrice part={part} />
    </>
  );
}

async function preview(asked: PreviewPartMutationVariables): Promise<PreviewRow[]> {
  const { previewTariffPart } = await request(PreviewPart, asked);
  return (previewTariffPart?.result ?? []).filter((row) => row !== null);
}

function Removal({ part }: { part: Part }) {
  const words = usePriceWords();
  const asked = { partId: part.id };
  return (
    <ChangeForm
      title={words("removePartTitle")}
      now={<PartLine part={part} />}
      fields={null}
      typed={[]}
      read={() => Promise.resolve(asked)}
      document={PreviewPart as never}
      counted="charges"
      preview={preview}
      make={(_, rows) => (
        <Make document={RemovePart} variables={asked} rows={rows} counted="charges" view="parts" />
      )}
    />
  );
}

function PartForm({ old }: { old: Part | undefined }) {
  const words = usePriceWords();
  const { content, typed, read } = useFields(old);
  return (
    <ChangeForm
      title={words(old === undefined ? "newPart" : "changePartTitle")}
      now={old && <PartLine part={old} />}
      fields={content}
      typed={typed}
      read={read}
      document={PreviewPart as never}
      counted="charges"
      preview={preview}
      make={(asked, rows) => (
        <Make document={AddPart} variables={asked} rows={rows} counted="charges" view="parts" />
      )}
    />
  );
}

const kinds = [
  ...(["standing_month", "standing_day", "tier", "minimum_take", "tax"] as const),
  ...(["round_half_up", "round_down"] as const),
];
type Kind = (typeof kinds)[number];

/** What a part costs: a share of a tax, and an amount of all others. */
function useRate(kind: Kind, currency: string, isTried: boolean) {
  const words = usePriceWords();
  const language = useLanguage();
  const [typed, setTyped] = useState("");
  if (isRounding(kind)) return { content: null, typed, sent: "0" };
  const isTax = kind === "tax";
  const sent = isTax ? figureToSend(typed) : rateToSend(typed, { isSigned: kind === "tier" });
  const content = isTax ? (
    <FigureField label={words("percent")} value={typed} onChange={setTyped} isTried={isTried} />
  ) : (
    <Field
      label={`${words("rate")} ${words(`${kind as "tier"}_unit`)}`}
      inputMode="decimal"
      maxLength={30}
      value={typed}
      error={isTried && sent === null ? words("priceWrong") : undefined}
      hint={sent === null ? words(`${kind as "tier"}_hint`) : formatMoney(sent, currency, language)}
      onChange={({ target }) => setTyped(target.value)}
    />
  );
  return { content, typed, sent };
}

/** The Sm³ of a month from which a tier counts, or that a month has at least. */
function useVolume(kind: Kind, old: Part | undefined, isTried: boolean) {
  const words = usePriceWords();
  const language = useLanguage();
  const [typed, setTyped] = useState(
    old === undefined ? "" : formatNumber(old.fromVolume, language),
  );
  const sent = rateToSend(typed);
  const content = (
    <Field
      label={words(isRounding(kind) ? "step" : "fromVolume")}
      inputMode="decimal"
      maxLength={30}
      value={typed}
      error={isTried && sent === null ? words("figureWrong") : undefined}
      hint={sent === null ? "" : `${formatNumber(sent, language)} Sm³`}
      onChange={({ target }) => setTyped(target.value)}
    />
  );
  return { content, typed, sent };
}

/** The fields, and what they come to; another price of a part begins on a day of its own. */
function useFields(old: Part | undefined) {
  const words = usePriceWords();
  const [kind, setKind] = useState<Kind>(old?.kind ?? "standing_month");
  const [name, setName] = useState(old?.name ?? "");
  const [isTried, setIsTried] = useState(false);
  const customer = useCustomerField();
  const days = useDayFields(undefined);
  const rate = useRate(kind, old?.currency ?? "IDR", isTried);
  const volume = useVolume(kind, old, isTried);
  const read = async () => {
    setIsTried(true);
    const given = days.read();
    const fromVolume = hasVolume(kind) ? volume.sent : "0";
    const price = rate.sent;
    const isWhole = price !== null && fromVolume !== null && given !== null && name.trim() !== "";
    if (!isWhole) return null;
    const found = old === undefined ? await customer.read() : old.account;
    if (found === undefined) return null;
    const whose = { customerId: found?.id ?? null, currency: old?.currency ?? null };
    return { kind, name: name.trim(), price, fromVolume, ...given, ...whose };
  };
  const content = (
    <>
      {old === undefined && (
        <>
          <Choice
            label={words("kind")}
            options={kinds.map((each) => [each, words(each)])}
            value={kind}
            onChange={({ target }) => setKind(target.value as Kind)}
          />
          <Field
            label={words("name")}
            maxLength={60}
            value={name}
            hint={words("nameHint")}
            error={isTried && name.trim() === "" ? words("nameMissing") : undefined}
            onChange={({ target }) => setName(target.value)}
          />
          {customer.content}
        </>
      )}
      {rate.content}
      {hasVolume(kind) && volume.content}
      {days.content}
    </>
  );
  return {
    content,
    read,
    typed: [kind, name, customer.typed, rate.typed, volume.typed, ...days.typed],
  };
}
