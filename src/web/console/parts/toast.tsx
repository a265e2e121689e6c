/** Short words on what has just happened; they go by themselves, bad ones when they are closed. */
import { useSyncExternalStore } from "react";
import { usePartWords } from "./words.ts";

interface Toast {
  readonly id: number;
  readonly tone: "good" | "bad";
  readonly text: string;
}

const SHOWN_MS = 8_000;
const listeners = new Set<() => void>();
let toasts: readonly Toast[] = [];
let lastId = 0;

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

const close = (id: number) => change(toasts.filter((each) => each.id !== id));

/** Says something in the corner of the page. */
export function say(tone: Toast["tone"], text: string): void {
  lastId += 1;
  const id = lastId;
  change([...toasts.slice(-3), { id, tone, text }]);
  if (tone === "good") setTimeout(() => close(id), SHOWN_MS);
}

/** Where they are shown. */
export function Toasts() {
  const words = usePartWords();
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div
      role="status"
      aria-live="polite"
      className="not-printed fixed right-3 bottom-3 z-50 flex w-80 max-w-[94vw] flex-col gap-2"
    >
      {shown.map(({ id, tone, text }) => (
        <div
          key={id}
          className={`flex items-start gap-2 rounded-lg border bg-card p-3 shadow-lg ${tone === "good" ? "border-good" : "border-bad text-bad"}`}
        >
          <p className="flex-1 break-words">{text}</p>
          <button type="button" aria-label={words("close")} onClick={() => close(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
