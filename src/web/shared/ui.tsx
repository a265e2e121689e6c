/** The parts that pages are made of. */
import { Dialog as Radix } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { useId, useState } from "react";

const looks = {
  main: "bg-brand text-on-brand border-transparent",
  plain: "bg-card text-ink border-line",
  bad: "bg-card text-bad border-bad",
} as const;

/** A button, large enough for a thumb. */
export function Button({
  look = "plain",
  className = "",
  ...rest
}: ComponentProps<"button"> & { look?: keyof typeof looks }) {
  return (
    <button
      type="button"
      className={`min-h-11 rounded-lg border px-3 py-2 font-semibold sm:px-4 disabled:opacity-60 aria-disabled:opacity-60 ${looks[look]} ${className}`}
      {...rest}
    />
  );
}

/** A field with its name above and what is wrong with it below. */
export function Field({
  label,
  hint,
  error,
  className = "",
  ...rest
}: ComponentProps<"input"> & { label: string; hint?: ReactNode; error?: string | undefined }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {label}
      </label>
      <input
        id={id}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-more`}
        autoComplete="off"
        className={`w-full min-h-11 rounded-lg border bg-card px-3 py-2 text-ink ${error === undefined ? "border-line" : "border-bad"} ${className}`}
        {...rest}
      />
      <p
        id={`${id}-more`}
        className={`mt-1 min-h-5 text-sm ${error === undefined ? "text-soft" : "text-bad"}`}
      >
        {error ?? hint}
      </p>
    </div>
  );
}

/** A list to choose from. */
export function Choice({
  label,
  options,
  ...rest
}: ComponentProps<"select"> & { label: string; options: [value: string, text: string][] }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-semibold">
        {label}
      </label>
      <select
        id={id}
        className="w-full min-h-11 rounded-lg border border-line bg-card px-2 text-ink"
        {...rest}
      >
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A part of a page under its heading. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="rounded-xl border border-line bg-card p-4">
      <h2 id={id} className="mb-3 text-lg font-bold">
        {title}
      </h2>
      {children}
    </section>
  );
}

const tones = {
  good: "border-good text-good",
  wait: "border-line text-soft",
  bad: "border-bad text-bad",
} as const;

/** A word on how something stands. */
export function Badge({ tone, children }: { tone: keyof typeof tones; children: ReactNode }) {
  return (
    <span
      className={`inline-block rounded-full border px-2 py-0.5 text-xs font-semibold whitespace-nowrap ${tones[tone]}`}
    >
      {children}
    </span>
  );
}

/** What somebody has to read: of weight "bad" it is read out at once. */
export function Notice({ weight, children }: { weight: "warn" | "bad"; children: ReactNode }) {
  const colours = weight === "bad" ? "bg-bad-ground text-bad" : "bg-warn-ground text-warn";
  return (
    <div
      role={weight === "bad" ? "alert" : "status"}
      className={`rounded-lg px-4 py-3 font-medium ${colours}`}
    >
      {children}
    </div>
  );
}

/** A window over the page; Escape closes it, and the focus goes back to where it was. */
export function Dialog({
  title,
  close,
  children,
}: {
  title: string;
  close: () => void;
  children: ReactNode;
}) {
  // Radix gives it back to a trigger of its own only, and this dialog has none.
  const [opener] = useState(() => document.activeElement);
  const giveFocusBack = (event: Event) => {
    event.preventDefault();
    // The row that it was opened from may be gone.
    const place = opener?.isConnected ? opener : document.querySelector("main");
    if (place instanceof HTMLElement) place.focus({ preventScroll: true });
  };
  return (
    <Radix.Root open onOpenChange={(isOpen) => !isOpen && close()}>
      <Radix.Portal>
        {/* Radix' own overlay adds a style element, which the page's policy forbids. */}
        <div className="not-printed fixed inset-0 bg-black/60" />
        <Radix.Content
          aria-describedby={undefined}
          onCloseAutoFocus={giveFocusBack}
          className="fixed top-1/2 left-1/2 max-h-[95dvh] w-[min(32rem,94vw)] -translate-x-1/2 -translate-y-1/2 overflow-y-auto rounded-xl border border-line bg-card p-5 shadow-xl"
        >
          <Radix.Title className="not-printed mb-3 text-lg font-bold">{title}</Radix.Title>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
