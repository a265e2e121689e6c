/** Below a statement of many accounts: the next of them, or why they could not be fetched. */
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import { Button } from "../../../shared/ui.tsx";
import type { TypedDocument } from "../../api/document.ts";
import { problemOf } from "../../api/problem.ts";
import { ProblemNotice } from "../../parts/loaded.tsx";
import { usePartWords } from "../../parts/words.ts";

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
