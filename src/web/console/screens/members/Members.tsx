/** Members, found by code or name, and all purchases. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Badge, Field } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { ActionDialog } from "../../parts/action_dialog.tsx";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Moment, Money } from "../../parts/figures.tsx";
import { FilterBar, SearchFilter, useFilters } from "../../parts/filters.tsx";
import { Go, Page, Tabs } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { AllPurchases } from "./AllPurchases.tsx";
import { CreateMember, FindMembers, type MemberRowFragment, Members } from "./members.documents.ts";
import { useMembersWords } from "./words.ts";

export function Screen() {
  const words = useMembersWords();
  const { filters, setFilters } = useFilters();
  return (
    <Page
      title={words("title")}
      actions={
        <DialogButton label={words("newMember")} look="main" document={CreateMember}>
          {(close) => <NewMember close={close} />}
        </DialogButton>
      }
    >
      <Tabs
        label={words("title")}
        value={filters["tab"] ?? "members"}
        onChange={(tab) =>
          setFilters({ tab: tab === "members" ? undefined : tab, search: "", status: "" })
        }
        tabs={[
          { value: "members", title: words("members"), content: <MemberList /> },
          { value: "purchases", title: words("purchases"), content: <AllPurchases /> },
        ]}
      />
    </Page>
  );
}

function MemberList() {
  const words = useMembersWords();
  const { filters } = useFilters();
  const search = filters["search"]?.trim() ?? "";
  const isSearch = search !== "";
  const all = usePages(Members, { first: 50 }, ({ members }) => members, { enabled: !isSearch });
  const found = usePages(FindMembers, { search, first: 50 }, ({ findMembers }) => findMembers, {
    enabled: isSearch,
  });
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="members" filters={{ search }} />
            <CopyAs
              document={isSearch ? FindMembers : Members}
              variables={(isSearch ? { search, first: 50 } : { first: 50 }) as never}
              sql={
                isSearch
                  ? `select * from saldo.find_members(${sqlText(search)});`
                  : "select * from saldo.member order by id desc limit 50;"
              }
            />
          </>
        }
      >
        <SearchFilter name="search" hint={words("searchHint")} />
      </FilterBar>
      <MemberTable pages={isSearch ? found : all} isSearch={isSearch} />
    </>
  );
}

function MemberTable({
  pages,
  isSearch,
}: {
  pages: Parameters<typeof PagedTable<MemberRowFragment>>[0]["pages"];
  isSearch: boolean;
}) {
  const words = useMembersWords();
  const money = (row: MemberRowFragment, amount: string | null | undefined) => (
    <Money amount={amount} currency={row.account?.currency} />
  );
  return (
    <PagedTable
      caption={words("members")}
      pages={pages}
      keyOf={({ id }) => id}
      empty={words(isSearch ? "noneFound" : "noMembers")}
      columns={[
        {
          title: words("code"),
          cell: ({ id, code }) => (
            <span className="sm:whitespace-nowrap">
              <Go to={`/members/${id}`}>{code}</Go>
            </span>
          ),
        },
        {
          title: words("name"),
          cell: ({ name, account }) => (
            <span className="wrap-anywhere">
              {name} {account?.frozenAt && <Badge tone="bad">{words("frozen")}</Badge>}
              {account?.closedAt && <Badge tone="wait">{words("closed")}</Badge>}
            </span>
          ),
        },
        {
          title: words("balance"),
          align: "right",
          cell: (row) => money(row, row.account?.balances?.settledBalance),
        },
        {
          title: words("held"),
          align: "right",
          cell: (row) => money(row, row.account?.balances?.held),
        },
        {
          title: words("available"),
          align: "right",
          cell: (row) => money(row, row.account?.balances?.availableBalance),
        },
        { title: words("since"), cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
      ]}
    />
  );
}

function NewMember({ close }: { close: () => void }) {
  const words = useMembersWords();
  const navigate = useNavigate();
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [isTried, setIsTried] = useState(false);
  const missing = (text: string) =>
    isTried && text.trim() === "" ? words("codeMissing") : undefined;
  return (
    <ActionDialog
      title={words("newMember")}
      document={CreateMember}
      close={close}
      submit={words("create")}
      variables={() => {
        setIsTried(true);
        const isWhole = code.trim() !== "" && name.trim() !== "";
        return isWhole ? { input: { code: code.trim(), name: name.trim() } } : null;
      }}
      onDone={({ createMember }) => {
        const id = createMember?.result?.id;
        if (id) void navigate({ to: `/members/${id}` });
        return words("created");
      }}
    >
      <Field
        label={words("code")}
        hint={words("codeHint")}
        maxLength={90}
        value={code}
        error={missing(code)}
        onChange={({ target }) => setCode(target.value)}
      />
      <Field
        label={words("name")}
        maxLength={180}
        value={name}
        error={missing(name)}
        onChange={({ target }) => setName(target.value)}
      />
    </ActionDialog>
  );
}
