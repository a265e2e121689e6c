/** Who stands at the till: it goes with each row, and this browser remembers it. */
import { useSyncExternalStore } from "react";

const place = "cashier";
const listeners = new Set<() => void>();
let current = remembered();

function remembered(): string {
  try {
    return localStorage.getItem(place) ?? "";
  } catch {
    // A browser that keeps nothing.
    return "";
  }
}

/** Somebody else stands at the till; empty = nobody says. */
export function changeCashier(name: string): void {
  current = name;
  try {
    localStorage.setItem(place, name);
  } catch {
    // It holds until the page is closed.
  }
  for (const listener of listeners) listener();
}

/** The name as it goes with a row. */
export function cashierNow(): string {
  return current.trim();
}

/** The name as it is typed. */
export function useCashier(): string {
  return useSyncExternalStore(subscribe, () => current);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
