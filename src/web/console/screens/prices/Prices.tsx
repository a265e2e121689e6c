/** Prices, correction factors and other parts of the tariff over time, and the re-ratings that changes of them began. */
import { useMay } from "../../api/session.ts";
import { useFilters } from "../../parts/filters.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { FactorList } from "./FactorList.tsx";
import { PartList } from "./PartList.tsx";
import { AddPrice } from "./prices.documents.ts";
import { ReratingList } from "./ReratingList.tsx";
import { TariffList } from "./TariffList.tsx";
import { usePriceWords } from "./words.ts";

export function Screen() {
  const words = usePriceWords();
  const { filters, setFilters } = useFilters();
  const may = useMay(AddPrice as never);
  const tabs = [
    { value: "tariffs", title: words("tariffs"), content: <TariffList /> },
    { value: "factors", title: words("factors"), content: <FactorList /> },
    { value: "parts", title: words("parts"), content: <PartList /> },
    { value: "reratings", title: words("reratings"), content: <ReratingList /> },
  ];
  const view = tabs.find(({ value }) => value === filters["view"])?.value ?? "tariffs";
  return (
    <Page
      title={words("title")}
      actions={
        may && (
          <>
            <Go to="/prices/change">{words("newPrice")}</Go>
            <Go to="/prices/factor">{words("newFactor")}</Go>
            <Go to="/prices/part">{words("newPart")}</Go>
          </>
        )
      }
    >
      <Tabs
        label={words("views")}
        value={view}
        onChange={(next) => setFilters({ view: next === "tariffs" ? undefined : next })}
        tabs={tabs}
      />
    </Page>
  );
}
