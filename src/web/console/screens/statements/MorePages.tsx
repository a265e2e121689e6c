/** Below a statement of many accounts: the next of them, or why they could not be fetched. */
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import { useEffect } from "react";
import { Button, Notice } from "../../../shared/ui.tsx";
import type { TypedDocument } from "../../api/document.ts";
import { problemOf } from "../../api/problem.ts";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { usePartWords } from "../../parts/words.ts";
import { useStatementWords } from "./words.ts";

// Of 200 lines: each page costs the database the whole statement, and the browser its rows.
const PAGE_COUNT = 5;

type Pages = Pick<
  UseInfiniteQueryResult<{ readonly pages: readonly unknown[] }>,
  "data" | "isError" | "hasNextPage" | "fetchNextPage" | "isFetchingNextPage"
>;

/** Fetches a statement of up to a thousand lines as a whole. */
export function useWhole({
  data,
  isError,
  hasNextPage,
  fetchNextPage,
  isFetchingNextPage,
}: Pages): void {
  const count = data?.pages.length ?? 0;
  const isDue = hasNextPage && !isFetchingNextPage && !isError && count > 0 && count < PAGE_COUNT;
  useEffect(() => {
    if (isDue) void fetchNextPage();
  }, [isDue, fetchNextPage]);
}

/** Says on paper, too, that lines do not add up to the totals while accounts are still missing. */
export function NotAll({ query: { hasNextPage } }: { query: Pick<Pages, "hasNextPage"> }) {
  const words = useStatementWords();
  return hasNextPage ? <Notice weight="warn">{words("notAll")}</Notice> : null;
}

export function MorePages({
  query,
  document,
}: {
  query: Pick<
    UseInfiniteQueryResult,
    "error" | "refetch" | "hasNextPage" | "fetchNextPage" | "isFetchingNextPage"
  >;
  document: Pick<TypedDocument<unknown, never>, "roles">;
}) {
  const words = usePartWords();
  return (
    <>
      {query.error !== null && !problemOf(query.error).isForbidden && (
        <ProblemNotice
          problem={problemOf(query.error)}
          document={document}
          again={() => void query.refetch()}
        />
      )}
      <NotAll query={query} />
      {query.hasNextPage && (
        <Button
          className="not-printed"
          aria-disabled={query.isFetchingNextPage}
          onClick={() => !query.isFetchingNextPage && void query.fetchNextPage()}
        >
          {query.isFetchingNextPage ? words("loading") : words("more")}
        </Button>
      )}
    </>
  );
}
