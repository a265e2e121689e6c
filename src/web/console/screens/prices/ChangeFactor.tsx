/** A correction factor is added or changed, after it was seen whose bills it would change. */
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { Choice, Notice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { request } from "../../api/request.ts";
import { formatNumber } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { ChangeForm, Make } from "./ChangeForm.tsx";
import { AddFactor, ChangeFactor, PreviewFactor } from "./factors.documents.ts";
import { FigureField, useCustomerField, useDayFields } from "./fields.tsx";
import type { PreviewRow } from "./Preview.tsx";
import { figureToSend } from "./price.ts";
import { Factors, type FactorsQuery } from "./prices.documents.ts";
import { usePriceWords } from "./words.ts";

type Factor = NonNullable<NonNullable<FactorsQuery["correctionFactorVersions"]>["nodes"][number]>;

export function Screen() {
  const words = usePriceWords();
  const version = useFilters().filters["version"];
  const isVersion = version !== undefined && /^\d{1,18}$/.test(version);
  const filter = { id: { equalTo: version ?? "0" }, removedAt: { isNull: true } };
  const query = useDocument(Factors, { filter }, { enabled: isVersion });
  return (
    <Page
      title={words(isVersion ? "changeFactorTitle" : "newFactor")}
      lead={words("changeLead")}
      actions={
        <Go to="/prices" search={{ view: "factors" }}>
          {words("toFactors")}
        </Go>
      }
    >
      {isVersion ? (
        <Loaded query={query} document={Factors}>
          {({ correctionFactorVersions }) => {
            const [old] = rowsOf(correctionFactorVersions);
            return old === undefined ? (
              <Notice weight="warn">{words("noFactor")}</Notice>
            ) : (
              <FactorForm key={old.id} old={old} />
            );
          }}
        </Loaded>
      ) : (
        <FactorForm old={undefined} />
      )}
    </Page>
  );
}

type Formula = Factor["formula"];

/** What is sent, both to look and to do. */
interface Asked {
  readonly effectiveFrom: string;
  readonly effectiveTo: string | null;
  readonly formula: Formula;
  readonly factor: string | null;
  readonly pressure: string | null;
  readonly temperature: string | null;
  readonly customerId: string | null;
}

function FactorForm({ old }: { old: Factor | undefined }) {
  const words = usePriceWords();
  const language = useLanguage();
  const { content, typed, read } = useFields(old);
  const now =
    old &&
    words("oldFactor", {
      factor: formatNumber(old.factor, language),
      from: old.effectiveFrom,
      scope: old.account?.code ?? words("allCustomers"),
      formula: words(old.formula),
    });
  return (
    <ChangeForm
      title={words(old === undefined ? "newFactor" : "changeFactorTitle")}
      now={now}
      fields={content}
      typed={typed}
      read={read}
      document={PreviewFactor as never}
      preview={(asked) => preview(asked, old)}
      make={(asked, rows) => {
        if (old === undefined) {
          return <Make document={AddFactor} variables={asked} rows={rows} view="factors" />;
        }
        const { formula: _, customerId: __, ...change } = asked;
        const variables = { ...change, versionId: old.id };
        return <Make document={ChangeFactor} variables={variables} rows={rows} view="factors" />;
      }}
    />
  );
}

async function preview(asked: Asked, old: Factor | undefined): Promise<PreviewRow[]> {
  const version = old === undefined ? {} : { versionId: old.id, customerId: null };
  const { previewCorrectionFactor } = await request(PreviewFactor, { ...asked, ...version });
  return (previewCorrectionFactor?.result ?? []).filter((row) => row !== null);
}

/** The fields, and what they come to; null while one of them is wrong. */
function useFields(old: Factor | undefined) {
  const words = usePriceWords();
  const customer = useCustomerField();
  const days = useDayFields(old);
  const [formula, setFormula] = useState<Formula>(old?.formula ?? "gas_300k");
  const [factor, setFactor] = useState("");
  const [pressure, setPressure] = useState(old?.pressure ?? "");
  const [temperature, setTemperature] = useState(old?.temperature ?? "");
  const [isTried, setIsTried] = useState(false);
  const isFixed = formula === "fixed";
  const read = async (): Promise<Asked | null> => {
    setIsTried(true);
    const given = days.read();
    const sent = {
      factor: isFixed ? figureToSend(factor) : null,
      pressure: isFixed ? null : figureToSend(pressure),
      temperature: isFixed ? null : figureToSend(temperature),
    };
    const isWhole = isFixed ? sent.factor : sent.pressure && sent.temperature;
    if (!isWhole || given === null) return null;
    const found = await customer.read();
    if (found === undefined) return null;
    return { ...given, ...sent, formula, customerId: found?.id ?? null };
  };
  const figure = (label: string, value: string, onChange: (typed: string) => void) => (
    <FigureField label={label} value={value} onChange={onChange} isTried={isTried} />
  );
  const content = (
    <>
      {old === undefined && (
        <Choice
          label={words("formula")}
          options={(["gas_300k", "reference", "fixed"] as const).map((each) => [each, words(each)])}
          value={formula}
          onChange={({ target }) => setFormula(target.value as Formula)}
        />
      )}
      {old === undefined && customer.content}
      {isFixed ? (
        figure(words("factor"), factor, setFactor)
      ) : (
        <>
          {figure(words("pressure"), pressure, setPressure)}
          {figure(words("temperature"), temperature, setTemperature)}
        </>
      )}
      {days.content}
    </>
  );
  const typed = [customer.typed, formula, factor, pressure, temperature, ...days.typed];
  return { content, read, typed };
}
