/** Versions as bars over time, a row for each scope; the table beside it says the same. */
import { Card } from "../../../shared/ui.tsx";
import { useToday } from "../../parts/today.ts";

/** A version that stands. */
export interface Span {
  readonly id: string;
  readonly scope: string;
  readonly text: string;
  readonly from: string;
  /** Null = until another one of its scope begins. */
  readonly to: string | null;
}

const DAY_MS = 86_400_000;
const numberOf = (day: string) => Date.parse(`${day.slice(0, 10)}T00:00:00Z`) / DAY_MS;

export function TimeLine({ title, spans }: { title: string; spans: readonly Span[] }) {
  const today = useToday();
  if (spans.length === 0) return null;
  const froms = spans.map(({ from }) => numberOf(from));
  const begin = Math.min(...froms);
  const ends = spans.map(({ to }) => (to === null ? 0 : numberOf(to) + 1));
  const end = Math.max(numberOf(today) + 60, ...froms.map((from) => from + 60), ...ends);
  const percent = (day: number) => `${((day - begin) / (end - begin)) * 100}%`;
  const scopes = [...new Set(spans.map(({ scope }) => scope))];
  return (
    <Card title={title}>
      <div aria-hidden="true" className="flex flex-col gap-2">
        {scopes.map((scope) => (
          <div key={scope}>
            <p className="text-sm text-soft break-words">{scope}</p>
            <div className="relative h-9 overflow-hidden rounded bg-ground">
              {spans
                .filter((span) => span.scope === scope)
                .map((span) => {
                  const from = numberOf(span.from);
                  const until = Math.min(endOf(span, spans), end);
                  return (
                    <div
                      key={span.id}
                      title={`${span.text}, ${span.from} – ${span.to ?? ""}`}
                      style={{
                        left: percent(from),
                        width: `calc(${percent(until)} - ${percent(from)} - 2px)`,
                      }}
                      className="absolute inset-y-0 overflow-hidden rounded border border-brand bg-card px-2 py-1.5 text-sm font-semibold whitespace-nowrap"
                    >
                      {span.text}
                    </div>
                  );
                })}
              <div
                style={{ left: percent(numberOf(today)) }}
                className="absolute inset-y-0 w-0.5 bg-bad"
              />
            </div>
          </div>
        ))}
      </div>
    </Card>
  );
}

/** The day behind its last one: its own, or the first of the next one of its scope. */
function endOf(span: Span, spans: readonly Span[]): number {
  if (span.to !== null) return numberOf(span.to) + 1;
  const later = spans
    .filter(({ scope, from }) => scope === span.scope && from > span.from)
    .map(({ from }) => numberOf(from));
  return Math.min(Number.POSITIVE_INFINITY, ...later);
}
