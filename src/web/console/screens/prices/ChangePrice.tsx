/** A price is changed in two steps: what it would change is seen first. */
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Field, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { formatMoney } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { ChangeForm, Make } from "./ChangeForm.tsx";
import { useCustomerField, useDayFields } from "./fields.tsx";
import type { PreviewRow } from "./Preview.tsx";
import { priceToSend } from "./price.ts";
import {
  AddPrice,
  ChangePrice,
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

function PriceForm({ old }: { old: Tariff | undefined }) {
  const words = usePriceWords();
  const language = useLanguage();
  const { content, typed, read } = useFields(old);
  const now =
    old &&
    words("old", {
      price: formatMoney(old.price, old.currency, language),
      from: old.effectiveFrom,
      scope: old.account?.code ?? words("allCustomers"),
    });
  return (
    <ChangeForm
      title={words(old === undefined ? "newTitle" : "changeTitle")}
      now={now}
      fields={content}
      typed={typed}
      read={read}
      document={PreviewPrice as never}
      preview={(asked) => preview(asked, old)}
      make={(asked, rows) => {
        if (old === undefined) return <Make document={AddPrice} variables={asked} rows={rows} />;
        const { customerId: _, ...change } = asked;
        return (
          <Make document={ChangePrice} variables={{ ...change, versionId: old.id }} rows={rows} />
        );
      }}
    />
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
  const customer = useCustomerField();
  const days = useDayFields(old);
  const [price, setPrice] = useState("");
  const [isTried, setIsTried] = useState(false);
  const sent = priceToSend(price);
  const priceError =
    price.trim() === "" ? words("priceMissing") : sent === null ? words("priceWrong") : undefined;
  const read = async (): Promise<Asked | null> => {
    setIsTried(true);
    const given = days.read();
    if (sent === null || given === null) return null;
    const found = await customer.read();
    return found === undefined ? null : { price: sent, ...given, customerId: found?.id ?? null };
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
      {old === undefined && customer.content}
      {days.content}
    </>
  );
  return { content, read, typed: [customer.typed, price, ...days.typed] };
}
