/** Frozen accounts: since when, by whom and why, and how they are released. */
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Moment, Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, Facts, PagedTable } from "../../parts/table.tsx";
import { FreezeButton } from "./Freeze.tsx";
import {
  FrozenAccounts,
  type FrozenAccountsQuery,
  ProposeUnfreeze,
  UnfreezeAccount,
} from "./frozen.documents.ts";
import { AccountLink } from "./parts.tsx";
import { useHealWords } from "./words.ts";

type Freeze = NonNullable<NonNullable<FrozenAccountsQuery["accountFreezes"]>["nodes"][number]>;

export function Frozen() {
  const words = useHealWords();
  const { filters } = useFilters();
  const isReleased = filters["show"] === "released";
  const variables = { filter: { unfrozenAt: { isNull: !isReleased } } };
  const pages = usePages(FrozenAccounts, variables, ({ accountFreezes }) => accountFreezes, {
    everySeconds: 60,
  });
  return (
    <>
      <FilterBar
        extra={
          <>
            <FreezeButton />
            <CsvLink
              name="account-freezes"
              filters={{ state: isReleased ? "released" : "frozen" }}
            />
            <CopyAs
              document={FrozenAccounts}
              variables={variables}
              sql={`select * from saldo.account_freeze where unfrozen_at is ${isReleased ? "not " : ""}null order by frozen_at desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="show"
          label={words("show")}
          options={[["released", words("released")]]}
          none={words("stillFrozen")}
        />
      </FilterBar>
      <PagedTable
        pages={pages}
        document={FrozenAccounts}
        caption={words("frozen")}
        keyOf={({ id }) => id}
        empty={words(isReleased ? "noReleased" : "noFrozen")}
        columns={useColumns(isReleased)}
      />
    </>
  );
}

function useColumns(isReleased: boolean): readonly Column<Freeze>[] {
  const words = useHealWords();
  const mayRelease = useMay(UnfreezeAccount as never);
  const release: Column<Freeze> = {
    title: words("unfreeze"),
    cell: (each) => <Release freeze={each} />,
  };
  const last: readonly Column<Freeze>[] = isReleased
    ? [
        {
          title: words("releasedBy"),
          cell: (each) => (
            <>
              {each.unfrozenBy} <Moment at={each.unfrozenAt} />
              <br />
              <span className="text-soft">{each.unfreezeReason}</span>
            </>
          ),
        },
      ]
    : mayRelease
      ? [release]
      : [];
  return [
    { title: words("account"), cell: ({ account }) => <AccountLink account={account} /> },
    {
      title: words("balance"),
      align: "right",
      cell: ({ account }) => (
        <Money amount={account?.balances?.settledBalance} currency={account?.currency} />
      ),
    },
    {
      title: words("held"),
      align: "right",
      cell: ({ account }) => (
        <Money amount={account?.balances?.held} currency={account?.currency} />
      ),
    },
    { title: words("frozenAt"), cell: ({ frozenAt }) => <Moment at={frozenAt} /> },
    { title: words("frozenBy"), cell: ({ frozenBy }) => frozenBy },
    {
      title: words("reason"),
      cell: ({ reason, findingId }) =>
        findingId === null ? reason : <Go to={`/health/findings/${findingId}`}>{reason}</Go>,
    },
    ...last,
  ];
}

function Release({ freeze: { account } }: { freeze: Freeze }) {
  const words = useHealWords();
  if (account === null) return null;
  const { code } = account;
  const variables = (reason: string) => ({ account: account.id, reason });
  const what = (
    <Facts
      facts={[
        [words("account"), `${code} ${account.name}`],
        [
          words("balance"),
          <Money
            key="balance"
            amount={account.balances?.settledBalance}
            currency={account.currency}
          />,
        ],
      ]}
    />
  );
  return (
    <div className="flex flex-wrap gap-2">
      <ActionButton
        label={words("unfreeze")}
        title={words("unfreezeTitle", { code })}
        document={UnfreezeAccount}
        variables={variables}
        needsReason
        submit={words("unfreeze")}
        onDone={() => words("unfrozen", { code })}
      >
        <p>{words("unfreezeHelp")}</p>
        {what}
      </ActionButton>
      <ActionButton
        label={words("propose")}
        title={words("proposeTitle", { code })}
        document={ProposeUnfreeze}
        variables={variables}
        needsReason
        submit={words("propose")}
        onDone={() => words("proposedDone")}
      >
        <p>{words("proposeHelp")}</p>
        {what}
      </ActionButton>
    </div>
  );
}
