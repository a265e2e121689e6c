/** All customers: to find one, and the figures of all of them. */
import { useState } from "react";
import { Field } from "../../../shared/ui.tsx";
import { useMay, useSignedIn } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CustomerList } from "./CustomerList.tsx";
import { CreateCustomer } from "./customers.documents.ts";
import { MonthOfAll, YearOfAll } from "./FiguresOfAll.tsx";
import { ImportCustomers } from "./import.documents.ts";
import { StoredMonths } from "./StoredMonths.tsx";
import { useCustomerWords } from "./words.ts";

export function Screen() {
  const words = useCustomerWords();
  const { filters, setFilters } = useFilters();
  const tabs = [
    { value: "list", title: words("viewList"), content: <CustomerList /> },
    { value: "month", title: words("viewMonth"), content: <MonthOfAll /> },
    { value: "year", title: words("viewYear"), content: <YearOfAll /> },
    { value: "upkeep", title: words("viewUpkeep"), content: <StoredMonths /> },
  ];
  const view = tabs.find(({ value }) => value === filters["view"])?.value ?? "list";
  return (
    <Page title={words("title")} actions={<Actions />}>
      <Tabs
        label={words("views")}
        value={view}
        onChange={(next) => setFilters({ view: next === "list" ? undefined : next })}
        tabs={tabs}
      />
    </Page>
  );
}

function Actions() {
  const words = useCustomerWords();
  const may = useMay(ImportCustomers as never);
  return (
    <>
      {may && <Go to="/customers/import">{words("import")}</Go>}
      <NewCustomer />
    </>
  );
}

function NewCustomer() {
  const words = useCustomerWords();
  const { currency: own } = useSignedIn();
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [currency, setCurrency] = useState("");
  const [isTried, setIsTried] = useState(false);
  const isMissing = (text: string) => isTried && text.trim() === "";
  return (
    <ActionButton
      label={words("create")}
      look="main"
      title={words("createTitle")}
      document={CreateCustomer}
      submit={words("create")}
      variables={() => {
        setIsTried(true);
        if (code.trim() === "" || name.trim() === "") return null;
        return { code: code.trim(), name: name.trim(), currency: currency.trim() || null };
      }}
      onDone={() => {
        const said = words("created", { code: code.trim() });
        setCode("");
        setName("");
        setIsTried(false);
        return said;
      }}
    >
      <p className="text-soft">{words("createHelp")}</p>
      <Field
        label={words("code")}
        value={code}
        maxLength={90}
        error={isMissing(code) ? words("codeMissing") : undefined}
        onChange={({ target }) => setCode(target.value)}
      />
      <Field
        label={words("name")}
        value={name}
        maxLength={180}
        error={isMissing(name) ? words("nameMissing") : undefined}
        onChange={({ target }) => setName(target.value)}
      />
      <Field
        label={words("currency")}
        value={currency}
        maxLength={3}
        hint={words("currencyHint", { currency: own })}
        onChange={({ target }) => setCurrency(target.value.toUpperCase())}
      />
    </ActionButton>
  );
}
