/** Messages about alerts: whether they came through, and why not. */
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { type Column, PagedTable, Table } from "../../parts/table.tsx";
import { AlertDeliveries, type AlertDetailQuery } from "./alerts.documents.ts";
import { useAlertWords } from "./words.ts";

type Delivery = NonNullable<
  NonNullable<AlertDetailQuery["alert"]>["alertDeliveries"]["nodes"][number]
>;

const events = {
  opened: "evOpened",
  reminder: "evReminder",
  resolved: "evResolved",
  test: "evTest",
} as const;

/** Messages by what became of them. */
const filtersOf = {
  failed: { failedAt: { isNull: false } },
  waiting: { deliveredAt: { isNull: true }, failedAt: { isNull: true } },
} as const;

export function Messages() {
  const words = useAlertWords();
  const engine = useEngineWords();
  const { filters } = useFilters();
  const state =
    filters["state"] === "failed" || filters["state"] === "waiting" ? filters["state"] : null;
  const pages = usePages(
    AlertDeliveries,
    { filter: state === null ? undefined : filtersOf[state] },
    ({ alertDeliveries }) => alertDeliveries,
    { everySeconds: 30 },
  );
  const columns = useColumns();
  return (
    <>
      <FilterBar>
        <ChoiceFilter
          name="state"
          label={words("state")}
          options={[
            ["failed", words("failedOnly")],
            ["waiting", words("waitingOnly")],
          ]}
        />
      </FilterBar>
      <PagedTable
        pages={pages}
        document={AlertDeliveries}
        caption={words("deliveries")}
        keyOf={({ id }) => id}
        empty={words("noDeliveries")}
        columns={[
          {
            title: words("alert"),
            cell: ({ alert }) =>
              alert && (
                <Go to={`/alerts/${alert.id}`}>{engine.alert(alert.condition, alert.title)}</Go>
              ),
          },
          ...columns,
        ]}
      />
    </>
  );
}

/** The messages about one alert. */
export function DeliveryTable({ deliveries }: { deliveries: readonly Delivery[] }) {
  const words = useAlertWords();
  return (
    <Table
      caption={words("deliveries")}
      rows={deliveries}
      keyOf={({ id }) => id}
      empty={words("noDeliveries")}
      columns={useColumns()}
    />
  );
}

function useColumns(): readonly Column<Delivery>[] {
  const words = useAlertWords();
  return [
    { title: words("when"), cell: ({ createdAt }) => <Moment at={createdAt} /> },
    { title: words("event"), cell: ({ event }) => words(events[event]) },
    { title: words("channel"), cell: ({ channel }) => words(channel) },
    { title: words("state"), cell: (each) => <State delivery={each} /> },
    {
      title: words("attempts"),
      align: "right",
      cell: ({ attemptCount }) => <Figure value={attemptCount} />,
    },
    {
      title: words("answer"),
      cell: ({ lastStatus, lastError }) =>
        [lastStatus, lastError].filter((each) => each !== null).join(" "),
    },
  ];
}

function State({ delivery: { deliveredAt, failedAt, nextAttemptAt } }: { delivery: Delivery }) {
  const words = useAlertWords();
  const [tone, word, at] =
    deliveredAt !== null
      ? (["good", "delivered", deliveredAt] as const)
      : failedAt !== null
        ? (["bad", "failed", failedAt] as const)
        : (["wait", "waits", nextAttemptAt] as const);
  return (
    <>
      <Badge tone={tone}>{words(word)}</Badge> <Moment at={at} />
    </>
  );
}
