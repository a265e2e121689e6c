/** How the page keeps what it has asked for. */
import {
  MutationCache,
  QueryCache,
  QueryClient,
  type UseQueryResult,
  useInfiniteQuery,
  useMutation,
  useQuery,
} from "@tanstack/react-query";
import type { TypedDocument } from "./document.ts";
import { problemOf } from "./problem.ts";
import { request } from "./request.ts";

/** What is known of the session; screens wait until there is one. */
export const sessionKey = ["session"];

/** A session that ended is asked for again: the page then shows its sign-in, and keeps its forms. */
function noticeSignedOut(error: unknown): void {
  if (problemOf(error).isSignedOut) void client.invalidateQueries({ queryKey: sessionKey });
}

/** Only silence is worth another try: what the server has refused it refuses again. */
export const client = new QueryClient({
  queryCache: new QueryCache({ onError: noticeSignedOut }),
  mutationCache: new MutationCache({ onError: noticeSignedOut }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => problemOf(error).isSilence && count < 2,
      // The browser's own word on the network says nothing of this server.
      networkMode: "always",
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

/** How a screen follows the server. */
export interface Following {
  /** Asks again after so many seconds while the page is shown; a slow answer is waited for. */
  readonly everySeconds?: number;
  readonly enabled?: boolean;
}

/** The answer to a query, kept by its name and variables. */
export function useDocument<Result, Variables>(
  document: TypedDocument<Result, Variables>,
  variables: Variables,
  { everySeconds, enabled = true }: Following = {},
): UseQueryResult<Result> {
  return useQuery({
    queryKey: [document.name, variables],
    queryFn: ({ signal }) => request(document, variables, signal),
    enabled,
    ...(everySeconds !== undefined && { refetchInterval: everySeconds * 1000 }),
  });
}

/** A connection as GraphQL gives it: a page of rows and where the next one begins. */
export interface Connection<Row> {
  readonly nodes: readonly (Row | null)[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** The rows of a connection; GraphQL has it that a row may be null, and none is. */
export function rowsOf<Row>(
  connection: { readonly nodes: readonly (Row | null)[] } | null | undefined,
): Row[] {
  return (connection?.nodes ?? []).filter((row) => row !== null);
}

/** A list that grows page by page through cursors: no page costs more than the first. */
export function usePages<Result, Variables extends { after?: string | null }, Row>(
  document: TypedDocument<Result, Variables>,
  variables: Omit<Variables, "after">,
  connectionOf: (result: Result) => Connection<Row> | null | undefined,
  { everySeconds, enabled = true }: Following = {},
) {
  const query = useInfiniteQuery({
    queryKey: [document.name, variables],
    queryFn: ({ pageParam, signal }) =>
      request(document, { ...variables, after: pageParam } as Variables, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => {
      const info = connectionOf(last)?.pageInfo;
      return info?.hasNextPage ? info.endCursor : null;
    },
    enabled,
    ...(everySeconds !== undefined && { refetchInterval: everySeconds * 1000 }),
  });
  const rows = query.data?.pages.flatMap((page) => rowsOf(connectionOf(page)));
  return { query, rows };
}

/**
 * An action of the API. After it all that is shown is asked for again: a posting changes balances,
 * statements, totals and findings alike.
 */
export function useAction<Result, Variables>(document: TypedDocument<Result, Variables>) {
  return useMutation({
    mutationFn: (variables: Variables) => request(document, variables),
    // Not waited for: what was acted on may leave the screen with what is asked for again, and with
    // it the dialog that has to say what became of it.
    onSuccess: () => void client.invalidateQueries(),
    // A refusal is read first: what it is about may have left the screen by then, and the dialog
    // with it. Whoever closes that asks again.
    onError: (error) => {
      if (problemOf(error).isSilence) void client.invalidateQueries();
    },
  });
}
