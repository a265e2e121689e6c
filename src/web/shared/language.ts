/** The language of a page: Indonesian until somebody chooses another, remembered in this browser. */
import { useSyncExternalStore } from "react";

/** Languages of the pages. */
export type Language = "id" | "en";

const listeners = new Set<() => void>();
let current: Language = rememberedLanguage();
document.documentElement.lang = current;

/** The language that was chosen last in this browser. */
export function rememberedLanguage(): Language {
  try {
    return localStorage.getItem("language") === "en" ? "en" : "id";
  } catch {
    // A browser that keeps nothing.
    return "id";
  }
}

/** Changes the language everywhere at once. */
export function chooseLanguage(language: Language): void {
  current = language;
  document.documentElement.lang = language;
  try {
    localStorage.setItem("language", language);
  } catch {
    // It holds until the page is closed.
  }
  for (const listener of listeners) listener();
}

/** The language that is chosen. */
export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, () => current);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
