/** What is done at a till seldom: enrolling it, taking another key, and keeping answers of a file. */
import { type ChangeEvent, type FormEvent, useRef, useState } from "react";
import { Button, Card, Field, Notice } from "../../shared/ui.tsx";
import { useAction } from "../api.ts";
import { failureText } from "../entry_form.ts";
import { useWords } from "../words.ts";

export function Enrol() {
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

export function NewKey() {
  const words = useWords();
  const [key, setKey] = useState("");
  const take = useAction("/system/key");
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!take.isPending) take.mutate({ key: key.trim() }, { onSuccess: () => setKey("") });
  };
  return (
    <Card title={words.newKey}>
      <form onSubmit={send} noValidate className="flex flex-col gap-2">
        <p className="text-sm text-soft">{words.newKeyHelp}</p>
        <Field
          label={words.key}
          type="password"
          value={key}
          onChange={({ target }) => setKey(target.value)}
        />
        <Button type="submit" aria-disabled={take.isPending}>
          {words.takeKey}
        </Button>
        {take.isError && <Notice weight="bad">{failureText(take.error, words)}</Notice>}
        <p role="status" className="min-h-5 text-sm text-good">
          {take.isSuccess && words.keyTaken}
        </p>
      </form>
    </Card>
  );
}

/** Both ways of a stick: what waits goes out, and the answers come in. */
export function ByFile() {
  const words = useWords();
  const input = useRef<HTMLInputElement>(null);
  const keep = useAction("/system/import");
  const choose = async ({ target }: ChangeEvent<HTMLInputElement>) => {
    const [file] = target.files ?? [];
    if (file === undefined) return;
    keep.mutate(await contentOf(file));
    // The same file may be chosen again.
    target.value = "";
  };
  return (
    <Card title={words.byFile}>
      <p className="text-sm text-soft">{words.byFileHelp}</p>
      <div className="mt-3 flex flex-wrap gap-2">
        <a
          href="/api/v1/system/export"
          download
          className="inline-flex min-h-11 items-center rounded-lg border border-line px-4 font-semibold"
        >
          {words.exportFile}
        </a>
        <Button onClick={() => input.current?.click()} aria-disabled={keep.isPending}>
          {words.importFile}
        </Button>
        <input
          ref={input}
          type="file"
          accept=".json,application/json"
          className="hidden"
          aria-label={words.importFile}
          data-testid="answers"
          onChange={(event) => void choose(event)}
        />
      </div>
      {keep.isError && <Notice weight="bad">{failureText(keep.error, words)}</Notice>}
      <p role="status" className="min-h-5 text-sm text-good">
        {keep.isSuccess && words.importDone}
      </p>
    </Card>
  );
}

/** What is no JSON is no file of answers either: the till says so. */
async function contentOf(file: File): Promise<object> {
  try {
    return JSON.parse(await file.text());
  } catch {
    return {};
  }
}
