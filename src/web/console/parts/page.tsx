/** What stands around a screen: its title, what one may do with it, and links within the console. */
import { Link as RouterLink } from "@tanstack/react-router";
import { Tabs as Radix } from "radix-ui";
import { type ReactNode, useEffect } from "react";

/** A screen under its title, which is the window's title too. */
export function Page({
  title,
  lead,
  actions,
  children,
}: {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Saldo`;
  }, [title]);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-start justify-between gap-2">
        <div>
          <h1 className="text-2xl font-bold break-words">{title}</h1>
          {lead && <div className="text-soft">{lead}</div>}
        </div>
        {actions && <div className="not-printed flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

/** A link to another place of the console; `search` is what its filters are. */
export function Go({
  to,
  search,
  children,
}: {
  to: string;
  search?: { readonly [name: string]: string | undefined };
  children: ReactNode;
}) {
  return (
    <RouterLink to={to} search={search as never} className="text-brand underline">
      {children}
    </RouterLink>
  );
}

/** Parts of a screen of which one is shown; which one stands in the address. */
export function Tabs({
  label,
  value,
  onChange,
  tabs,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  tabs: readonly { readonly value: string; readonly title: string; readonly content: ReactNode }[];
}) {
  return (
    <Radix.Root value={value} onValueChange={onChange}>
      <Radix.List
        aria-label={label}
        className="not-printed flex flex-wrap gap-1 border-b border-line"
      >
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="min-h-11 rounded-t-lg px-4 py-2 font-semibold text-soft data-[state=active]:border-b-4 data-[state=active]:border-brand data-[state=active]:text-ink"
          >
            {tab.title}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.value} value={tab.value} className="flex flex-col gap-4 pt-4">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
