/** Balances that nobody watches yet, and the rules that could: to be reviewed, then registered. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Badge, Button, Card, Choice, Field, Notice } from "../../../shared/ui.tsx";
import { useMay } from "../../api/session.ts";
import { ActionDialog } from "../../parts/action_dialog.tsx";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Figure } from "../../parts/figures.tsx";
import { useFilters } from "../../parts/filters.tsx";
import { Forbidden, Loaded } from "../../parts/loaded.tsx";
import { Table } from "../../parts/table.tsx";
import { RegisterRule } from "./proposals.documents.ts";
import { type Balance, type Proposal, useBalances, useProposals } from "./proposals.ts";
import { SqlText } from "./SqlText.tsx";
import { useOwnTableWords } from "./words.ts";

export function Proposals() {
  const words = useOwnTableWords();
  const may = useMay(RegisterRule as never);
  const table = useFilters().filters["table"];
  const query = useBalances(may);
  if (!may) return <Forbidden document={RegisterRule} />;
  return (
    <>
      <p>{words("proposalsLead")}</p>
      <Loaded query={query}>{({ balances }) => <BalanceList balances={balances} />}</Loaded>
      {table && <ProposalsFor key={table} table={table} />}
    </>
  );
}

function BalanceList({ balances }: { balances: readonly Balance[] }) {
  const words = useOwnTableWords();
  const { filters, setFilters } = useFilters();
  const missing = balances.flatMap(({ grants }) => grants ?? []);
  return (
    <>
      <Table
        caption={words("candidates")}
        rows={balances}
        keyOf={({ table, balance }) => `${table}.${balance}`}
        empty={words("noCandidates")}
        columns={[
          { title: words("table"), cell: ({ table }) => <code>{table}</code> },
          { title: words("column"), cell: ({ balance }) => <code>{balance}</code> },
          {
            title: words("readable"),
            cell: ({ is_readable: isReadable }) => (
              <Badge tone={isReadable ? "good" : "wait"}>
                {words(isReadable ? "mayRead" : "mayNotRead")}
              </Badge>
            ),
          },
          {
            title: words("proposal"),
            cell: ({ table, is_readable: isReadable }) =>
              isReadable && (
                <Button
                  aria-pressed={filters["table"] === table}
                  onClick={() => setFilters({ table })}
                >
                  {words("propose")}
                </Button>
              ),
          },
        ]}
      />
      {missing.length > 0 && (
        <Card title={words("grantsTitle")}>
          <p>{words("grantsHelp")}</p>
          <SqlText text={[...new Set(missing)].join("\n")} />
        </Card>
      )}
    </>
  );
}

function ProposalsFor({ table }: { table: string }) {
  const words = useOwnTableWords();
  const query = useProposals(table);
  return (
    <Loaded query={query}>
      {({ proposals }) =>
        proposals.length === 0 ? (
          <Notice weight="warn">{words("noProposal")}</Notice>
        ) : (
          proposals.map((each) => <OneProposal key={each.balance} proposal={each} />)
        )
      }
    </Loaded>
  );
}

/** How far a sum goes: all of it, or "9,950 of 10,000 (99.5 %)". */
function Share({ rows, fits }: { rows: number; fits: number }) {
  const words = useOwnTableWords();
  // Of a share that is not whole none is made by rounding.
  const percent = rows === 0 ? 0 : Math.floor((fits / rows) * 1000) / 10;
  return <>{words("share", { fits, rows, percent })}</>;
}

function OneProposal({ proposal }: { proposal: Proposal }) {
  const words = useOwnTableWords();
  const { table, balance, rule, sql, tried } = proposal;
  const { row_count: rows, fit_count: fits, all_count: all } = proposal;
  return (
    <Card title={`${table}.${balance}`}>
      <p className="mb-2 break-words">
        <code>{proposal.sum}</code>
      </p>
      <p className="mb-2 font-semibold">
        <Share rows={rows} fits={fits} />
      </p>
      {all > rows && <p className="mb-2">{words("leavesOut", { count: all - rows })}</p>}
      {rule === null || sql === null ? (
        <Notice weight="warn">{words("unfit")}</Notice>
      ) : (
        <>
          <SqlText text={sql} />
          <p className="my-2">{words("reviewFirst")}</p>
          <Register rule={rule} table={table} balance={balance} />
        </>
      )}
      <h3 className="mt-4 font-semibold">{words("tried")}</h3>
      <Table
        caption={words("tried")}
        rows={tried}
        keyOf={({ sum }) => sum}
        columns={[
          { title: words("sum"), cell: ({ sum }) => <code className="break-words">{sum}</code> },
          {
            title: words("fits"),
            align: "right",
            cell: (trial) => <Figure value={trial.fit_count} />,
          },
          {
            title: words("rows"),
            align: "right",
            cell: (trial) => <Figure value={trial.row_count} />,
          },
        ]}
      />
    </Card>
  );
}

type Rule = NonNullable<Proposal["rule"]>;
type Named = { readonly rule: Rule; readonly table: string; readonly balance: string };

function Register(named: Named) {
  const words = useOwnTableWords();
  return (
    <DialogButton label={words("register")} look="main" document={RegisterRule}>
      {(close) => <RegisterDialog {...named} close={close} />}
    </DialogButton>
  );
}

function RegisterDialog({ rule, table, balance, close }: Named & { close: () => void }) {
  const words = useOwnTableWords();
  const navigate = useNavigate();
  const [name, setName] = useState(rule.name);
  const [guard, setGuard] = useState<"record" | "none">(rule.guard ?? "none");
  return (
    <ActionDialog
      title={words("registerTitle", { name: `${table}.${balance}` })}
      document={RegisterRule}
      variables={() =>
        name.trim() === ""
          ? null
          : {
              name: name.trim(),
              title: `${table}.${balance}`,
              storedTable: rule.stored_table ?? null,
              keyColumn: rule.key_column ?? null,
              balanceColumn: rule.balance_column ?? null,
              stored: rule.stored ?? null,
              derived: rule.derived,
              items: rule.items,
              guard,
            }
      }
      submit={words("register")}
      close={close}
      onDone={() => {
        void navigate({ to: `/own-tables/${name.trim()}` });
        return words("registered");
      }}
    >
      <p>{words("registerHelp")}</p>
      <Field
        label={words("ruleName")}
        value={name}
        maxLength={40}
        hint={words("ruleNameHint")}
        onChange={({ target }) => setName(target.value)}
      />
      {rule.guard !== undefined && (
        <Choice
          label={words("guard")}
          value={guard}
          onChange={({ target }) => setGuard(target.value as typeof guard)}
          options={[
            ["record", words("guardRecordGrant")],
            ["none", words("guardNone")],
          ]}
        />
      )}
    </ActionDialog>
  );
}
