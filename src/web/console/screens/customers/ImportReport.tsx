/** The answers to the rows of a file: how many of each, and those that a person has to look at. */
import { Badge, Button } from "../../../shared/ui.tsx";
import { Figure } from "../../parts/figures.tsx";
import { type Column, Stat, Table } from "../../parts/table.tsx";
import type { ImportAnswerFragment as Answer } from "./import.documents.ts";
import { useImportWords } from "./import_words.ts";

const SHOWN_MAX = 200;
const BEFORE = "imported before";

export function ImportReport({
  answers,
  isDry,
  name,
}: {
  answers: readonly Answer[];
  isDry: boolean;
  name: string;
}) {
  const words = useImportWords();
  if (answers.length === 0) return null;
  const accepted = answers.filter(({ isAccepted }) => isAccepted);
  const before = accepted.filter(({ detail }) => detail === BEFORE);
  const noted = answers.filter(
    (each) => !each.isAccepted || (each.detail && each.detail !== BEFORE),
  );
  const columns: Column<Answer>[] = [
    { title: words("row"), align: "right", cell: ({ rowNo }) => rowNo },
    {
      title: words("answer"),
      cell: ({ isAccepted }) => (
        <Badge tone={isAccepted ? "good" : "bad"}>
          {words(isAccepted ? "recorded" : "refusedRow")}
        </Badge>
      ),
    },
    { title: words("code"), cell: ({ errorCode }) => errorCode ?? "–" },
    {
      title: words("detail"),
      cell: ({ errorCondition, detail }) => (
        <span className="[overflow-wrap:anywhere]">
          {[errorCondition?.replaceAll("_", " "), detail].filter(Boolean).join(": ")}
        </span>
      ),
    },
  ];
  return (
    <div className="flex flex-col gap-3">
      <p className="font-semibold">{words(isDry ? "tried" : "imported")}</p>
      <div className="grid gap-3 sm:grid-cols-3">
        <Stat label={words("accepted")}>
          <Figure value={accepted.length - before.length} />
        </Stat>
        <Stat label={words("before")}>
          <Figure value={before.length} />
        </Stat>
        <Stat label={words("refused")} tone={accepted.length < answers.length ? "bad" : undefined}>
          <Figure value={answers.length - accepted.length} />
        </Stat>
      </div>
      <Table
        caption={words("report")}
        columns={columns}
        rows={noted.slice(0, SHOWN_MAX)}
        keyOf={({ rowNo }) => String(rowNo)}
        empty={words("none")}
      />
      {noted.length > SHOWN_MAX && (
        <p className="text-soft">{words("more", { count: noted.length - SHOWN_MAX })}</p>
      )}
      <div>
        <Button onClick={() => save(answers, name)}>{words("reportFile")}</Button>
      </div>
    </div>
  );
}

/** A text as a field of CSV that no spreadsheet takes for a formula. */
function csvText(value: string | number | boolean | null): string {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function save(answers: readonly Answer[], name: string): void {
  const lines = [
    ["row", "accepted", "id", "code", "condition", "detail"],
    ...answers.map((each) => [
      each.rowNo,
      each.isAccepted,
      each.id,
      each.errorCode,
      each.errorCondition,
      each.detail,
    ]),
  ];
  const text = `${lines.map((line) => line.map(csvText).join(",")).join("\r\n")}\r\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `report_${name}`;
  link.click();
  URL.revokeObjectURL(link.href);
}
