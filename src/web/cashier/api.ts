/** Calls to the till's program, which runs on this machine: no network takes part in them. */
import { QueryClient, useMutation, useQuery } from "@tanstack/react-query";
import type { Category, FactView, Summary, SystemStatus } from "../../branch/api_types.ts";
import { cashierNow } from "./cashier.ts";

export type {
  Category,
  DayFigures,
  FactView,
  Standing,
  SystemStatus,
} from "../../branch/api_types.ts";

/** Figures of the dashboard, with what they are counted in. */
export type Dashboard = Summary & { currency: string; decimals: number };

/** A page of transactions. */
export interface Page {
  transactions: FactView[];
  page: number;
  total: number;
  total_pages: number;
}

/** What a write brought. */
export interface Written {
  transaction: FactView;
  summary: Summary;
}

/** A refusal of the till's program; without one it did not answer at all. */
export class ApiError extends Error {
  readonly condition: string;
  readonly fields: Record<string, string>;

  constructor(condition: string, message: string, fields: Record<string, string>) {
    super(message);
    this.condition = condition;
    this.fields = fields;
  }
}

/** One client for the page. What a browser believes of the network is nothing to it. */
export const client = new QueryClient({
  defaultOptions: {
    queries: { networkMode: "always", retry: 1, staleTime: 2000 },
    mutations: { networkMode: "always", retry: false },
  },
});

async function call<Data>(path: string, body?: object): Promise<Data> {
  const response = await fetch(`/api/v1${path}`, {
    headers: { "content-type": "application/json" },
    signal: AbortSignal.timeout(40_000),
    ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (answer.success) return answer.data;
  throw new ApiError(answer.data.condition, answer.message, answer.data.fields);
}

export function useDashboard() {
  return useQuery({
    queryKey: ["summary"],
    queryFn: () => call<Dashboard>("/dashboard/summary"),
    refetchInterval: 30_000,
  });
}

export function useStatus() {
  return useQuery({
    queryKey: ["status"],
    queryFn: () => call<SystemStatus>("/system/status"),
    refetchInterval: 5000,
  });
}

export function useCategories() {
  return useQuery({
    queryKey: ["categories"],
    queryFn: () => call<{ categories: Category[] }>("/categories"),
  });
}

export function useTransactions(parameters: string) {
  return useQuery({
    queryKey: ["transactions", parameters],
    queryFn: () => call<Page>(`/transactions?${parameters}`),
    placeholderData: (before) => before,
    refetchInterval: 10_000,
  });
}

function whoWrites(): { cashier?: string } {
  const cashier = cashierNow();
  return cashier === "" ? {} : { cashier };
}

/** A write: cash is right at once from its answer, and the rest is read again. */
export function useWrite(path: string) {
  return useMutation({
    mutationFn: (body: object) => call<Written>(path, { ...body, ...whoWrites() }),
    onSuccess: ({ summary }) => {
      client.setQueryData<Dashboard>(["summary"], (before) => before && { ...before, ...summary });
      for (const queryKey of [["transactions"], ["status"], ["categories"], ["summary"]]) {
        void client.invalidateQueries({ queryKey });
      }
    },
  });
}

/** Something that the till's program shall do now. */
export function useAction(path: string) {
  return useMutation({
    mutationFn: (body: object) => call<SystemStatus>(path, body),
    onSettled: () => client.invalidateQueries(),
  });
}
