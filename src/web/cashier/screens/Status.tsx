/** How the till is, for whoever looks after it: what waits, the centre, the clock, enrolment. */
import { Button, Card } from "../../shared/ui.tsx";
import { type SystemStatus, useAction, useStatus } from "../api.ts";
import { useMoment, useSpan } from "../figures.ts";
import { useWords } from "../words.ts";
import { ByFile, Enrol, NewKey } from "./Upkeep.tsx";

const mayEnrolAgain = new Set(["device_forked", "device_closed", "key_refused"]);

export function Status() {
  const words = useWords();
  const { data } = useStatus();
  if (data === undefined) return <p className="text-soft">{words.loading}</p>;
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      <h1 className="sr-only">{words.status}</h1>
      <Facts status={data} />
      <div className="flex flex-col gap-3">
        {!data.is_enrolled || data.warnings.some((each) => mayEnrolAgain.has(each)) ? (
          <Enrol />
        ) : null}
        {data.is_enrolled && <NewKey />}
        <ByFile />
      </div>
    </div>
  );
}

function Facts({ status }: { status: SystemStatus }) {
  const words = useWords();
  const moment = useMoment();
  const span = useSpan();
  const push = useAction("/system/push");
  const offset = status.clock_offset_ms;
  const clock = offset === null ? "–" : clockText(offset, span, words.clockRight);
  const oldest = status.oldest_unsynced_seconds;
  const lines: [name: string, value: string][] = [
    [words.status, words[status.connection]],
    [words.waiting, String(status.unsynced_count)],
    [words.oldest, oldest === null ? "–" : span(oldest)],
    [words.attention, String(status.attention_count)],
    [words.lastContact, status.last_contact === null ? words.never : moment(status.last_contact)],
    [words.clock, clock],
    [words.centre, status.centre ?? "–"],
    [
      words.device,
      `${status.device_no ?? "–"} · ${status.epoch_no} · ${status.device.slice(0, 8)}`,
    ],
    [words.program, status.program],
  ];
  return (
    <Card title={words.status}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2">
        {lines.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="figures min-w-0 text-right break-words">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button
          look="main"
          aria-disabled={push.isPending}
          onClick={() => push.isPending || push.mutate({})}
        >
          {push.isPending ? words.pushing : words.pushNow}
        </Button>
      </div>
    </Card>
  );
}

function clockText(offset: number, span: (seconds: number) => string, right: string): string {
  if (Math.abs(offset) < 5000) return right;
  return `${offset > 0 ? "+" : "−"} ${span(Math.abs(offset) / 1000)}`;
}
