/** How the till is, for whoever looks after it: what waits, the centre, the clock, enrolment. */
import { type FormEvent, useState } from "react";
import { Button, Card, Field, Notice } from "../../shared/ui.tsx";
import { type SystemStatus, useAction, useStatus } from "../api.ts";
import { failureText } from "../entry_form.ts";
import { useMoment, useSpan } from "../figures.ts";
import { useWords } from "../words.ts";

export function Status() {
  const words = useWords();
  const { data } = useStatus();
  if (data === undefined) return <p className="text-soft">{words.loading}</p>;
  return (
    <div className="grid gap-3 lg:grid-cols-2">
      <h1 className="sr-only">{words.status}</h1>
      <Facts status={data} />
      {!data.is_enrolled || data.warnings.some((each) => each.startsWith("device_")) ? (
        <Enrol />
      ) : null}
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
        <a
          href="/api/v1/system/export"
          download
          className="inline-flex min-h-11 items-center rounded-lg border border-line px-4 font-semibold"
        >
          {words.exportFile}
        </a>
      </div>
    </Card>
  );
}

function clockText(offset: number, span: (seconds: number) => string, right: string): string {
  if (Math.abs(offset) < 5000) return right;
  return `${offset > 0 ? "+" : "−"} ${span(Math.abs(offset) / 1000)}`;
}

function Enrol() {
  const words = useWords();
  const [centre, setCentre] = useState("");
  const [code, setCode] = useState("");
  const enrol = useAction("/system/enrol");
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!enrol.isPending) enrol.mutate({ centre, code });
  };
  return (
    <Card title={words.enrol}>
      <form onSubmit={send} noValidate className="flex flex-col gap-2">
        <p className="text-sm text-soft">{words.enrolHelp}</p>
        <Field
          label={words.address}
          inputMode="url"
          placeholder="https://"
          value={centre}
          onChange={({ target }) => setCentre(target.value)}
        />
        <Field label={words.code} value={code} onChange={({ target }) => setCode(target.value)} />
        <Button type="submit" look="main" aria-disabled={enrol.isPending}>
          {words.enrol}
        </Button>
        {enrol.isError && <Notice weight="bad">{failureText(enrol.error, words)}</Notice>}
      </form>
    </Card>
  );
}
