/** Lists of rows: a table where there is room, a card for each row on a phone. */
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Button } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { problemOf } from "../api/problem.ts";
import { ProblemNotice, Skeleton } from "./loaded.tsx";
import { usePartWords } from "./words.ts";

/** A column; figures stand at its right side. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: "right";
}

/** Rows under the names of their columns. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  empty,
  foot,
}: {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** What to say where there is no row: why, and what one may do. */
  empty?: ReactNode;
  foot?: ReactNode;
}) {
  const words = usePartWords();
  if (rows.length === 0) return <p className="py-3 text-soft">{empty ?? words("noRows")}</p>;
  return (
    // A group, and no landmark: cards are those, often of the same name.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled must be reached by keys
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for what is filled in
    <div role="group" aria-label={caption} tabIndex={0} className="overflow-x-auto">
      <table className="rows w-full border-collapse text-left">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, align }) => (
              <th
                key={title}
                scope="col"
                className={`border-b border-line px-2 py-2 text-sm text-soft ${align === "right" ? "text-right" : ""}`}
              >
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} className="hover:bg-ground">
              {columns.map(({ title, align, cell }) => (
                <td
                  key={title}
                  data-title={title}
                  className={`border-b border-line px-2 py-2 align-top ${align === "right" ? "sm:text-right" : ""}`}
                >
                  <div className="min-w-0">{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        {foot && <tfoot>{foot}</tfoot>}
      </table>
    </div>
  );
}

/** A table over pages that are fetched one after another (usePages). */
export function PagedTable<Row>({
  pages: { query, rows },
  document,
  ...table
}: Omit<Parameters<typeof Table<Row>>[0], "rows"> & {
  pages: {
    query: Pick<
      UseInfiniteQueryResult,
      "error" | "refetch" | "hasNextPage" | "fetchNextPage" | "isFetchingNextPage"
    >;
    rows: readonly Row[] | undefined;
  };
  document?: Pick<TypedDocument<unknown, never>, "roles">;
}) {
  const words = usePartWords();
  const { error } = query;
  return (
    <>
      {error !== null && (
        <ProblemNotice
          problem={problemOf(error)}
          document={document}
          again={() => void query.refetch()}
        />
      )}
      {rows === undefined ? (
        error === null && <Skeleton lines={8} />
      ) : (
        <Table {...table} rows={rows} />
      )}
      {query.hasNextPage && (
        <Button
          className="mt-3"
          aria-disabled={query.isFetchingNextPage}
          onClick={() => !query.isFetchingNextPage && void query.fetchNextPage()}
        >
          {query.isFetchingNextPage ? words("loading") : words("more")}
        </Button>
      )}
    </>
  );
}

/** Names and what they stand for, one below another. */
export function Facts({
  facts,
}: {
  facts: readonly (readonly [name: string, value: ReactNode])[];
}) {
  return (
    <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-2 lg:grid-cols-3">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt className="text-sm text-soft">{name}</dt>
          <dd className="break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A figure that a screen is opened for. */
export function Stat({
  label,
  children,
  tone,
}: {
  label: string;
  children: ReactNode;
  tone?: "good" | "bad" | undefined;
}) {
  const colour = tone === "good" ? "text-good" : tone === "bad" ? "text-bad" : "";
  return (
    <div className="rounded-xl border border-line bg-card p-4">
      <p className="text-sm text-soft">{label}</p>
      <p className={`text-2xl font-bold break-words ${colour}`}>{children}</p>
    </div>
  );
}
