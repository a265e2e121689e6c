/** Readings of a customer, each with the factor and price it is rated by, and how that came. */
import { useState } from "react";
import { Badge, Button, Dialog } from "../../../shared/ui.tsx";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { Day, Figure, Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText, Take } from "../../parts/share.tsx";
import { type Column, PagedTable, Table } from "../../parts/table.tsx";
import {
  CustomerReadings,
  type CustomerReadingsQuery,
  type OneCustomerQuery,
  type RatingFragment as Rating,
  ReadingRatings,
} from "./customers.documents.ts";
import { useCustomerWords } from "./words.ts";

type Customer = NonNullable<OneCustomerQuery["customer"]>;
type Reading = NonNullable<NonNullable<CustomerReadingsQuery["readings"]>["nodes"][number]>;

const ratingOf = (reading: Reading): Rating | undefined =>
  reading.ratedLinesByAccountIdAndReadingId.nodes[0] ?? undefined;

export function ReadingsTab({ customer }: { customer: Customer }) {
  const words = useCustomerWords();
  const [shown, setShown] = useState<Reading>();
  const variables = { accountId: customer.accountId };
  const pages = usePages(CustomerReadings, variables, ({ readings }) => readings);
  const columns = useReadingColumns(customer.currency, setShown);
  return (
    <>
      <Take>
        <CsvLink name="rated-lines" filters={{ customer: customer.id }} />
        <CopyAs
          document={CustomerReadings}
          variables={variables}
          sql={`select r.* from saldo.reading as r join saldo.customer as c on c.account_id = r.account_id where c.code = ${sqlText(customer.code)} order by r.id desc;`}
        />
      </Take>
      <PagedTable
        caption={words("readingsCaption")}
        pages={pages}
        document={CustomerReadings}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noReadings")}
      />
      {shown && <Ratings customer={customer} reading={shown} close={() => setShown(undefined)} />}
    </>
  );
}

function useReadingColumns(currency: string, show: (reading: Reading) => void): Column<Reading>[] {
  const words = useCustomerWords();
  const figure = (title: string, of: (rating: Rating) => string | null): Column<Reading> => ({
    title,
    align: "right",
    cell: (reading) => {
      const rating = ratingOf(reading);
      return <Figure value={rating === undefined ? null : of(rating)} />;
    },
  });
  return [
    { title: words("readOn"), cell: ({ readAt }) => <Moment at={readAt} /> },
    { title: words("meter"), cell: ({ accountMeter }) => accountMeter?.code ?? "–" },
    {
      title: words("index"),
      align: "right",
      cell: ({ indexValue }) => <Figure value={indexValue} />,
    },
    figure(words("volumeM3"), ({ volumeM3 }) => volumeM3),
    figure(words("factor"), ({ factor }) => factor),
    figure(words("volumeSm3"), ({ volumeSm3 }) => volumeSm3),
    figure(words("price"), ({ price }) => price),
    {
      title: words("amount"),
      align: "right",
      cell: (reading) => <Money amount={ratingOf(reading)?.amount} currency={currency} />,
    },
    { title: words("status"), cell: (reading) => <State reading={reading} /> },
    {
      title: words("history"),
      cell: (reading) =>
        ratingOf(reading) && (
          <Button className="text-sm" onClick={() => show(reading)}>
            {words("revision", { revision: ratingOf(reading)?.revision })}
          </Button>
        ),
    },
  ];
}

function State({ reading }: { reading: Reading }) {
  const words = useCustomerWords();
  const rating = ratingOf(reading);
  return (
    <span className="flex flex-wrap gap-1">
      <Badge tone={reading.status === "current" ? "good" : "wait"}>{words(reading.status)}</Badge>
      {reading.quality === "estimated" && <Badge tone="wait">{words("estimated")}</Badge>}
      {rating?.isProvisional && <Badge tone="wait">{words("provisional")}</Badge>}
      {rating?.isWithdrawn && <Badge tone="wait">{words("withdrawn")}</Badge>}
      {rating === undefined && reading.status === "current" && (
        <Badge tone="bad">{words("unratedReading")}</Badge>
      )}
    </span>
  );
}

function Ratings({
  customer,
  reading,
  close,
}: {
  customer: Customer;
  reading: Reading;
  close: () => void;
}) {
  const words = useCustomerWords();
  const variables = { accountId: customer.accountId, readingId: reading.id };
  const query = useDocument(ReadingRatings, variables);
  return (
    <Dialog title={words("historyOf", { day: reading.readOn })} close={close}>
      <div className="flex flex-col gap-4">
        <Loaded query={query} document={ReadingRatings}>
          {({ ratedLines }) =>
            rowsOf(ratedLines).map((rating) => (
              <OneRating key={rating.id} rating={rating} currency={customer.currency} />
            ))
          }
        </Loaded>
        <Button onClick={close}>{words("close")}</Button>
      </div>
    </Dialog>
  );
}

/** A rating as pencil and paper would check it: volume × factor, rounded, × price. */
function OneRating({ rating, currency }: { rating: Rating; currency: string }) {
  const words = useCustomerWords();
  return (
    <section className="rounded-lg border border-line p-3">
      <h3 className="font-semibold">
        {words("revision", { revision: rating.revision })}{" "}
        <Badge tone={rating.supersededAt === null ? "good" : "wait"}>
          {words(rating.supersededAt === null ? "current" : "superseded")}
        </Badge>
      </h3>
      <p className="my-1">
        <Figure value={rating.volumeM3} /> m³ × <Figure value={rating.factor} /> ={" "}
        <Figure value={rating.volumeSm3} /> Sm³ × <Figure value={rating.price} /> ={" "}
        <strong>
          <Money amount={rating.amount} currency={currency} />
        </strong>
      </p>
      <p className="text-sm">
        {words("change")}: <Money amount={rating.amountChange} currency={currency} signed />,{" "}
        {words("postedOn")} <Day day={rating.postingDate} />{" "}
        {rating.entryId && <Go to={`/journal/${rating.entryId}`}>{words("entry")}</Go>}
      </p>
      <p className="text-sm text-soft break-words">
        {words("ratedAt")} <Moment at={rating.ratedAt} />, {words("ratedBy")} {rating.ratedBy}
      </p>
      {rating.parts && rating.parts.length > 0 && <Parts rating={rating} currency={currency} />}
    </section>
  );
}

type Part = NonNullable<NonNullable<Rating["parts"]>[number]>;

function Parts({ rating, currency }: { rating: Rating; currency: string }) {
  const words = useCustomerWords();
  const columns: Column<Part>[] = [
    { title: words("from"), cell: ({ fromDate }) => <Day day={fromDate} /> },
    { title: words("to"), cell: ({ toDate }) => <Day day={toDate} /> },
    {
      title: words("volumeSm3"),
      align: "right",
      cell: ({ volumeSm3 }) => <Figure value={volumeSm3} />,
    },
    { title: words("price"), align: "right", cell: ({ price }) => <Figure value={price} /> },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount }) => <Money amount={amount} currency={currency} />,
    },
  ];
  return (
    <Table
      caption={words("parts")}
      columns={columns}
      rows={(rating.parts ?? []).filter((part) => part !== null)}
      keyOf={({ partNo }) => String(partNo)}
    />
  );
}
