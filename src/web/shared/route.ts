/** Where in a page somebody is: the path of its address, so that a reload and "back" work. */
import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
  addEventListener("popstate", listener);
  return () => removeEventListener("popstate", listener);
}

/** The present path. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** The present parameters, as one text. */
export function useParameters(): string {
  return useSyncExternalStore(subscribe, () => location.search);
}

/** Goes to an address of this page; `replace` leaves no step for "back". */
export function goTo(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
}
