/** All accounts: searched, filtered, with what is in them now. */
import { usePages } from "../../api/query_client.ts";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Figure, Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, SearchFilter, useFilters } from "../../parts/filters.tsx";
import { useLedgerWords } from "../../parts/ledger_words.ts";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { AccountState } from "./AccountState.tsx";
import { accountTypes } from "./account_types.ts";
import {
  AccountList,
  type AccountListQuery,
  type AccountListQueryVariables,
  AccountOpen,
} from "./accounts.documents.ts";
import { CodeTree } from "./CodeTree.tsx";
import { OpenDialog } from "./OpenDialog.tsx";
import { useAccountWords } from "./words.ts";

const modes = ["immediate", "hot"] as const;
const states = ["open", "frozen", "closed"] as const;

type Row = NonNullable<NonNullable<AccountListQuery["findAccounts"]>["nodes"][number]>;

/** The filters of the address as the API takes them; what it would not take is left out. */
function variablesOf(filters: { readonly [name: string]: string | undefined }) {
  const oneOf = <Value extends string>(values: readonly Value[], value: string | undefined) =>
    values.find((each) => each === value) ?? null;
  const state = oneOf(states, filters["state"]);
  return {
    search: filters["search"] || null,
    type: oneOf(accountTypes, filters["type"]),
    currency: filters["currency"]?.toUpperCase() || null,
    mode: oneOf(modes, filters["mode"]),
    isFrozen: state === "frozen" ? true : state === "open" ? false : null,
    isClosed: state === "closed" ? true : state === "open" ? false : null,
  } satisfies AccountListQueryVariables;
}

export function Screen() {
  const words = useAccountWords();
  const ledger = useLedgerWords();
  const { filters } = useFilters();
  const variables = variablesOf(filters);
  const pages = usePages(AccountList, variables, ({ findAccounts }) => pageOf(findAccounts));
  return (
    <Page
      title={words("title")}
      actions={
        <>
          <DialogButton label={words("open")} look="main" document={AccountOpen}>
            {(close) => <OpenDialog close={close} />}
          </DialogButton>
          <CsvLink name="accounts" filters={csvFiltersOf(variables, filters["state"])} />
          <CopyAs document={AccountList} variables={variables} sql={sqlOf(variables)} />
        </>
      }
    >
      <FilterBar>
        <SearchFilter name="search" hint={words("searchHint")} />
        <ChoiceFilter
          name="type"
          label={words("type")}
          options={accountTypes.map((type) => [type, ledger(type)])}
        />
        <SearchFilter name="currency" label={words("currency")} hint="IDR" />
        <ChoiceFilter
          name="mode"
          label={words("mode")}
          options={modes.map((mode) => [mode, ledger(mode)])}
        />
        <ChoiceFilter
          name="state"
          label={words("state")}
          options={states.map((state) => [state, ledger(state)])}
        />
      </FilterBar>
      <CodeTree />
      <PagedTable
        caption={words("title")}
        document={AccountList}
        pages={pages}
        columns={useColumns()}
        keyOf={({ id }) => id}
        empty={words("none")}
      />
    </Page>
  );
}

/** A page ends after the code of its last row. */
function pageOf(found: AccountListQuery["findAccounts"]) {
  if (found === null) return null;
  const endCursor = found.nodes.at(-1)?.code ?? null;
  return { nodes: found.nodes, pageInfo: { ...found.pageInfo, endCursor } };
}

function useColumns(): Column<Row>[] {
  const words = useAccountWords();
  const ledger = useLedgerWords();
  return [
    {
      title: words("code"),
      cell: ({ id, code }) => (
        <span className="break-all">
          <Go to={`/accounts/${id}`}>{code}</Go>
        </span>
      ),
    },
    {
      title: words("name"),
      cell: (account) => (
        <span className="break-words">
          {account.name} <AccountState account={account} />
        </span>
      ),
    },
    { title: words("type"), cell: ({ type }) => ledger(type) },
    {
      title: words("balance"),
      align: "right",
      cell: ({ balances, currency }) => (
        <Money amount={balances?.settledBalance} currency={currency} />
      ),
    },
    {
      title: words("held"),
      align: "right",
      cell: ({ balances, currency }) => <Money amount={balances?.held} currency={currency} />,
    },
    {
      title: words("pending"),
      align: "right",
      cell: ({ balances, mode }) =>
        mode === "hot" ? <Figure value={balances?.pendingCount} /> : <Figure value={null} />,
    },
    {
      title: words("available"),
      align: "right",
      cell: ({ balances, currency }) => (
        <Money amount={balances?.availableBalance} currency={currency} />
      ),
    },
  ];
}

/** The same filters as an export takes them. */
function csvFiltersOf(
  { search, type, currency, mode }: ReturnType<typeof variablesOf>,
  state: string | undefined,
): { [name: string]: string | undefined } {
  return {
    search: search ?? undefined,
    type: type ?? undefined,
    currency: currency ?? undefined,
    mode: mode ?? undefined,
    state: states.find((each) => each === state),
  };
}

/** The same question for psql. */
function sqlOf(variables: ReturnType<typeof variablesOf>): string {
  const flag = (value: boolean | null) => String(value);
  return `select a.code, a.name, b.settled_balance, b.held, b.pending_count, b.available_balance
from saldo.find_accounts(
  search => ${sqlText(variables.search)},
  type => ${sqlText(variables.type)},
  currency => ${sqlText(variables.currency)},
  mode => ${sqlText(variables.mode)},
  is_frozen => ${flag(variables.isFrozen)},
  is_closed => ${flag(variables.isClosed)},
  row_limit => 1000
) as a
cross join lateral saldo.balances(a.id) as b;`;
}
