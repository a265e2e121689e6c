/** One period: what is in the way of closing it, what was done with it, and what may be done. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { Day, Figure, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, sqlText } from "../../parts/share.tsx";
import { type Column, Facts, Table } from "../../parts/table.tsx";
import {
  Checklist,
  type PeriodStateFragment as Period,
  PeriodHistory,
  type PeriodHistoryQuery,
  Periods,
} from "./closing.documents.ts";
import { Evidence } from "./Evidence.tsx";
import { type Item, ItemName } from "./ItemName.tsx";
import { PeriodActions } from "./PeriodActions.tsx";
import { Status, usePeriodName } from "./PeriodName.tsx";
import { useClosingWords } from "./words.ts";

type Event = NonNullable<NonNullable<PeriodHistoryQuery["periodEvents"]>["nodes"][number]>;

const placeOf = (text: string) => {
  const [, year, number] = /^((?:19|[2-9]\d)\d\d)-(0[1-9]|1[0-3])$/.exec(text) ?? [];
  return year === undefined ? null : { year: Number(year), number: Number(number) };
};

export function Screen() {
  const place = placeOf(useParameter("period"));
  return place === null ? <NoPeriod /> : <Shown year={place.year} number={place.number} />;
}

function NoPeriod() {
  const words = useClosingWords();
  return (
    <NoSuch title={words("title")} to="/closing">
      {words("noPeriod")}
    </NoSuch>
  );
}

function Shown({ year, number }: { year: number; number: number }) {
  const query = useDocument(Periods, { year });
  return (
    <Loaded query={query} document={Periods} lines={10}>
      {({ fiscalPeriods }) => {
        const period = rowsOf(fiscalPeriods).find((each) => each.number === number);
        return period === undefined ? <NoPeriod /> : <OnePeriod period={period} />;
      }}
    </Loaded>
  );
}

function OnePeriod({ period }: { period: Period }) {
  const words = useClosingWords();
  const name = usePeriodName()(period);
  const isOpen = period.status === "open" || period.status === "closing";
  const hasChecklist = isOpen && period.number !== 13;
  const month = { month: period.startsOn };
  const checklist = useDocument(Checklist, month, { enabled: hasChecklist });
  const items = rowsOf(checklist.data?.periodChecklist);
  return (
    <Page
      title={name}
      lead={<Status status={period.status} />}
      actions={
        <>
          <PeriodActions period={period} items={items} />
          <CopyAs
            document={Checklist}
            variables={month}
            sql={`select * from saldo.period_checklist(${sqlText(period.startsOn)});`}
          />
        </>
      }
    >
      <State period={period} />
      {hasChecklist && (
        <Card title={words("checklist")}>
          <p className="mb-2 text-sm text-soft">{words("checklistHelp")}</p>
          <Loaded query={checklist} document={Checklist} lines={9}>
            {() => <ItemTable items={items} />}
          </Loaded>
        </Card>
      )}
      <History period={period} />
    </Page>
  );
}

function State({ period }: { period: Period }) {
  const words = useClosingWords();
  return (
    <Facts
      facts={[
        [
          words("days"),
          <span key="days">
            <Day day={period.startsOn} /> – <Day day={period.endsOn} />
          </span>,
        ],
        [words("closedAt"), <Moment key="at" at={period.closedAt} />],
        [words("closedBy"), period.closedBy ?? "–"],
        [words("accounts"), <Figure key="accounts" value={period.accountCount} />],
        [words("lines"), <Figure key="lines" value={period.lineCount} />],
        [words("seal"), <Seal key="seal" hash={period.snapshotHash} />],
        [
          words("trial"),
          <Go key="trial" to="/statements" search={{ view: "trial", to: period.endsOn }}>
            <Day day={period.endsOn} />
          </Go>,
        ],
      ]}
    />
  );
}

/** The seal as people compare it: hexadecimal. */
function Seal({ hash }: { hash: string | null }) {
  if (hash === null) return <>–</>;
  const bytes = [...atob(hash)].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
  return <code className="text-xs [overflow-wrap:anywhere]">{bytes.join("")}</code>;
}

function ItemTable({ items }: { items: readonly Item[] }) {
  const words = useClosingWords();
  const columns: Column<Item>[] = [
    { title: words("item"), cell: ({ item, title }) => <ItemName item={item} title={title} /> },
    {
      title: words("status"),
      cell: ({ isPassed }) => (
        <Badge tone={isPassed ? "good" : "bad"}>{words(isPassed ? "passed" : "isOpen")}</Badge>
      ),
    },
    {
      title: words("count"),
      align: "right",
      cell: ({ openCount }) => <Figure value={openCount} />,
    },
    { title: words("evidence"), cell: ({ evidence }) => <Evidence evidence={evidence} /> },
  ];
  return (
    <>
      {items.length > 0 && items.every(({ isPassed }) => isPassed) && (
        <p className="mb-2 font-semibold text-good">{words("nothingOpen")}</p>
      )}
      <Table
        caption={words("item")}
        columns={columns}
        rows={items}
        keyOf={({ item }) => String(item)}
      />
    </>
  );
}

function History({ period }: { period: Period }) {
  const words = useClosingWords();
  const query = useDocument(PeriodHistory, { year: period.fiscalYear, number: period.number });
  const columns: Column<Event>[] = [
    { title: words("at"), cell: ({ occurredAt }) => <Moment at={occurredAt} /> },
    { title: words("what"), cell: ({ action }) => words(action) },
    { title: words("who"), cell: ({ actor }) => <span className="break-words">{actor}</span> },
    {
      title: words("reason"),
      cell: ({ reason }) => <span className="break-words">{reason ?? "–"}</span>,
    },
    { title: words("checked"), cell: (event) => <Checks event={event} /> },
  ];
  return (
    <Card title={words("history")}>
      <Loaded query={query} document={PeriodHistory}>
        {({ periodEvents }) => (
          <Table
            caption={words("what")}
            columns={columns}
            rows={rowsOf(periodEvents)}
            keyOf={({ id }) => id}
            empty={words("noHistory")}
          />
        )}
      </Loaded>
    </Card>
  );
}

/** The checklist as it stood then, with its evidence. */
function Checks({ event }: { event: Event }) {
  const words = useClosingWords();
  const checks = rowsOf(event.periodChecksByEventId);
  if (checks.length === 0) return <>–</>;
  return (
    <details>
      <summary className="cursor-pointer">
        {checks.filter(({ outcome }) => outcome === "passed").length}/{checks.length}{" "}
        {words("passed")}
      </summary>
      <ul className="mt-1 flex flex-col gap-1">
        {checks.map((check) => (
          <li key={check.item}>
            <ItemName item={check.item} />{" "}
            <Badge tone={check.outcome === "passed" ? "good" : "bad"}>
              {words(check.outcome === "open" ? "isOpen" : check.outcome)}
            </Badge>{" "}
            {check.outcome !== "passed" && <Evidence evidence={check.evidence} />}
          </li>
        ))}
      </ul>
    </details>
  );
}
