/** What this browser remembers of a reader's choices; everything works where it remembers nothing. */
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Remembers a text, or forgets it, and tells whoever shows it. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // It holds nowhere; the page goes on.
  }
  for (const listener of listeners) listener();
}

/** A remembered text, as it is now, whichever tab has changed it. */
export function useRemembered(name: string): string | null {
  return useSyncExternalStore(subscribe, () => read(name));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("storage", listener);
  };
}
