/** Filters of a screen: they stand in the address, so that a link shows the same to everybody. */
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useId, useState } from "react";
import { Button } from "../../shared/ui.tsx";
import { SavedViews } from "./saved_views.tsx";
import { TYPED_MS } from "./settled.ts";
import { usePartWords } from "./words.ts";

/** The filters as they stand in the address, and how to change some of them. */
export function useFilters(): {
  filters: { readonly [name: string]: string | undefined };
  setFilters: (changes: { readonly [name: string]: string | undefined }) => void;
} {
  const { search } = useRouterState({ select: ({ location }) => ({ search: location.search }) });
  const filters = search as { readonly [name: string]: string | undefined };
  const navigate = useNavigate();
  const setFilters = (changes: { readonly [name: string]: string | undefined }) => {
    const search = (old: { [name: string]: string | undefined }) => {
      const next = Object.entries({ ...old, ...changes });
      return Object.fromEntries(next.filter(([, value]) => value !== undefined && value !== ""));
    };
    void navigate({ to: ".", search: search as never, replace: true, resetScroll: false });
  };
  return { filters, setFilters };
}

/**
 * A filter that is typed: what stands in its field at once, and in the address a moment later, where
 * it makes sense.
 */
export function useTypedFilter(
  name: string,
  makesSense: (text: string) => boolean = () => true,
): [typed: string, setTyped: (text: string) => void] {
  const { filters, setFilters } = useFilters();
  const value = filters[name] ?? "";
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value || !makesSense(typed)) return;
    const timer = setTimeout(() => setFilters({ [name]: typed }), TYPED_MS);
    return () => clearTimeout(timer);
  });
  return [typed, setTyped];
}

/** A filter for the API, which takes none with nothing in it. */
export function filterOrNone<Filter extends object>(filter: Filter): Filter | undefined {
  return Object.keys(filter).length === 0 ? undefined : filter;
}

const field = "min-h-11 rounded-lg border border-line bg-card px-3 py-2 text-ink";

/** A row of filters, with the views that somebody has saved. */
export function FilterBar({ children, extra }: { children: ReactNode; extra?: ReactNode }) {
  const words = usePartWords();
  const { filters, setFilters } = useFilters();
  const names = Object.keys(filters).filter((name) => name !== "tab" && filters[name]);
  return (
    <search className="not-printed flex flex-wrap items-end gap-3">
      {children}
      {names.length > 0 && (
        <Button
          onClick={() => setFilters(Object.fromEntries(names.map((name) => [name, undefined])))}
        >
          {words("clear")}
        </Button>
      )}
      <SavedViews />
      {extra}
    </search>
  );
}

/** What is searched for; the server searches, a moment after the last key. */
export function SearchFilter({
  name,
  label,
  hint,
}: {
  name: string;
  label?: string;
  hint?: string;
}) {
  const words = usePartWords();
  const id = useId();
  const [typed, setTyped] = useTypedFilter(name);
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {label ?? words("search")}
      </label>
      <input
        id={id}
        type="search"
        maxLength={200}
        placeholder={hint}
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
        className={`${field} w-64 max-w-full`}
      />
    </div>
  );
}

/** One of a few values, or all. */
export function ChoiceFilter({
  name,
  label,
  options,
  none,
}: {
  name: string;
  label: string;
  options: readonly (readonly [value: string, text: string])[];
  /** What it means that nothing is chosen; "All" where it is not said. */
  none?: string;
}) {
  const words = usePartWords();
  const id = useId();
  const { filters, setFilters } = useFilters();
  return (
    <div className="max-w-full min-w-0">
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {label}
      </label>
      <select
        id={id}
        value={filters[name] ?? ""}
        onChange={({ target }) => setFilters({ [name]: target.value })}
        className={`${field} max-w-full sm:max-w-72`}
      >
        <option value="">{none ?? words("all")}</option>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A day, or a month as its kind says. */
export function DayFilter({
  name,
  label,
  kind = "date",
  fallback = "",
}: {
  name: string;
  label: string;
  kind?: "date" | "month";
  /** Shown where the address has none. */
  fallback?: string;
}) {
  const id = useId();
  const { filters, setFilters } = useFilters();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {label}
      </label>
      <input
        id={id}
        type={kind}
        value={filters[name] ?? fallback}
        onChange={({ target }) => setFilters({ [name]: target.value })}
        className={field}
      />
    </div>
  );
}
